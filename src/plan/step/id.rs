//! What a step is called.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A step's name, stable over runs: `machines/make/k3s-server`. Shared: those who wait for a step name it, and the last
/// steps of a plan wait for thousands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub Arc<str>);

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self(name.into()))
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl StepId {
    /// As a person reads it, with what it is about in front: `k3s-agent-1 cluster/agent`.
    pub fn words(&self) -> String {
        let mut parts = self.0.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(stage), Some(verb), Some(object)) => format!("{object} {stage}/{verb}"),
            _ => self.0.to_string(),
        }
    }
}
