//! The nodes that an inventory names, be it sound or not: for a command line that is being typed.

use camino::Utf8Path;

use super::{
    document::{self, Tree, Value},
    fault::Source,
};
use crate::{model::NodeName, named_file};

/// A node as its file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedNode {
    pub(crate) name: NodeName,
    /// Its role and address, where they are told.
    pub(crate) note: Option<String>,
}

/// The nodes in the file's order; none where it cannot be read.
pub(crate) fn nodes(path: &Utf8Path) -> Vec<NamedNode> {
    let text = named_file::text(path, named_file::DOCUMENT).unwrap_or_default();
    let Ok(document) = document::parse(Source::new(path.as_str(), &text)) else {
        return Vec::new();
    };
    let Some(Value::Mapping(entries)) = value(&document.root, "nodes") else { return Vec::new() };
    let named = |entry: &document::Entry| {
        let told =
            ["role", "address"].into_iter().filter_map(|field| match value(&entry.value, field) {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            });
        let note = told.collect::<Vec<_>>().join(" ");
        let name = entry.key.parse().ok()?;
        Some(NamedNode { name, note: Some(note).filter(|note| !note.is_empty()) })
    };
    entries.iter().filter_map(named).collect()
}

fn value<'a>(tree: &'a Tree, field: &str) -> Option<&'a Value> {
    let Value::Mapping(entries) = &tree.value else { return None };
    entries.iter().find(|entry| entry.key == field).map(|entry| &entry.value.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, Option<String>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let nodes = nodes(Utf8Path::from_path(file.path()).unwrap());
        nodes.into_iter().map(|node| (node.name.to_string(), node.note)).collect()
    }

    #[test]
    fn nodes_are_named_whatever_else_is_wrong_with_the_inventory() {
        let text = "\
nodes:
  k3s-server: {role: server, address: 192.168.1.102, vmid: many}
  k3s-agent: {}
  Not A Name: {role: agent}
no_field: 1
";
        let server = Some("server 192.168.1.102".to_owned());
        assert_eq!(of(text), [("k3s-server".to_owned(), server), ("k3s-agent".to_owned(), None)]);
    }

    #[test]
    fn an_inventory_that_is_none_names_no_node() {
        for text in ["", "nodes", "nodes: [a]", "nodes: {a: {", "- nodes"] {
            assert_eq!(of(text), [], "{text}");
        }
        assert_eq!(nodes(Utf8Path::new("/nowhere/homelab.yaml")), []);
        assert_eq!(nodes(Utf8Path::new("/dev/zero")), []);
    }
}
