//! Encrypted comments: `#ENC[AES256_GCM,...,type:comment]`. They are no part of the document, nor of its MAC; each is
//! bound to what it stands in. In a list SOPS writes them as its items.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    document::place,
    value::{self, DataKey},
};
use crate::error::{Failure, Kind, Result};

const BEGIN: &str = "#ENC[AES256_GCM,";

/// The text with each encrypted comment encrypted by another key.
///
/// # Errors
///
/// [`Kind::Refused`] for one that the older key does not open: it would be lost with that key.
pub(super) fn renewed(
    text: &str,
    document: &Value,
    older: &DataKey,
    newer: &DataKey,
) -> Result<String> {
    let mut parts = text.split(BEGIN);
    let mut renewed = parts.next().unwrap_or_default().to_owned();
    // Only where there are any: a document may have many places.
    let mut places = BTreeSet::new();
    for part in parts {
        if places.is_empty() {
            collect(document, &mut Vec::new(), &mut places);
        }
        let (rest, after) = part.split_once(']').ok_or_else(lost)?;
        let token = format!("ENC[AES256_GCM,{rest}]");
        // Which of them it is bound to is not written: its tag tells the right one.
        let opened = places
            .iter()
            .find_map(|place| Some((place, value::decrypt(&token, older, place).ok()?)));
        let (place, clear) = opened.ok_or_else(lost)?;
        renewed.push('#');
        renewed.push_str(&value::encrypt_as(&clear.kind, &clear.bytes, newer, place)?);
        renewed.push_str(after);
    }
    Ok(renewed)
}

/// Everywhere that a comment may stand: at the root, and below each key.
fn collect(value: &Value, path: &mut Vec<String>, places: &mut BTreeSet<String>) {
    places.insert(place(path));
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                path.push(key.clone());
                collect(value, path, places);
                path.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, places)),
        _ => {}
    }
}

/// Takes out of lists the comments that SOPS writes as items of them: the MAC does not count them either.
pub(super) fn without(document: &mut Value) {
    let is_comment = |item: &Value| {
        let text = item.as_str().unwrap_or_default();
        value::is_encrypted(text) && text.ends_with(",type:comment]")
    };
    match document {
        Value::Object(entries) => entries.values_mut().for_each(without),
        Value::Array(items) => {
            items.retain(|item| !is_comment(item));
            items.iter_mut().for_each(without);
        }
        _ => {}
    }
}

fn lost() -> Failure {
    Failure::new(
        Kind::Refused,
        "it has an encrypted comment that its data key does not open, and that would be lost",
    )
    .hint("take the comment away by `sops edit FILE`, or let `sops rotate --in-place FILE` write it anew")
}
