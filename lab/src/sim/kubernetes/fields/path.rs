//! Paths of fields, and sets of them as `FieldsV1` writes them.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value, json};

/// One step from an object into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sim::kubernetes) enum Element {
    /// A field of an object.
    Field(String),
    /// The item of a list whose fields have these values, which are JSON; sorted by name.
    Key(Vec<(String, String)>),
    /// The item of a set of scalars, as JSON.
    Value(String),
}

impl Element {
    pub(in crate::sim::kubernetes) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// `f:labels`, `k:{"name":"web"}`, `v:"finalizer"`.
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Self::Value(value) => format!("v:{value}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::field(rest)),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                let mut keys: Vec<(String, String)> =
                    keys.into_iter().map(|(name, value)| (name, value.to_string())).collect();
                keys.sort();
                Some(Self::Key(keys))
            }
            "v" => Some(Self::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
            _ => None,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(formatter, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(formatter, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(formatter, "[={value}]"),
        }
    }
}

/// From the object's root.
pub(in crate::sim::kubernetes) type Path = Vec<Element>;

/// `.spec.containers[name="web"].image`.
pub(in crate::sim::kubernetes) fn display(path: &Path) -> String {
    path.iter().map(ToString::to_string).collect()
}

/// A set of paths. A path of it says nothing of what is below it.
pub(in crate::sim::kubernetes) type FieldSet = BTreeSet<Path>;

/// As `FieldsV1`: a tree, in which `.` stands for a path that has others below it.
pub(super) fn encode(set: &FieldSet) -> Value {
    let mut root = Map::new();
    'paths: for path in set {
        let mut at = &mut root;
        for element in path {
            let below = at.entry(element.encode()).or_insert_with(|| json!({}));
            let Value::Object(below) = below else { continue 'paths };
            at = below;
        }
        at.insert(".".into(), json!({}));
    }
    plain(&mut root);
    Value::Object(root)
}

/// A leaf is `{}`, not `{".": {}}`.
fn plain(tree: &mut Map<String, Value>) {
    for below in tree.values_mut() {
        let Value::Object(below) = below else { continue };
        if below.len() == 1 && below.contains_key(".") {
            below.clear();
        }
        plain(below);
    }
}

pub(super) fn decode(fields: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    collect(fields, &mut Path::new(), &mut set);
    set
}

fn collect(fields: &Value, path: &mut Path, set: &mut FieldSet) {
    let Some(fields) = fields.as_object() else { return };
    if !path.is_empty() && (fields.is_empty() || fields.contains_key(".")) {
        set.insert(path.clone());
    }
    for (name, below) in fields {
        if let Some(element) = Element::decode(name) {
            path.push(element);
            collect(below, path, set);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_the_same_after_it_was_written_and_read() {
        let written = json!({
            "f:metadata": { "f:labels": { ".": {}, "f:app": {} }, "f:finalizers": { "v:\"a/b\"": {} } },
            "f:spec": { "f:ports": {
                "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:name": {} },
            } },
        });
        let set = decode(&written);
        assert_eq!(set.len(), 5);
        assert_eq!(encode(&set), written);
        let shown: Vec<String> = set.iter().map(display).collect();
        assert!(shown.contains(&".spec.ports[containerPort=80,protocol=\"TCP\"].name".into()));
        assert!(shown.contains(&".metadata.finalizers[=\"a/b\"]".into()));
    }
}
