//! A Kubernetes Secret as planned: which keys it has, and where each value comes from.

use crate::inventory::desired::SecretSource;

/// A Secret that the tree's objects refer to.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretPlan {
    pub namespace: String,
    pub name: String,
    /// What it is for, as a sentence.
    pub purpose: &'static str,
    /// In the order in which they are written.
    pub values: Vec<(&'static str, Value)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The inventory says where it is.
    Found(SecretSource),
    /// Made at random when it is first needed, then kept. The same name is the same value.
    Made(&'static str),
    /// Known, but not to be shown.
    Known(String),
    /// A value that was made, with something before it.
    Prefixed(&'static str, &'static str),
}

impl SecretPlan {
    pub(crate) fn new(namespace: &str, name: &str, purpose: &'static str) -> Self {
        Self { namespace: namespace.into(), name: name.into(), purpose, values: Vec::new() }
    }

    pub(crate) fn value(mut self, key: &'static str, value: Value) -> Self {
        self.values.push((key, value));
        self
    }

    pub(crate) fn found(self, key: &'static str, source: &SecretSource) -> Self {
        self.value(key, Value::Found(source.clone()))
    }

    pub(crate) fn made(self, key: &'static str, name: &'static str) -> Self {
        self.value(key, Value::Made(name))
    }

    pub(crate) fn known(self, key: &'static str, text: impl Into<String>) -> Self {
        self.value(key, Value::Known(text.into()))
    }

    /// Its file in a part's folder.
    pub fn file(&self) -> String {
        format!("{}.sops.yaml", self.name)
    }
}
