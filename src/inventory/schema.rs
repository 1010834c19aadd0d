//! The JSON schema of an inventory, and what can be read from one.

use serde_json::{Value, json};

use super::{file::InventoryFile, lock::LockFile, scalar};

/// The schema of inventories, generated from [`InventoryFile`].
pub fn inventory_schema() -> Value {
    finished(schemars::schema_for!(InventoryFile).to_value())
}

/// The schema of lock files.
pub fn lock_schema() -> Value {
    finished(schemars::schema_for!(LockFile).to_value())
}

/// As it is committed: pretty, with a newline at its end.
pub fn printed(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Adds to each text of a known format the pattern that editors can check.
fn finished(mut schema: Value) -> Value {
    add_patterns(&mut schema);
    schema
}

fn add_patterns(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let pattern = object
                .get("format")
                .and_then(Value::as_str)
                .and_then(scalar::format)
                .and_then(|format| format.pattern);
            if let Some(pattern) = pattern {
                object.insert("pattern".into(), json!(pattern));
            }
            object.values_mut().for_each(add_patterns);
        }
        Value::Array(items) => items.iter_mut().for_each(add_patterns),
        _ => {}
    }
}

/// Follows `$ref`s; with the name of the last definition.
pub(crate) fn follow<'a>(root: &'a Value, mut schema: &'a Value) -> (&'a Value, Option<&'a str>) {
    let mut name = None;
    while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let Some(pointer) = reference.strip_prefix('#') else { break };
        let Some(next) = root.pointer(pointer) else { break };
        name = reference.rsplit('/').next();
        schema = next;
    }
    (schema, name)
}

/// The schema of the value, where it may be absent (`anyOf` of it and null).
pub(crate) fn optional(schema: &Value) -> &Value {
    schema
        .get("anyOf")
        .and_then(Value::as_array)
        .and_then(|variants| variants.iter().find(|one| one.get("type") != Some(&json!("null"))))
        .unwrap_or(schema)
}

/// What a schema allows a value to be, as far as our own schemas go.
pub(crate) enum Shape<'a> {
    /// One of several, each a fixed word, a number or a mapping of one key.
    Choice(Choice<'a>),
    /// A mapping with known keys.
    Record {
        properties: &'a serde_json::Map<String, Value>,
        required: Vec<&'a str>,
    },
    /// A mapping with free keys; `values` is absent where anything goes.
    Map {
        keys: Option<&'static scalar::Format>,
        values: Option<&'a Value>,
    },
    List {
        items: &'a Value,
        fewest: u64,
    },
    Text {
        format: Option<&'static scalar::Format>,
        fewest: u64,
        most: u64,
    },
    Integer {
        least: i64,
        most: i64,
    },
    Boolean,
    Anything,
}

#[derive(Default)]
pub(crate) struct Choice<'a> {
    pub(crate) words: Vec<&'a str>,
    pub(crate) keyed: Vec<(&'a str, &'a Value)>,
    pub(crate) integer: Option<&'a Value>,
}

/// Reads a schema node that has been [followed](follow); with whether nothing is allowed too.
pub(crate) fn shape<'a>(root: &'a Value, schema: &'a Value) -> (Shape<'a>, bool) {
    if schema.get("anyOf").is_some() {
        return (shape(root, follow(root, optional(schema)).0).0, true);
    }
    if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        return (Shape::Choice(choice(variants)), false);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let nullable = words.contains(&Value::Null);
        let words = words.iter().filter_map(Value::as_str).collect();
        return (Shape::Choice(Choice { words, ..Choice::default() }), nullable);
    }
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return (Shape::Choice(Choice { words: vec![word], ..Choice::default() }), false);
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let nullable = kinds.contains(&"null");
    let format = schema.get("format").and_then(Value::as_str).and_then(scalar::format);
    let count = |key: &str, default| schema.get(key).and_then(Value::as_u64).unwrap_or(default);
    let shape = match kinds.iter().find(|kind| **kind != "null") {
        Some(&"object") => object(schema),
        Some(&"array") => Shape::List {
            items: schema.get("items").unwrap_or(&Value::Null),
            fewest: count("minItems", 0),
        },
        Some(&"string") => Shape::Text {
            format,
            fewest: count("minLength", 0),
            most: count("maxLength", u64::MAX),
        },
        Some(&"integer") => Shape::Integer {
            least: schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN),
            most: schema
                .get("maximum")
                .and_then(Value::as_i64)
                // schemars says `uint32` and leaves its end to the reader.
                .unwrap_or(i64::from(u32::MAX)),
        },
        Some(&"boolean") => Shape::Boolean,
        _ => Shape::Anything,
    };
    (shape, nullable)
}

fn object(schema: &Value) -> Shape<'_> {
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => Shape::Record {
            properties,
            required: schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        },
        None => Shape::Map {
            keys: schema
                .pointer("/propertyNames/format")
                .and_then(Value::as_str)
                .and_then(scalar::format),
            values: schema.get("additionalProperties").filter(|values| values.is_object()),
        },
    }
}

fn choice(variants: &[Value]) -> Choice<'_> {
    let mut choice = Choice::default();
    for variant in variants {
        if let Some(word) = variant.get("const").and_then(Value::as_str) {
            choice.words.push(word);
        } else if let Some(words) = variant.get("enum").and_then(Value::as_array) {
            choice.words.extend(words.iter().filter_map(Value::as_str));
        } else if let Some(properties) = variant.get("properties").and_then(Value::as_object) {
            choice.keyed.extend(properties.iter().map(|(key, value)| (key.as_str(), value)));
        } else if variant.get("type") == Some(&json!("integer")) {
            choice.integer = Some(variant);
        }
    }
    choice
}

/// Each leaf of a schema by its path: free keys are `*`, a list is one leaf, and so is a free mapping.
#[cfg(test)]
pub(crate) fn leaves(root: &Value) -> Vec<String> {
    let mut leaves = Vec::new();
    collect(root, root, "", &mut leaves);
    leaves
}

#[cfg(test)]
fn collect(root: &Value, schema: &Value, path: &str, leaves: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.into() } else { format!("{path}.{key}") };
    let (schema, name) = follow(root, optional(schema));
    // Where a secret comes from is one thing, however it is said.
    if name == Some("SecretReference") {
        return leaves.push(path.to_owned());
    }
    match shape(root, schema).0 {
        Shape::Record { properties, .. } => {
            for (key, value) in properties {
                collect(root, value, &below(key), leaves);
            }
        }
        Shape::Map { values: Some(values), .. } => {
            let (values, _) = follow(root, values);
            match shape(root, values).0 {
                Shape::Record { .. } => collect(root, values, &below("*"), leaves),
                _ => leaves.push(path.to_owned()),
            }
        }
        Shape::Choice(choice) => {
            if !choice.words.is_empty() || choice.integer.is_some() {
                leaves.push(path.to_owned());
            }
            for (key, value) in choice.keyed {
                collect(root, value, &below(key), leaves);
            }
        }
        _ => leaves.push(path.to_owned()),
    }
}
