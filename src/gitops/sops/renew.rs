//! A file encrypted anew for other recipients, and by its own rule: which values are encrypted, in which order
//! and form they stand and what is said between them is its author's.

use age::x25519::{Identity, Recipient};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    comment, data_key,
    document::{mac_of, open, opened_key, parsed, place, walk},
    failure, section,
    value::{self, DataKey},
};
use crate::error::{Failure, Kind, Result};

/// What a section may hold beside `age`, and be understood.
const KNOWN: [&str; 10] = [
    "lastmodified",
    "mac",
    "version",
    "encrypted_regex",
    "unencrypted_regex",
    "encrypted_suffix",
    "unencrypted_suffix",
    "encrypted_comment_regex",
    "unencrypted_comment_regex",
    "mac_only_encrypted",
];

/// What becomes of recipients that are not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They open the file still, unless they are keys of `identities`.
    Kept,
    Dropped,
}

/// Encrypts a file with a new data key for `recipients`. `identities` open it, before and after.
///
/// # Errors
///
/// [`Kind::Refused`] when others than age keys open it, or it holds what is not understood; as [`open`].
pub fn renew(
    text: &str,
    identities: &[Identity],
    recipients: &[Recipient],
    others: Others,
    now: Timestamp,
) -> Result<String> {
    let before = open(text, identities)?;
    let (mut document, mut sops) = parsed(text)?;
    refuse_unknown(&sops)?;
    let (old, named) = opened_key(&sops, identities)?;
    let key: DataKey = Zeroizing::new(rand::rng().random());
    let mut renewed = comment::renewed(text, &document, &old, &key)?;
    walk(&mut document, &mut Vec::new(), &mut |leaf, path| {
        let Some(token) = leaf.as_str().filter(|text| value::is_encrypted(text)) else {
            return Ok(());
        };
        let clear = value::decrypt(token, &old, &place(path))?;
        let anew = value::encrypt_as(&clear.kind, &clear.bytes, &key, &place(path))?;
        // Its nonce makes it the only one of its kind.
        if renewed.matches(token).count() != 1 {
            return Err(odd());
        }
        renewed = renewed.replacen(token, &anew, 1);
        Ok(())
    })?;
    let mac = mac_of(&sops, &old)?;
    let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    sops["mac"] = value::encrypt_as(&mac.kind, &mac.bytes, &key, &modified)?.into();
    sops["lastmodified"] = modified.into();
    let held: Vec<String> = identities.iter().map(|one| one.to_public().to_string()).collect();
    sops["age"] = wrapped(&key, recipients, kept(&named, &held, others))?;
    let renewed = section::replaced(&renewed, &sops).ok_or_else(odd)?;
    // Nothing is taken for granted of a text that others wrote.
    let after = open(&renewed, identities)?;
    if after.document != before.document || encrypted(&renewed)? != encrypted(text)? {
        return Err(odd());
    }
    Ok(renewed)
}

fn refuse_unknown(sops: &Value) -> Result<()> {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        value => value == &json!(0),
    };
    let entries = sops.as_object().ok_or_else(odd)?.iter();
    let unknown: Vec<String> = entries
        .filter(|(name, value)| {
            *name != "age" && !KNOWN.contains(&name.as_str()) && !says_nothing(value)
        })
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let why =
        format!("its `sops` section has {}, which is left to `sops` itself", unknown.join(", "));
    Err(Failure::new(Kind::Refused, why)
        .hint("encrypt it for age keys alone, or keep it out of this tree"))
}

/// The recipients that stay beside those asked for.
fn kept<'a>(named: &'a [String], held: &[String], others: Others) -> Vec<&'a str> {
    let stays = |one: &&String| others == Others::Kept && !held.contains(one);
    named.iter().filter(stays).map(String::as_str).collect()
}

fn wrapped(key: &DataKey, recipients: &[Recipient], others: Vec<&str>) -> Result<Value> {
    let mut all: Vec<(String, Box<dyn age::Recipient>)> = Vec::new();
    for recipient in recipients {
        all.push((recipient.to_string(), Box::new(recipient.clone())));
    }
    for name in others {
        all.push((name.to_owned(), parsed_recipient(name)?));
    }
    let mut entries: Vec<Value> = Vec::new();
    for (name, recipient) in all {
        if !entries.iter().any(|entry| entry["recipient"] == name.as_str()) {
            let enc = data_key::wrap(key, &*recipient)?;
            entries.push(json!({ "recipient": name, "enc": enc }));
        }
    }
    Ok(entries.into())
}

/// A key of age's own, or one of SSH's.
fn parsed_recipient(name: &str) -> Result<Box<dyn age::Recipient>> {
    if let Ok(recipient) = name.parse::<Recipient>() {
        return Ok(Box::new(recipient));
    }
    match name.parse::<age::ssh::Recipient>() {
        Ok(recipient) => Ok(Box::new(recipient)),
        Err(_) => Err(Failure::new(
            Kind::Refused,
            format!("it is encrypted for `{name}` too, for whom only `sops` itself can encrypt"),
        )),
    }
}

/// Where the values stand that are encrypted.
fn encrypted(text: &str) -> Result<Vec<String>> {
    let mut places = Vec::new();
    let (mut document, _) = parsed(text)?;
    walk(&mut document, &mut Vec::new(), &mut |leaf, path| {
        if leaf.as_str().is_some_and(value::is_encrypted) {
            places.push(place(path));
        }
        Ok(())
    })?;
    Ok(places)
}

fn odd() -> Failure {
    let failure = failure("it is not written as SOPS writes YAML or JSON");
    Failure { kind: Kind::Refused, ..failure }
        .hint("let `sops` write it once (`sops edit FILE`), or keep it out of this tree")
}
