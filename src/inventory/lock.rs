//! `homelab.lock`: which version of each artifact, from where, with which SHA-256.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an inventory's artifacts are pinned to. Written by `homelab lock`; belongs in version control.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(title = "homelab lock file")]
pub struct LockFile {
    /// The version of this format: 1.
    #[garde(range(min = 1, max = 1))]
    pub version: u32,
    /// The cloud image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<LockedArtifact>,
    /// Tailscale's release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tailscale: Option<LockedArtifact>,
    /// k3s's binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k3s: Option<LockedArtifact>,
    /// k3s's container images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k3s_images: Option<LockedArtifact>,
    /// The manifests of Flux's controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flux: Option<LockedArtifact>,
    /// The charts of the GitOps tree by name: versions alone, a HelmRelease takes no SHA-256.
    #[schemars(extend("propertyNames" = {"format": "text"}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charts: BTreeMap<String, String>,
    /// The container images of the GitOps tree by name: tags alone.
    #[schemars(extend("propertyNames" = {"format": "text"}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, String>,
}

impl LockFile {
    /// The version of the format.
    pub const VERSION: u32 = 1;

    /// A lock file that pins nothing.
    pub fn empty() -> Self {
        Self { version: Self::VERSION, ..Self::default() }
    }
}

/// One artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedArtifact {
    /// Its version.
    #[schemars(extend("format" = "text"))]
    pub version: String,
    /// Where it is fetched from.
    #[schemars(extend("format" = "artifact-url"))]
    pub url: String,
    /// Its SHA-256.
    #[schemars(extend("format" = "sha256"))]
    pub sha256: String,
}
