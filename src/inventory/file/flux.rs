//! GitOps: parsed and validated now, carried out by a later version.

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
