//! What each node claims for itself alone: its VMID and its address.
//!
//! They are taken from the text, so that a node counts whose other fields are faulty, or that stands in a file
//! that makes no sense yet: who mends that would be told of the clash only then.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashSet},
    fmt::Display,
    net::Ipv4Addr,
};

use crate::inventory::{
    document::{Document, Value},
    path::FieldPath,
    report::Report,
};

/// A value, where it stands, and whose it is.
pub(crate) struct Claim<T> {
    pub(super) node: String,
    pub(super) path: FieldPath,
    pub(super) value: T,
}

/// All that could be read.
pub(crate) struct Claims {
    pub(super) vmids: Vec<Claim<u32>>,
    pub(super) addresses: Vec<Claim<Ipv4Addr>>,
}

impl Claims {
    pub(crate) fn read(document: &Document, report: &Report<'_>) -> Self {
        let vmid = |value: &Value| match value {
            Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
            _ => None,
        };
        let address = |value: &Value| match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        Self {
            vmids: claims(document, report, "vmid", vmid),
            addresses: claims(document, report, "address", address),
        }
    }
}

fn claims<T>(
    document: &Document,
    report: &Report<'_>,
    field: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Vec<Claim<T>> {
    let nodes = FieldPath::dotted("nodes");
    let Some(Value::Mapping(entries)) = document.root.find(&nodes).map(|tree| &tree.value) else {
        return Vec::new();
    };
    let mut names = HashSet::new();
    let claims = entries.iter().filter_map(|entry| {
        // A name that stands there twice is told of, and its first counts.
        if !names.insert(&entry.key) {
            return None;
        }
        let Value::Mapping(fields) = &entry.value.value else { return None };
        let path = nodes.key(&entry.key).key(field);
        let written = fields.iter().find(|one| one.key == field)?;
        let value = read(&written.value.value).filter(|_| !report.is_refused(&path))?;
        Some(Claim { node: entry.key.clone(), path, value })
    });
    claims.collect()
}

/// Tells of each claim that another node made before. `free` names one that nobody claims.
pub(super) fn clashes<T: Ord + Copy + Display>(
    claims: &[Claim<T>],
    what: &str,
    free: impl Fn() -> Option<T>,
    report: &mut Report<'_>,
) {
    let mut seen: BTreeMap<T, &Claim<T>> = BTreeMap::new();
    // The same for each clash, and looked for among all claims.
    let known = OnceCell::new();
    for claim in claims {
        if let Some(other) = seen.insert(claim.value, claim) {
            let line = report.line(&other.path);
            report.fault_of_sound(
                &claim.path,
                format!("{what}{} is `{}`'s (line {line})", claim.value, other.node),
                known.get_or_init(&free).map(|free| format!("{free} is free in this inventory")),
            );
        }
    }
}
