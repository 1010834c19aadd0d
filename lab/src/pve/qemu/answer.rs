//! Configurations as answers.

use serde_json::{Map, Value};

use super::{config::Section, options};

/// An option's value: numbers where the schema has numbers, the password hidden.
pub(crate) fn value(option: &str, text: &str) -> Value {
    match option {
        "cipassword" => Value::from("**********"),
        _ if options::is_numeric(option) => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
        },
        _ => Value::from(text),
    }
}

/// A section with the file's digest.
pub(crate) fn section(section: &Section, digest: &str) -> Value {
    let mut answer: Map<String, Value> =
        section.iter().map(|(option, text)| (option.clone(), value(option, text))).collect();
    answer.insert("digest".to_owned(), Value::from(digest));
    Value::Object(answer)
}
