//! What an apply or any other write makes of an object and of its managers.

use serde_json::Value;

use super::{
    managers::{self, Manager, Operation, Writer, managed},
    path::{FieldSet, Path, display},
    schema::Schema,
    walk,
};

/// Managed what was there before the first apply, where nobody was noted.
const BEFORE: &str = "before-first-apply";

/// A field that somebody else manages with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim::kubernetes) struct Conflict {
    /// `"kubelet" using v1`.
    pub(in crate::sim::kubernetes) manager: String,
    /// `.spec.replicas`.
    pub(in crate::sim::kubernetes) field: String,
}

/// The object as it is after an apply.
///
/// # Errors
/// The conflicts, unless it is forced.
pub(in crate::sim::kubernetes) fn apply(
    live: Option<&Value>,
    configuration: &Value,
    schema: &Schema,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let mut configuration = configuration.clone();
    without_nulls(&mut configuration);
    let empty = Value::Object(serde_json::Map::new());
    let before = live.unwrap_or(&empty);
    let mut managers = managers::read(before);
    if live.is_some() && managers.is_empty() {
        let first = Writer { manager: BEFORE, ..writer.clone() };
        let fields = managed(walk::fields(before, schema));
        managers.push(Manager::new(&first, Operation::Update, fields));
    }
    let mut after = walk::merge(before, &configuration, schema);
    let fields = managed(walk::fields(&configuration, schema));
    let former = managers.iter().position(|one| one.is(writer, Operation::Apply));
    let former = former.map(|at| managers.remove(at));
    if let Some(former) = &former {
        let gone = given_up(&after, schema, &former.fields, &fields, &managers);
        after = walk::remove(&after, schema, &gone);
    }
    let difference = walk::compare(before, &after, schema);
    if !force {
        let conflicts = conflicts(&managers, &difference.changed);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
    }
    take(&mut managers, &difference);
    let mut own = Manager::new(writer, Operation::Apply, fields);
    if let Some(former) = former
        && former.fields == own.fields
        && former.version == own.version
    {
        own.time = former.time;
    }
    managers.push(own);
    managers::write(&mut after, managers);
    Ok(after)
}

/// Notes in `after` who manages what, once it was written by other means than an apply.
pub(in crate::sim::kubernetes) fn update(
    live: Option<&Value>,
    after: &mut Value,
    schema: &Schema,
    writer: &Writer<'_>,
) {
    let empty = Value::Object(serde_json::Map::new());
    let before = live.unwrap_or(&empty);
    let mut managers = managers::read(before);
    if live.is_some() && managers.is_empty() {
        return;
    }
    let difference = walk::compare(before, after, schema);
    let former = managers.iter().position(|one| one.is(writer, Operation::Update));
    let former = former.map(|at| managers.remove(at));
    take(&mut managers, &difference);
    let held = former.as_ref().map(|former| former.fields.clone()).unwrap_or_default();
    let fields: FieldSet = held
        .union(&difference.changed)
        .filter(|path| !difference.removed.contains(*path))
        .cloned()
        .collect();
    let mut own = Manager::new(writer, Operation::Update, managed(fields));
    if let Some(former) = former
        && former.fields == own.fields
    {
        own.time = former.time;
    }
    managers.push(own);
    managers::write(after, managers);
}

/// What the applier named before, names no longer, and no other applier names.
fn given_up(
    merged: &Value,
    schema: &Schema,
    former: &FieldSet,
    now: &FieldSet,
    managers: &[Manager],
) -> FieldSet {
    let held = |path: &Path| {
        now.contains(path)
            || managers
                .iter()
                .any(|one| one.operation == Operation::Apply && one.fields.contains(path))
    };
    walk::fields(merged, schema)
        .into_iter()
        .filter(|path| former.contains(path) && !held(path))
        .collect()
}

fn conflicts(managers: &[Manager], changed: &FieldSet) -> Vec<Conflict> {
    let mut conflicts: Vec<Conflict> = managers
        .iter()
        .flat_map(|manager| {
            manager
                .fields
                .intersection(changed)
                .map(|path| Conflict { manager: manager.to_string(), field: display(path) })
        })
        .collect();
    conflicts.sort_by(|one, other| one.manager.cmp(&other.manager));
    conflicts
}

/// Others lose what was changed or removed.
fn take(managers: &mut [Manager], difference: &walk::Difference) {
    for manager in managers {
        manager.fields.retain(|path| {
            !difference.changed.contains(path) && !difference.removed.contains(path)
        });
    }
}

/// A typed object has no nulls: what is applied as null is not applied.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
