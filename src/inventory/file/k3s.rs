//! The Kubernetes distribution.

use garde::Validate;
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatastoreBackupFile, yes};

/// The Kubernetes distribution. What is not said of the release comes from `homelab.lock`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct K3sFile {
    /// `v1.34.4+k3s1`; what the lock file has unless said.
    #[schemars(extend("format" = "k3s-version"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the binary is fetched from; the publisher's unless said.
    #[schemars(extend("format" = "artifact-url"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its SHA-256; `homelab lock` finds it and writes it into `homelab.lock`.
    #[schemars(extend("format" = "sha256"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A tar of container images that is put on each node, so that none is pulled for k3s itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesFile>,
    /// The pods' network. Fixed when the cluster is made.
    #[schemars(with = "String", extend("format" = "ipv4-network"))]
    pub cluster_cidr: Ipv4Net,
    /// The services' network. Fixed when the cluster is made.
    #[schemars(with = "String", extend("format" = "ipv4-network"))]
    pub service_cidr: Ipv4Net,
    /// Which addresses Flannel's VTEPs have: `tailscale` (encrypted) or `lan` (clear text on the LAN).
    pub overlay: OverlayFile,
    /// Further names and addresses in the API's certificate, beside the nodes' own.
    #[schemars(extend("items" = {"type": "string", "format": "text"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tls_sans: Vec<String>,
    /// Parts of k3s that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<Component>,
    /// Encrypts Secrets in etcd. Fixed when the cluster is made.
    #[serde(default = "yes")]
    pub secrets_encryption: bool,
    /// Where snapshots of the datastore go; needs `secrets_encryption`.
    #[garde(dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datastore_backup: Option<DatastoreBackupFile>,
    /// Keys added to the servers' `config.yaml` as they are.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub server_config: serde_json::Map<String, serde_json::Value>,
    /// Keys added to the agents' `config.yaml` as they are.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub agent_config: serde_json::Map<String, serde_json::Value>,
}

impl Default for K3sFile {
    fn default() -> Self {
        Self {
            version: None,
            url: None,
            sha256: None,
            images: None,
            cluster_cidr: "10.42.0.0/16".parse().expect("a constant network"),
            service_cidr: "10.43.0.0/16".parse().expect("a constant network"),
            overlay: OverlayFile::Tailscale,
            tls_sans: Vec::new(),
            disable: Vec::new(),
            secrets_encryption: true,
            datastore_backup: None,
            server_config: serde_json::Map::new(),
            agent_config: serde_json::Map::new(),
        }
    }
}

/// A tar of container images.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesFile {
    /// Where it is fetched from; the publisher's unless said.
    #[schemars(extend("format" = "artifact-url"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its SHA-256; `homelab lock` finds it and writes it into `homelab.lock`.
    #[schemars(extend("format" = "sha256"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Which addresses Flannel's VTEPs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverlayFile {
    /// The tailnet's: encrypted, and pods lose 130 bytes of MTU to both headers.
    Tailscale,
    /// The LAN's: faster, in clear text on the LAN.
    Lan,
}

/// A part of k3s that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    Servicelb,
    Traefik,
    LocalStorage,
    MetricsServer,
    Coredns,
}

impl Component {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Servicelb => "servicelb",
            Self::Traefik => "traefik",
            Self::LocalStorage => "local-storage",
            Self::MetricsServer => "metrics-server",
            Self::Coredns => "coredns",
        }
    }
}
