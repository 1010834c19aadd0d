//! A part of the tree: a folder of manifests that Flux applies as one, and what has to be ready before.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    secret::SecretPlan,
    template::{self, Context},
};
use crate::error::Result;

/// Where a part lies, and which file names it to Flux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Sources,
    Controllers,
    Configs,
    Apps,
}

impl Layer {
    const fn folder(self) -> &'static str {
        match self {
            Self::Sources => "infrastructure",
            Self::Controllers => "infrastructure/controllers",
            Self::Configs => "infrastructure/configs",
            Self::Apps => "apps",
        }
    }
}

/// How Flux knows that an object without the usual conditions is ready (CEL).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Health {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) current: &'static str,
    pub(crate) failed: Option<&'static str>,
}

/// What a part's folder holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Text(String),
    Secret(SecretPlan),
}

/// A folder of manifests that Flux applies as one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) layer: Layer,
    /// What it is, as a line of a comment.
    pub(crate) about: &'static str,
    /// The parts that have to be ready before; those that are off are left out.
    pub(crate) after: Vec<&'static str>,
    /// How long Flux waits for its objects to be ready.
    pub(crate) timeout: &'static str,
    pub(crate) health: Vec<Health>,
    pub(crate) files: BTreeMap<String, Content>,
}

impl Part {
    pub(crate) fn new(layer: Layer, name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            layer,
            about,
            after: Vec::new(),
            timeout: "5m",
            health: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    pub(crate) fn after(mut self, parts: &[&'static str]) -> Self {
        self.after.extend(parts);
        self
    }

    pub(crate) fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn health(mut self, health: Health) -> Self {
        self.health.push(health);
        self
    }

    /// Renders a template into a file of this folder.
    pub(crate) fn file(mut self, name: &str, path: &str, context: Context) -> Result<Self> {
        self.files.insert(name.to_owned(), Content::Text(template::text(path, context)?));
        Ok(self)
    }

    pub(crate) fn secret(mut self, plan: SecretPlan) -> Self {
        self.files.insert(plan.file(), Content::Secret(plan));
        self
    }

    /// The folder, from the repository's root.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}", self.layer.folder(), self.name)
    }

    pub(crate) fn has_secrets(&self) -> bool {
        self.files.values().any(|content| matches!(content, Content::Secret(_)))
    }
}
