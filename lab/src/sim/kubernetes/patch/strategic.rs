//! Strategic merge patches: as a merge patch, but lists with keys are merged item by item.
//!
//! Simplified: items are told apart by all keys that an apply knows, not by the one of `patchMergeKey`; the order
//! that `$setElementOrder` asks for is not made, and `$retainKeys` is not followed.

use serde_json::{Map, Value};

use crate::sim::kubernetes::fields::{Rule, Schema, element};

pub(super) fn merge(object: &mut Value, patch: &Value, schema: &Schema) {
    let Some(patch) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if patch.get("$patch").is_some_and(|it| it == "replace") {
        *object = Value::Object(plain(patch));
        return;
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else { return };
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(Value::Array(items)) = fields.get_mut(list) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            continue;
        } else if value.is_null() {
            fields.remove(name);
        } else {
            let schema = schema.field(name);
            let place = fields.entry(name).or_insert(Value::Null);
            match (value, schema.rule()) {
                (Value::Object(patch), _)
                    if patch.get("$patch").is_some_and(|it| it == "delete") =>
                {
                    fields.remove(name);
                }
                (Value::Object(_), _) => merge(place, value, schema),
                (Value::Array(items), Rule::Map(_) | Rule::Set) => list(place, items, schema),
                _ => *place = value.clone(),
            }
        }
    }
}

fn list(place: &mut Value, patch: &[Value], schema: &Schema) {
    let of = |item: &Value| element(item, schema.rule());
    let replaced = patch.iter().any(|item| item["$patch"] == "replace");
    let mut items = match place.take() {
        Value::Array(items) if !replaced => items,
        _ => Vec::new(),
    };
    for item in patch {
        match item["$patch"].as_str() {
            Some("replace") => {}
            Some("delete") => items.retain(|known| of(known) != of(item)),
            _ => match items.iter_mut().find(|known| of(known) == of(item)) {
                Some(known) if item.is_object() => merge(known, item, schema.item()),
                Some(_) => {}
                None => items.push(match item.as_object() {
                    Some(fields) => Value::Object(plain(fields)),
                    None => item.clone(),
                }),
            },
        }
    }
    *place = Value::Array(items);
}

/// Without directives and nulls.
fn plain(fields: &Map<String, Value>) -> Map<String, Value> {
    let kept = fields.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sim::kubernetes::fields::known;

    #[test]
    fn items_are_merged_added_and_deleted_by_their_key() {
        let mut node = json!({ "status": { "conditions": [
            { "type": "Ready", "status": "False", "reason": "x" },
            { "type": "Old", "status": "True" },
        ] } });
        let patch = json!({ "status": { "conditions": [
            { "type": "Ready", "status": "True", "reason": null },
            { "type": "Old", "$patch": "delete" },
            { "type": "New", "status": "True" },
        ], "$setElementOrder/conditions": [] } });
        merge(&mut node, &patch, &known("Node"));
        assert_eq!(
            node["status"]["conditions"],
            json!([{ "type": "Ready", "status": "True" }, { "type": "New", "status": "True" }])
        );
    }

    #[test]
    fn a_list_without_keys_is_replaced_and_a_null_removes() {
        let mut node = json!({ "spec": { "taints": [{ "key": "a" }], "unschedulable": true } });
        let patch = json!({ "spec": { "taints": [{ "key": "b" }], "unschedulable": null } });
        merge(&mut node, &patch, &known("Node"));
        assert_eq!(node["spec"], json!({ "taints": [{ "key": "b" }] }));
    }
}
