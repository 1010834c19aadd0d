//! How the operator reaches the guests.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How you reach the guests by SSH.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct AccessFile {
    /// The user that cloud-init makes; it may become root by sudo.
    #[schemars(extend("format" = "user-name"))]
    pub user: String,
    /// Public keys that may log in.
    #[schemars(extend("items" = {"type": "string", "format": "ssh-public-key"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<String>,
    /// Files with public keys, one a line; with none of either, the private key's `.pub` is taken.
    #[schemars(extend("items" = {"type": "string", "format": "text"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_key_files: Vec<String>,
    /// The private key's file; without it the SSH agent is asked. `HOMELAB_SSH_KEY` wins over it.
    #[schemars(extend("format" = "text"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    /// The port of SSH.
    #[garde(range(min = 1))]
    pub port: u16,
    /// `lan` leaves SSH and 6443 open on the LAN; `tailnet` closes them there once contact over the
    /// tailnet is confirmed.
    pub exposure: ExposureFile,
}

impl Default for AccessFile {
    fn default() -> Self {
        Self {
            user: "ubuntu".into(),
            public_keys: Vec::new(),
            public_key_files: Vec::new(),
            private_key: None,
            port: 22,
            exposure: ExposureFile::Lan,
        }
    }
}

/// Where SSH and the Kubernetes API answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExposureFile {
    /// On the LAN and over the tailnet.
    Lan,
    /// Over the tailnet alone.
    Tailnet,
}
