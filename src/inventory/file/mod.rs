//! The inventory as written: one struct a section, documented for the schema and for editors.
//!
//! Nothing here is resolved: names are names, secrets are references, what is absent is `None` unless a
//! plain default exists. Meaning is given by [`super::resolve`].

mod access;
mod cloudflared;
mod datastore;
mod flux;
mod gitops;
mod k3s;
mod longhorn;
mod nodes;
mod proxmox;
mod secret;
mod tailnet;

use garde::Validate;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    access::{AccessFile, ExposureFile},
    cloudflared::{CloudflareFile, CloudflaredFile},
    datastore::DatastoreBackupFile,
    flux::{FluxFile, GitCredentials},
    gitops::{
        AuthentikFile, CertManagerFile, CloudnativePgFile, DatabaseBackupFile, GitopsFile,
        JellyfinFile, LonghornUiFile, MetallbFile, MonitoringFile, ReloaderFile, SecretsFile,
        SopsFile, StalwartFile, TailscaleOperatorFile, TraefikFile, Way,
    },
    k3s::{Component, ImagesFile, K3sFile, OverlayFile},
    longhorn::{BackupTarget, JobTask, LonghornFile, RecurringJob, S3Credentials},
    nodes::{NetworkFile, NodeDefaults, NodeFile, RoleFile, StorageDisk, TaintEffect, TaintFile},
    proxmox::{ImageFile, ProxmoxFile, StorageFile, TlsFile},
    secret::{AgeReference, SecretReference},
    tailnet::{
        AuthKeyFile, ControlFile, HeadscaleFile, MtuFile, OAuthFile, TailnetFile, TailscaleFile,
        TailscaleRelease,
    },
};

/// The whole of a homelab: Proxmox VE, its guests, their tailnet and their cluster.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(title = "homelab inventory")]
pub struct InventoryFile {
    /// The version of this format: 1.
    #[garde(range(min = 1, max = 1))]
    pub version: u32,
    /// Which cluster this is.
    pub cluster: ClusterFile,
    /// The Proxmox VE host or cluster that the guests live on.
    #[garde(dive)]
    pub proxmox: ProxmoxFile,
    /// The cloud image that the guests' template is made from.
    #[garde(dive)]
    pub image: ImageFile,
    /// How you reach the guests by SSH.
    #[garde(dive)]
    #[serde(default)]
    pub access: AccessFile,
    /// The LAN that the guests stand in.
    #[garde(dive)]
    pub network: NetworkFile,
    /// What holds for each node that does not say otherwise.
    #[garde(dive)]
    #[serde(default)]
    pub defaults: NodeDefaults,
    /// The nodes by name; the name is the guest's, the host's, the tailnet device's and the Kubernetes node's.
    #[schemars(extend("propertyNames" = {"format": "dns-label"}, "minProperties" = 1))]
    pub nodes: IndexMap<String, NodeFile>,
    /// The tailnet that the nodes join.
    #[garde(dive)]
    pub tailnet: TailnetFile,
    /// The Kubernetes distribution.
    #[garde(dive)]
    pub k3s: K3sFile,
    /// Replicated storage. Parsed and validated now; carried out by a later version.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longhorn: Option<LonghornFile>,
    /// GitOps: where the state of the cluster is read from.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flux: Option<FluxFile>,
    /// What runs in the cluster through Git: `homelab gitops` renders the repository.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<GitopsFile>,
}

/// Which cluster this is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// The cluster's name: the state folder's and the kubeconfig context's.
    #[schemars(extend("format" = "dns-label"))]
    pub name: String,
    /// The cluster's identity, made once by `homelab init`: by it the program knows what is its own.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub id: crate::model::ClusterId,
}

pub(crate) const fn yes() -> bool {
    true
}
