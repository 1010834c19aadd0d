//! A whole file: encrypted, and opened again.

use age::x25519::{Identity, Recipient};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::{
    ENCRYPTED, comment, data_key, failure,
    form::Form,
    value::{self, Clear, DataKey},
    yaml,
};
use crate::error::Result;

/// The release of SOPS whose format this is.
const VERSION: &str = "3.11.0";
/// What the MAC begins with where it counts encrypted values alone; a constant of SOPS.
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// A file in the clear. It does not print.
pub struct Opened {
    /// The document without its `sops` section; a list where there are several.
    pub document: Value,
    /// Whom it is encrypted for.
    pub recipients: Vec<String>,
}

/// Encrypts a document; `comment` stands above it, each line a comment.
///
/// # Errors
///
/// When age does not take a recipient.
pub fn seal(
    document: &Value,
    comment: &str,
    recipients: &[Recipient],
    now: Timestamp,
) -> Result<String> {
    let key: DataKey = Zeroizing::new(rand::rng().random());
    let mut mac = Sha512::new();
    let mut document = document.clone();
    walk(&mut document, &mut Vec::new(), &mut |leaf, path| {
        mac.update(counted(leaf));
        if path.iter().any(|key| is_secret(key)) {
            // A Secret's values are texts; anything else would be refused by Kubernetes.
            let Value::String(text) = leaf else {
                return Err(failure(format!("`{}` is no text", path.join("."))));
            };
            *leaf = value::encrypt(text, &key, &place(path))?.into();
        }
        Ok(())
    })?;
    let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mac = value::encrypt(&hex::encode_upper(mac.finalize()), &key, &modified)?;
    let age = recipients.iter().map(|recipient| {
        let enc = data_key::wrap(&key, recipient)?;
        Ok(json!({ "recipient": recipient.to_string(), "enc": enc }))
    });
    let sops = json!({
        "age": age.collect::<Result<Vec<Value>>>()?,
        "lastmodified": modified,
        "mac": mac,
        "encrypted_regex": ENCRYPTED,
        "version": VERSION,
    });
    document
        .as_object_mut()
        .ok_or_else(|| failure("it is no mapping"))?
        .insert("sops".into(), sops);
    let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    Ok(comment + &yaml::write(&document))
}

/// Opens an encrypted file and checks that nothing in it was altered.
///
/// # Errors
///
/// When it is no file of SOPS, no identity opens it, or it was altered.
pub fn open(text: &str, identities: &[Identity]) -> Result<Opened> {
    let (mut document, sops) = parsed(text)?;
    let (key, recipients) = opened_key(&sops, identities)?;
    comment::without(&mut document);
    let encrypted_only = sops.get("mac_only_encrypted") == Some(&Value::Bool(true));
    let mut mac = Sha512::new();
    if encrypted_only {
        mac.update(ENCRYPTED_ONLY);
    }
    walk(&mut document, &mut Vec::new(), &mut |leaf, path| {
        match leaf {
            Value::String(text) if value::is_encrypted(text) => {
                let clear = value::decrypt(text, &key, &place(path))?;
                mac.update(&clear.bytes);
                *leaf = clear.value;
            }
            leaf if !encrypted_only => mac.update(counted(leaf)),
            _ => {}
        }
        Ok(())
    })?;
    let said = mac_of(&sops, &key)?;
    if said.value.as_str() != Some(&hex::encode_upper(mac.finalize())) {
        return Err(failure("it was altered: its values are not those that were encrypted")
            .hint("take it from Git as it was")
            .hint(
                "where `sops decrypt` opens it: values in the clear that SOPS counts in another form (a date, `0x1F`, \
                 `yes`) are to be written as texts, by `sops edit`",
            ));
    }
    Ok(Opened { document, recipients })
}

/// The document, encrypted as it is, and its `sops` section. Several are a list: where they stand in it is counted
/// as little as the places of any other list.
pub(super) fn parsed(text: &str) -> Result<(Value, Value)> {
    if let Some(left) = Form::of(text).left_to_sops() {
        return Err(left);
    }
    // SOPS writes out what is merged, below `<<`.
    let options = serde_saphyr::options! { merge_keys: serde_saphyr::MergeKeyPolicy::AsOrdinary };
    let mut documents: Vec<Value> = match Form::of(text) {
        Form::Json => vec![
            serde_json::from_str(text)
                .map_err(|error| failure("it is no JSON").because(error.to_string()))?,
        ],
        _ => serde_saphyr::from_multiple_with_options(text, options)
            .map_err(|error| failure("it is no YAML").because(error.to_string()))?,
    };
    // Each has the section, and it is the same.
    let sections =
        documents.iter_mut().map(|document| document.as_object_mut()?.shift_remove("sops"));
    let sops = sections.collect::<Option<Vec<Value>>>().and_then(|all| all.into_iter().next());
    let sops = sops.ok_or_else(|| failure("it has no `sops` section: it is not encrypted"))?;
    let document = if documents.len() == 1 { documents.remove(0) } else { documents.into() };
    Ok((document, sops))
}

/// What the file says that its values sum up to.
pub(super) fn mac_of(sops: &Value, key: &DataKey) -> Result<Clear> {
    let word = |name: &str| sops.get(name).and_then(Value::as_str).unwrap_or_default();
    value::decrypt(word("mac"), key, word("lastmodified"))
}

pub(super) fn opened_key(sops: &Value, identities: &[Identity]) -> Result<(DataKey, Vec<String>)> {
    let empty = Vec::new();
    let entries = sops.get("age").and_then(Value::as_array).unwrap_or(&empty);
    let field = |entry: &Value, name: &str| entry.get(name)?.as_str().map(str::to_owned);
    let recipients: Vec<String> =
        entries.iter().filter_map(|entry| field(entry, "recipient")).collect();
    let key = entries
        .iter()
        .filter_map(|entry| field(entry, "enc"))
        .find_map(|sealed| data_key::unwrap(&sealed, identities));
    match key {
        Some(key) => Ok((key, recipients)),
        None if recipients.is_empty() => Err(failure("it is not encrypted for age")),
        None => Err(failure(format!("it is encrypted for {}", recipients.join(", "))).hint(
            "the identity file holds none of their keys: take the right one from your backup",
        )),
    }
}

fn is_secret(key: &str) -> bool {
    matches!(key, "data" | "stringData")
}

/// Where a value stands, as SOPS writes it; a list's own places do not count.
pub(super) fn place(path: &[String]) -> String {
    format!("{}:", path.join(":"))
}

/// What the MAC counts of a value in the clear.
fn counted(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Every value that holds no others, in the order of the document.
pub(super) fn walk(
    value: &mut Value,
    path: &mut Vec<String>,
    leaf: &mut impl FnMut(&mut Value, &[String]) -> Result<()>,
) -> Result<()> {
    match value {
        Value::Object(entries) => walk_entries(entries, path, leaf),
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, path, leaf)),
        value => leaf(value, path),
    }
}

fn walk_entries(
    entries: &mut Map<String, Value>,
    path: &mut Vec<String>,
    leaf: &mut impl FnMut(&mut Value, &[String]) -> Result<()>,
) -> Result<()> {
    for (key, value) in entries {
        path.push(key.clone());
        walk(value, path, leaf)?;
        path.pop();
    }
    Ok(())
}
