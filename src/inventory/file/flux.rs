//! GitOps: where the cluster's state is read from.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretReference;
use crate::inventory::scalar::Span;

/// GitOps by Flux.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct FluxFile {
    /// The repository.
    #[schemars(extend("format" = "git-url"))]
    pub url: String,
    /// The branch.
    #[schemars(extend("format" = "text"))]
    #[serde(default = "branch")]
    pub branch: String,
    /// The folder in the repository that holds this cluster's entry point.
    #[schemars(extend("format" = "text"))]
    pub path: String,
    /// How often the repository is asked.
    #[serde(default = "interval")]
    pub interval: Span,
    /// Flux's own version; what the lock file has unless said.
    #[schemars(extend("format" = "tailscale-version"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the manifests of its controllers are fetched from; the publisher's unless said.
    #[schemars(extend("format" = "artifact-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<String>,
    /// Their SHA-256; `homelab lock` finds it and writes it into `homelab.lock`.
    #[schemars(extend("format" = "sha256"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The SSH host keys of the repository's host, as lines of known_hosts; those of github.com, gitlab.com
    /// and codeberg.org need not be written.
    #[schemars(extend("items" = {"type": "string", "format": "known-host"}))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_hosts: Vec<String>,
    /// The same in a file, such as `~/.ssh/known_hosts`; the lines of other hosts count for nothing.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts_file: Option<String>,
    /// What lets Flux read; nothing for a public repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<GitCredentials>,
}

/// What lets Flux read the repository; reading is all that it needs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GitCredentials {
    /// The private half of a read-only deploy key, for an `ssh://` URL.
    DeployKey(SecretReference),
    /// A read-only access token, for an `https://` URL.
    Token(SecretReference),
}

fn branch() -> String {
    "main".into()
}

const fn interval() -> Span {
    Span(std::time::Duration::from_secs(60))
}
