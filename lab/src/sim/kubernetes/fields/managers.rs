//! Who manages which fields, as `metadata.managedFields` says it.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::path::{self, Element, FieldSet};

/// Nobody manages these.
const UNMANAGED: [&[&str]; 11] = [
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// Who wrote, and how.
#[derive(Clone, Debug)]
pub(in crate::sim::kubernetes) struct Writer<'a> {
    /// `homelab`.
    pub(in crate::sim::kubernetes) manager: &'a str,
    /// `apps/v1`.
    pub(in crate::sim::kubernetes) version: &'a str,
    /// `status`, or empty.
    pub(in crate::sim::kubernetes) subresource: &'a str,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: Operation,
    pub(super) version: String,
    pub(super) subresource: String,
    pub(super) time: Option<String>,
    pub(super) fields: FieldSet,
}

impl Manager {
    pub(super) fn new(writer: &Writer<'_>, operation: Operation, fields: FieldSet) -> Self {
        Self {
            name: writer.manager.to_owned(),
            operation,
            version: writer.version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: Some(now()),
            fields,
        }
    }

    /// Who applies is the same in every version.
    pub(super) fn is(&self, writer: &Writer<'_>, operation: Operation) -> bool {
        self.name == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && (operation == Operation::Apply || self.version == writer.version)
    }

    fn write(&self) -> Value {
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut entry = json!({
            "manager": self.name,
            "operation": operation,
            "apiVersion": self.version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": path::encode(&self.fields),
        });
        if !self.subresource.is_empty() {
            entry["subresource"] = json!(self.subresource);
        }
        entry
    }

    fn read(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            name: entry["manager"].as_str()?.to_owned(),
            operation: match entry["operation"].as_str()? {
                "Apply" => Operation::Apply,
                _ => Operation::Update,
            },
            version: text("apiVersion"),
            subresource: text("subresource"),
            time: entry["time"].as_str().map(str::to_owned),
            fields: path::decode(&entry["fieldsV1"]),
        })
    }
}

/// As a conflict names it: `"kubelet" with subresource "status" using v1`.
impl fmt::Display for Manager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(formatter, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(formatter, " using {}", self.version),
        }
    }
}

pub(super) fn read(object: &Value) -> Vec<Manager> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter_map(Manager::read).collect()
}

/// Appliers first, then by age.
pub(super) fn write(object: &mut Value, mut managers: Vec<Manager>) {
    managers.retain(|manager| !manager.fields.is_empty());
    managers.sort_by(|one, other| {
        let key =
            |it: &Manager| (it.operation, it.time.clone(), it.name.clone(), it.subresource.clone());
        key(one).cmp(&key(other))
    });
    let entries: Vec<Value> = managers.iter().map(Manager::write).collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if !entries.is_empty() {
            metadata.insert("managedFields".into(), Value::Array(entries));
        }
    }
}

/// Leaves out what nobody manages.
pub(super) fn managed(mut fields: FieldSet) -> FieldSet {
    for path in UNMANAGED {
        let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
        fields.remove(&path);
    }
    // Their values differ as a whole or below, by who wrote them last.
    fields.retain(|path| {
        path.get(1) != Some(&Element::field("managedFields"))
            || path.first() != Some(&Element::field("metadata"))
    });
    fields
}

/// To the second, as the API writes times.
pub(in crate::sim::kubernetes) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
