//! Walking objects by their schema: which fields there are, what differs, merging, and taking away.

use serde_json::{Map, Value};

use super::{
    path::{Element, FieldSet, Path},
    schema::{Rule, Schema},
};

/// What stands below a value, where it is not merged as a whole.
pub(super) enum Below<'a> {
    /// A leaf.
    Nothing,
    Object(&'a Map<String, Value>),
    /// Items in their order, each with what tells it from the others.
    List(Vec<(Element, &'a Value)>),
}

pub(super) fn below<'a>(value: &'a Value, schema: &Schema) -> Below<'a> {
    match (value, schema.rule()) {
        (_, Rule::Atomic) => Below::Nothing,
        (Value::Object(fields), _) => Below::Object(fields),
        (Value::Array(items), Rule::Map(_) | Rule::Set) => {
            Below::List(items.iter().map(|item| (element(item, schema.rule()), item)).collect())
        }
        _ => Below::Nothing,
    }
}

/// What tells an item of a list from the others.
pub(in crate::sim::kubernetes) fn element(item: &Value, rule: &Rule) -> Element {
    let Rule::Map(keys) = rule else { return Element::Value(item.to_string()) };
    let mut key: Vec<(String, String)> = keys
        .iter()
        .filter_map(|(name, usual)| {
            let own = item.get(name).filter(|value| !value.is_null()).cloned();
            let value = own.or_else(|| usual.clone().map(Value::String))?;
            Some((name.clone(), value.to_string()))
        })
        .collect();
    key.sort();
    Element::Key(key)
}

/// The parts of a value: each with its step and schema.
fn parts<'a>(value: &'a Value, schema: &'a Schema) -> Vec<(Element, &'a Value, &'a Schema)> {
    match below(value, schema) {
        Below::Nothing => Vec::new(),
        Below::Object(fields) => fields
            .iter()
            .map(|(name, value)| (Element::field(name), value, schema.field(name)))
            .collect(),
        Below::List(items) => {
            items.into_iter().map(|(step, item)| (step, item, schema.item())).collect()
        }
    }
}

/// Every field that an applied object names: its leaves, and the items of its lists.
pub(super) fn fields(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::new();
    collect(value, schema, &mut Path::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, path: &mut Path, set: &mut FieldSet) {
    let parts = parts(value, schema);
    let item = !matches!(path.last(), None | Some(Element::Field(_)));
    if item || (parts.is_empty() && !path.is_empty()) {
        set.insert(path.clone());
    }
    for (step, value, schema) in parts {
        path.push(step);
        collect(value, schema, path, set);
        path.pop();
    }
}

/// What differs between two objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Other than before, or new.
    pub(super) changed: FieldSet,
    pub(super) removed: FieldSet,
}

pub(super) fn compare(old: &Value, new: &Value, schema: &Schema) -> Difference {
    let mut difference = Difference::default();
    descend(old, new, schema, &mut Path::new(), &mut difference);
    difference
}

fn descend(
    old: &Value,
    new: &Value,
    schema: &Schema,
    path: &mut Path,
    difference: &mut Difference,
) {
    let (before, after) = (parts(old, schema), parts(new, schema));
    if before.is_empty() && after.is_empty() {
        if old != new && !path.is_empty() {
            difference.changed.insert(path.clone());
        }
        return;
    }
    for (step, value, schema) in &after {
        path.push(step.clone());
        match before.iter().find(|(known, ..)| known == step) {
            Some((_, known, _)) => descend(known, value, schema, path, difference),
            None => whole(value, schema, path, &mut difference.changed),
        }
        path.pop();
    }
    for (step, value, schema) in before {
        if !after.iter().any(|(known, ..)| *known == step) {
            path.push(step);
            whole(value, schema, path, &mut difference.removed);
            path.pop();
        }
    }
}

/// A value that one side alone has: it and everything below it.
fn whole(value: &Value, schema: &Schema, path: &mut Path, set: &mut FieldSet) {
    set.insert(path.clone());
    for (step, value, schema) in parts(value, schema) {
        path.push(step);
        whole(value, schema, path, set);
        path.pop();
    }
}

/// `new` laid over `old`: what `new` does not name stays.
pub(super) fn merge(old: &Value, new: &Value, schema: &Schema) -> Value {
    match (below(old, schema), below(new, schema)) {
        (Below::Object(old), Below::Object(new)) => {
            let mut merged = old.clone();
            for (name, value) in new {
                let value = match old.get(name) {
                    Some(known) => merge(known, value, schema.field(name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Below::List(old), Below::List(new)) => Value::Array(interleave(&old, &new, schema)),
        _ => new.clone(),
    }
}

/// The new order counts; what the new list does not name stays before what it stood before.
fn interleave(old: &[(Element, &Value)], new: &[(Element, &Value)], schema: &Schema) -> Vec<Value> {
    let named = |step: &Element| new.iter().any(|(known, _)| known == step);
    let mut left = old.iter().peekable();
    let mut merged = Vec::new();
    for (step, value) in new {
        while let Some((_, kept)) = left.next_if(|(known, _)| !named(known)) {
            merged.push((*kept).clone());
        }
        left.next_if(|(known, _)| named(known));
        merged.push(match old.iter().find(|(known, _)| known == step) {
            Some((_, known)) => merge(known, value, schema.item()),
            None => (*value).clone(),
        });
    }
    merged.extend(left.filter(|(known, _)| !named(known)).map(|(_, kept)| (*kept).clone()));
    merged
}

/// Takes these fields and items away, and what is empty for it.
pub(super) fn remove(value: &Value, schema: &Schema, gone: &FieldSet) -> Value {
    let mut path = Path::new();
    without(value, schema, gone, &mut path).unwrap_or_else(|| value.clone())
}

/// `None` where nothing of it is left.
fn without(value: &Value, schema: &Schema, gone: &FieldSet, path: &mut Path) -> Option<Value> {
    if gone.contains(path) {
        return None;
    }
    let untouched = !gone.range(path.clone()..).next().is_some_and(|next| next.starts_with(path));
    if untouched {
        return Some(value.clone());
    }
    let kept = parts(value, schema).into_iter().filter_map(|(step, value, schema)| {
        path.push(step);
        let kept = without(value, schema, gone, path);
        let step = path.pop();
        Some((step?, kept?))
    });
    let kept: Vec<(Element, Value)> = kept.collect();
    let root = path.is_empty();
    match value {
        _ if kept.is_empty() && !root => None,
        Value::Array(_) => Some(Value::Array(kept.into_iter().map(|(_, value)| value).collect())),
        _ => {
            let fields = kept.into_iter().filter_map(|(step, value)| match step {
                Element::Field(name) => Some((name, value)),
                _ => None,
            });
            Some(Value::Object(fields.collect()))
        }
    }
}
