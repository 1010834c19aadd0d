//! What the server serves: resources in versions of groups.

use serde_json::Value;

use super::fields::{Schema, custom};

/// A resource in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) short_names: Vec<String>,
    pub(super) namespaced: bool,
    /// Whether its status is written by a path of its own.
    pub(super) status: bool,
    /// Whether `metadata.generation` counts its changes.
    pub(super) generation: bool,
    /// Whether a CustomResourceDefinition brought it.
    pub(super) custom: bool,
    pub(super) schema: Schema,
}

impl Resource {
    /// `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `deployments.apps`.
    pub(super) fn qualified(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// `/apis/apps/v1`.
    pub(super) fn root(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    /// Those that a definition brings: one for each version that is served.
    pub(super) fn of_definition(definition: &Value) -> Vec<Self> {
        let spec = &definition["spec"];
        let names = &spec["names"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let versions = spec["versions"].as_array().into_iter().flatten();
        versions
            .filter(|version| version["served"] == true)
            .map(|version| Self {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                kind: text(&names["kind"]),
                plural: text(&names["plural"]),
                short_names: names["shortNames"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect(),
                namespaced: spec["scope"] == "Namespaced",
                status: version["subresources"]["status"].is_object(),
                generation: true,
                custom: true,
                schema: custom(&version["schema"]["openAPIV3Schema"]),
            })
            .collect()
    }
}
