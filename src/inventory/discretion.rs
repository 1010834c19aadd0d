//! What must not be repeated in messages: secrets that stand where none belong.
//!
//! An inventory holds references to secrets, never secrets. People paste them all the same, and a fault is
//! often on the very line where one was pasted: under a misspelt field, in a URL, in a line that is no
//! YAML. So a line is shown only when nothing on it looks like a secret; and whatever goes to a terminal,
//! a log or the journal goes through [`without_secrets`].
//!
//! What this process holds itself is known by its value, all else by its form or by what stands before it.
//! Where a form is in doubt, more is redacted rather than less. Each rule takes one look at the text, so
//! that a long one takes no longer than its length.

mod assigned;
mod form;
mod known;
mod label;
mod name;
mod private_key;
mod query;
mod run;
#[cfg(test)]
mod tests;
mod url;
mod word;

use std::borrow::Cow;

use serde_json::Value;

pub(super) use self::name::names_a_secret;
use crate::secret::REDACTED;

/// How often a text that changed is looked at again; texts that people or programs write need one.
const LOOKS: usize = 8;
/// Longer than the mapping that leads to a reference.
const REFERENCE: usize = 128;

/// A text as it may be shown when anything may have been typed or exported into it: what has the form of
/// a secret is redacted, and the rest stays.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = Cow::Borrowed(text);
    // What one rule took away may have stood between another and its secret.
    for _ in 0..=LOOKS {
        match looked_at(&shown) {
            Some(again) if again != shown => shown = again.into(),
            _ => break,
        }
    }
    shown.into_owned()
}

/// One look by each rule; `None` where none of them finds anything. What is known needs no guess; the addresses before the
/// words: a password may hold what parts words. What has a form is told from what stands around it; what has none is a
/// word, whatever is in it.
fn looked_at(text: &str) -> Option<String> {
    let rules = [
        known::redacted,
        private_key::redacted,
        without_addresses,
        form::redacted,
        assigned::redacted,
    ];
    let mut shown = None;
    for rule in rules {
        if let Cow::Owned(again) = rule(shown.as_deref().unwrap_or(text)) {
            shown = Some(again);
        }
    }
    shown
}

/// A value, and all that is in it, as it may be shown.
pub(crate) fn without_secrets_in(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_secrets(&text)),
        Value::Array(values) => values.into_iter().map(without_secrets_in).collect(),
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| (without_secrets(&key), without_secrets_in(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// A line of a file as it may be shown; `None` where it may hold a secret.
pub(super) fn shown_line(line: &str) -> Option<String> {
    let assigned = line.match_indices(':').any(|(end, _)| {
        let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let before = line[..end].trim_end_matches(['"', '\'']);
        let name = &before[before.trim_end_matches(word).len()..];
        let value = line[end + 1..].trim_start();
        names_a_secret(name) && !value.is_empty() && !is_reference(value)
    });
    if assigned || looks_like_a_secret(line) {
        return None;
    }
    Some(without_addresses(line).into_owned())
}

/// A value as it may be repeated in a message.
pub(super) fn shown_value(text: &str) -> String {
    if looks_like_a_secret(text) {
        return REDACTED.to_owned();
    }
    without_addresses(text).into_owned()
}

/// Whether a URL in a text holds a name and a password.
pub(super) fn holds_a_password(text: &str) -> bool {
    url::redacted(text) != text
}

/// The text without what its URLs hold of secrets.
fn without_addresses(text: &str) -> Cow<'_, str> {
    match url::redacted(text) {
        Cow::Borrowed(text) => query::redacted(text),
        Cow::Owned(text) => query::redacted(&text).into_owned().into(),
    }
}

/// What says where a secret is: `{env: NAME}`, or a mapping that begins with such a one.
fn is_reference(value: &str) -> bool {
    // All that matters stands in front; a text may be one mapping in another for ever.
    let value = &value[..value.floor_char_boundary(REFERENCE)];
    if value.starts_with('#') {
        return true;
    }
    let inner = value.trim_start_matches(['{', ' ', '"', '\'']);
    let Some((kind, rest)) = inner.split_once(':') else { return false };
    let kind = kind.trim_end_matches(['"', '\'', ' ']);
    ["env", "file", "command", "age"].contains(&kind)
        || rest.trim_start().starts_with('{') && is_reference(rest.trim_start())
}

/// Tokens and keys are known by their form; of a private key each line may come alone.
fn looks_like_a_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
        || known::redacted(text) != text
        || form::redacted(text) != text
        || assigned::redacted(text) != text
}
