//! Parameters out of queries, forms and JSON bodies.

use indexmap::IndexMap;
use serde_json::Value;

/// Decodes a form as the real server does: pairs split at `&` and `;`, and at *every* `=`, so
/// that a raw `=` in a value cuts it. Repeated keys become arrays.
pub(crate) fn decode(text: &str) -> IndexMap<String, Value> {
    let mut found: IndexMap<String, Value> = IndexMap::new();
    for pair in text.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let mut parts = pair.split('=');
        let key = unescape(parts.next().unwrap_or_default());
        let value = match parts.next() {
            // Perl's split drops trailing empty fields: `a=` has no value, like `a`. An
            // undefined value is a missing one to the schema, and an empty one to nobody.
            None => Value::Null,
            Some("") if parts.all(str::is_empty) => Value::Null,
            Some(value) => Value::String(unescape(value)),
        };
        let value = match (found.get(&key), value) {
            (Some(Value::Null) | None, value) => value,
            (Some(_), Value::Null) => Value::Null,
            (Some(Value::Array(items)), value) => {
                let mut items = items.clone();
                items.push(value);
                Value::Array(items)
            }
            (Some(old), value) => Value::Array(vec![old.clone(), value]),
        };
        found.insert(key, value);
    }
    found
}

fn unescape(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Decodes a JSON body.
///
/// # Errors
/// The Perl message that becomes status 500.
pub(crate) fn decode_json(body: &[u8]) -> Result<IndexMap<String, Value>, String> {
    const PLACE: &str = "at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line";
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(map)) => Ok(map.into_iter().collect()),
        Ok(_) => Err(format!("Not a HASH reference {PLACE} 942.\n")),
        Err(error) => {
            let offset = offset_of(&text, &error);
            let rest: String = text.chars().skip(offset).collect();
            let before = match rest.chars().count() {
                0 => "(end of string)".to_owned(),
                length if length > 20 => {
                    format!("{}...", rest.chars().take(20).collect::<String>())
                }
                _ => rest.trim_end_matches(['}', ']']).to_owned(),
            };
            let key_wanted = text.trim_start().starts_with('{')
                && text[..text.char_indices().nth(offset).map_or(text.len(), |(at, _)| at)]
                    .trim_end()
                    .ends_with(['{', ',']);
            let problem = if key_wanted {
                "'\"' expected"
            } else {
                "malformed JSON string, neither tag, array, object, number, string or atom"
            };
            Err(format!(
                "{problem}, at character offset {offset} (before \"{before}\") {PLACE} 934.\n"
            ))
        }
    }
}

fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let before: usize =
        text.split_inclusive('\n').take(error.line() - 1).map(|line| line.chars().count()).sum();
    let offset = before + error.column();
    if error.is_eof() { text.chars().count() } else { offset.saturating_sub(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_equals_sign_cuts_the_value() {
        let form = decode("poolid=peq&comment=a=b");
        assert_eq!(form["comment"], "a");
    }

    #[test]
    fn a_semicolon_separates_pairs_and_a_repeated_key_becomes_an_array() {
        let form = decode("comment=a;b=c&b=d+e%2C");
        assert_eq!(form["comment"], "a");
        assert_eq!(form["b"], serde_json::json!(["c", "d e,"]));
    }

    #[test]
    fn broken_json_is_told_in_the_words_of_perl() {
        assert_eq!(
            decode_json(b"{bad").unwrap_err(),
            "'\"' expected, at character offset 1 (before \"bad\") at \
             /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.\n"
        );
    }
}
