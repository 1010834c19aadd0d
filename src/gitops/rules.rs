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

/// Rules that somebody edited, with the key in use in the place of retired ones: in each list of keys once.
pub fn renewed(text: &str, retired: &[String], newest: &str) -> String {
    let mut renewed = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = list(rest);
        if length == 0 {
            let other = rest.find(is_word).unwrap_or(rest.len());
            renewed.push_str(&rest[..other]);
            rest = &rest[other..];
            continue;
        }
        renewed.push_str(&list_renewed(&rest[..length], retired, newest));
        rest = &rest[length..];
    }
    renewed
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
}

/// How long the list is with which a text begins: words with commas and blanks between them.
fn list(text: &str) -> usize {
    let word = |text: &str| text.find(|letter| !is_word(letter)).unwrap_or(text.len());
    let mut length = word(text);
    loop {
        let rest = text[length..].trim_start();
        let Some(next) = rest.strip_prefix(',').map(str::trim_start) else { return length };
        match word(next) {
            0 => return length,
            more => length = text.len() - next.len() + more,
        }
    }
}

/// A list without retired keys; what stands between the others stays.
fn list_renewed(list: &str, retired: &[String], newest: &str) -> String {
    let is_older = |word: &str| retired.iter().any(|older| older == word);
    let mut named = list.split(',').any(|word| word.trim() == newest);
    let mut words: Vec<String> = Vec::new();
    for word in list.split(',') {
        if !is_older(word.trim()) {
            words.push(word.to_owned());
        } else if !named {
            named = true;
            words.push(word.replace(word.trim(), newest));
        }
    }
    let joined = words.join(",");
    // The first may have gone, and with it what stands before the list: nothing.
    if is_older(list.split(',').next().unwrap_or_default().trim()) {
        joined.trim_start().to_owned()
    } else {
        joined
    }
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
        assert_eq!(renewed("age: old, older, newest"), "age: newest");
        assert_eq!(
            renewed("age: >-\n  other,\n  old,\n  newest\n"),
            "age: >-\n  other,\n  newest\n"
        );
        assert_eq!(
            renewed("- age: [old, other]\n- age: [newest]"),
            "- age: [newest, other]\n- age: [newest]"
        );
        assert_eq!(renewed("- 'gold' # old"), "- 'gold' # newest");
    }

    #[test]
    fn each_rule_keeps_the_key_in_use_whatever_another_names() {
        let text = "- age: newest\n- age: other,old\n- {age: \"old,other\"}\n";
        let wanted = "- age: newest\n- age: other,newest\n- {age: \"newest,other\"}\n";
        assert_eq!(renewed(text, &["old".into()], "newest"), wanted);
    }
}
