//! `.sops.yaml`, the rules for the official `sops`: whom they name. Secrets are encrypted for those.

use serde_json::Value;

/// Every age recipient that the rules name, each once; none where they can't be read.
pub fn named(text: &str) -> Vec<String> {
    let rules: Value = serde_saphyr::from_str(text).unwrap_or_default();
    let mut all = Vec::new();
    for rule in rules["creation_rules"].as_array().into_iter().flatten() {
        collect(&rule["age"], &mut all);
        for group in rule["key_groups"].as_array().into_iter().flatten() {
            collect(&group["age"], &mut all);
        }
    }
    all
}

/// A text with commas, or a list of them.
fn collect(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
                if !all.iter().any(|known| known == one) {
                    all.push(one.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
        _ => {}
    }
}

/// Rules that somebody edited, with the key in use in the place of retired ones.
pub fn renewed(text: &str, retired: &[String], newest: &str) -> String {
    let mut text = text.to_owned();
    for older in retired {
        if text.contains(newest) {
            text = text.replace(&format!(",{older}"), "").replace(&format!("{older},"), "");
        }
        text = text.replace(older.as_str(), newest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_rules_name_is_read_in_each_of_their_forms() {
        let text = "creation_rules:\n  - age: a, b\n  - age: [b, c]\n    key_groups:\n      - age: [d]\n      - pgp: [x]\n";
        assert_eq!(named(text), ["a", "b", "c", "d"]);
        assert!(named("").is_empty() && named("a: [").is_empty());
    }

    #[test]
    fn a_retired_key_gives_its_place_to_the_one_in_use() {
        let renewed = |text: &str| renewed(text, &["old".into(), "older".into()], "newest");
        assert_eq!(renewed("age: old # mine"), "age: newest # mine");
        assert_eq!(renewed("age: other,old"), "age: other,newest");
        assert_eq!(renewed("age: old,newest"), "age: newest");
        assert_eq!(renewed("age: newest,old"), "age: newest");
    }
}
