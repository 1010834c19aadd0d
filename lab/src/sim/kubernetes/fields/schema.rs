//! How the lists and objects of a kind are merged: as a whole, or each item for itself.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is known of the value at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sim::kubernetes) struct Schema {
    rule: Rule,
    fields: BTreeMap<String, Schema>,
    /// Of a list's items, or of an object's values that `fields` does not name.
    items: Option<Box<Schema>>,
}

/// How a value is merged with another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sim::kubernetes) enum Rule {
    /// Objects field by field, lists as a whole.
    #[default]
    Usual,
    /// As a whole.
    Atomic,
    /// A list whose items are told apart by these fields; one that may be left out has what it is then.
    Map(Vec<(String, Option<String>)>),
    /// A list of scalars that each stands for itself.
    Set,
}

static NOTHING: Schema = Schema { rule: Rule::Usual, fields: BTreeMap::new(), items: None };

impl Schema {
    pub(in crate::sim::kubernetes) fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Of an object's field.
    pub(in crate::sim::kubernetes) fn field(&self, name: &str) -> &Self {
        self.fields.get(name).or(self.items.as_deref()).unwrap_or(&NOTHING)
    }

    /// Of a list's item.
    pub(in crate::sim::kubernetes) fn item(&self) -> &Self {
        self.items.as_deref().unwrap_or(&NOTHING)
    }

    /// Adds what a line says: fields with dots between them, each followed by nothing, `!` (as a whole), `[]` (a
    /// set), `[name]`, `[port,protocol=TCP]` (a list of objects), or `*` (an object of any names).
    pub(super) fn add(&mut self, line: &str) {
        let mut at = self;
        for step in line.split('.') {
            let end = step.find(['[', '!', '*']).unwrap_or(step.len());
            let (name, mark) = step.split_at(end);
            at = at.fields.entry(name.to_owned()).or_default();
            match mark {
                "" => {}
                "!" => at.rule = Rule::Atomic,
                "*" => at = at.items.get_or_insert_default(),
                "[]" => at.rule = Rule::Set,
                keys => {
                    let keys = keys.trim_matches(['[', ']']).split(',').map(|key| {
                        match key.split_once('=') {
                            Some((key, usual)) => (key.to_owned(), Some(usual.to_owned())),
                            None => (key.to_owned(), None),
                        }
                    });
                    at.rule = Rule::Map(keys.collect());
                    at = at.items.get_or_insert_default();
                }
            }
        }
    }

    /// What an `openAPIV3Schema` says with its `x-kubernetes-list-type` and `x-kubernetes-map-type`.
    pub(in crate::sim::kubernetes) fn of_definition(schema: &Value) -> Self {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let below = [&schema["items"], &schema["additionalProperties"]];
        let keys = || schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
        let usual =
            |key: &str| schema["items"]["properties"][key]["default"].as_str().map(str::to_owned);
        Self {
            rule: match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => Rule::Map(
                    keys()
                        .filter_map(Value::as_str)
                        .map(|key| (key.to_owned(), usual(key)))
                        .collect(),
                ),
                Some("set") => Rule::Set,
                _ if schema["x-kubernetes-map-type"] == "atomic" => Rule::Atomic,
                _ => Rule::Usual,
            },
            fields: fields
                .map(|(name, schema)| (name.clone(), Self::of_definition(schema)))
                .collect(),
            items: below
                .into_iter()
                .find(|schema| schema.is_object())
                .map(|schema| Box::new(Self::of_definition(schema))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_how_each_place_on_its_way_is_merged() {
        let mut schema = Schema::default();
        schema.add("spec.containers[name].ports[containerPort,protocol=TCP]");
        schema.add("spec.selector!");
        let containers = schema.field("spec").field("containers");
        assert_eq!(containers.rule(), &Rule::Map(vec![("name".into(), None)]));
        let keys = vec![("containerPort".into(), None), ("protocol".into(), Some("TCP".into()))];
        assert_eq!(containers.item().field("ports").rule(), &Rule::Map(keys));
        assert_eq!(schema.field("spec").field("selector").rule(), &Rule::Atomic);
        assert_eq!(schema.field("spec").field("unknown").rule(), &Rule::Usual);
    }

    #[test]
    fn a_definitions_schema_names_the_keys_of_its_lists() {
        let schema = Schema::of_definition(&json!({ "properties": { "status": { "properties": {
            "conditions": {
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": { "type": "object" },
            },
        } } } }));
        let conditions = schema.field("status").field("conditions");
        assert_eq!(conditions.rule(), &Rule::Map(vec![("type".into(), None)]));
    }
}
