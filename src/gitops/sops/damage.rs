//! Encrypted files after an accident: altered, they are refused; and what is written reads back.

use std::sync::LazyLock;

use age::x25519::Identity;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{Others, is_sealed, open, renew, seal, yaml};
use crate::damage::{any_json, cases, damaged, nonsense};

static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::generate);
static SEALED: LazyLock<String> = LazyLock::new(|| sealed(&secret()));

fn secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token", "labels": {}, "list": [[], {}, "a\r\nb\r\n", "del\u{7f}", "mark\u{feff}\n"]},
        "stringData": {"token": "canary", "lines": "first\n  second\n", "empty": ""},
    })
}

fn sealed(document: &Value) -> String {
    seal(document, "A comment.", &[IDENTITY.to_public()], Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn empty_lists_and_mappings_and_other_ends_of_lines_read_back() {
    let opened = open(&SEALED, std::slice::from_ref(&*IDENTITY)).unwrap();
    assert_eq!(opened.document, secret());
}

#[test]
fn a_bottomless_file_is_refused_without_a_crash() {
    for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let text = format!("sops: {{}}\nENC[AES256_GCM,: {deep}");
        assert!(open(&text, &[]).is_err());
        assert!(is_sealed("a.yaml", &text), "somebody's Secret all the same");
    }
}

/// Texts as they stand in manifests: of several lines, with blanks at odd places, and what YAML has a meaning for.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        nonsense(),
        "[a-zA-Z0-9 :#\n\r\t\\-'\"|>{}\\[\\]\u{85}\u{2028}\u{feff}\u{7f}]{0,20}",
        "\\PC{0,20}"
    ]
}

fn any_document() -> impl Strategy<Value = Value> {
    let entries =
        vec((any_text(), prop_oneof![any_text().prop_map(Value::from), any_json()]), 1..5);
    entries.prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn what_is_written_as_yaml_reads_back(document in any_document()) {
        let text = yaml::write(&document);
        let read: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(read, document, "{}", text);
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn what_is_sealed_opens_as_it_was(name in any_text(), values in vec(("[a-z]{1,4}", any_text()), 0..4)) {
        let data: serde_json::Map<String, Value> = values.into_iter().map(|(key, value)| (key, value.into())).collect();
        let document = json!({"kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let text = sealed(&document);
        prop_assert_eq!(open(&text, std::slice::from_ref(&*IDENTITY)).unwrap().document, document);
    }

    #[test]
    fn damage_is_refused_or_touches_nothing_that_counts(text in damaged(SEALED.as_str())) {
        let identities = std::slice::from_ref(&*IDENTITY);
        if let Ok(opened) = open(&text, identities) {
            // Values, their order and their keys' places are vouched for; keys of what is empty are not.
            prop_assert_eq!(&opened.document["stringData"]["token"], &json!("canary"));
        }
        let renewed = renew(&text, identities, &[IDENTITY.to_public()], Others::Kept, Timestamp::UNIX_EPOCH);
        if let Ok(renewed) = renewed {
            let (before, after) = (open(&text, identities).unwrap(), open(&renewed, identities).unwrap());
            prop_assert_eq!(before.document, after.document);
        }
        let _ = is_sealed("a.yaml", &text);
    }
}
