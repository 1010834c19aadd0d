//! The Proxmox VE side.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretReference;

/// The Proxmox VE host or cluster that the guests live on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ProxmoxFile {
    /// `https://host:8006`. `PROXMOX_VE_ENDPOINT` wins over it.
    #[schemars(with = "Option<String>", extend("format" = "https-origin"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How the API's certificate is trusted: `system`, one `ca_file`, or `fingerprints`.
    /// `PROXMOX_VE_CA_FILE` and `PROXMOX_VE_FINGERPRINT` win over it.
    #[serde(default)]
    pub tls: TlsFile,
    /// The API token, `user@realm!name=uuid`. `PROXMOX_VE_API_TOKEN` wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretReference>,
    /// The pool that the guests are put in; the token's rights may be limited to it.
    #[schemars(extend("format" = "proxmox-id"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The bridge of the guests' first interface.
    #[schemars(extend("format" = "proxmox-id"))]
    #[serde(default = "bridge")]
    pub bridge: String,
    /// The VLAN tag of that interface.
    #[garde(inner(range(min = 1, max = 4094)))]
    #[schemars(range(min = 1, max = 4094))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Where disks, image and seeds go.
    #[serde(default)]
    pub storage: StorageFile,
    /// How many clones may run at once on one storage.
    #[garde(range(min = 1, max = 16))]
    #[serde(default = "parallel_clones")]
    pub parallel_clones: u32,
}

/// How the API's certificate is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsFile {
    /// By the certificate authorities of this machine's operating system.
    #[default]
    System,
    /// By one PEM file: `/etc/pve/pve-root-ca.pem` of the host.
    CaFile(#[schemars(extend("format" = "text"))] String),
    /// By the certificate's SHA-256 fingerprint; several while a certificate is being renewed.
    Fingerprints(
        #[schemars(length(min = 1), extend("items" = {"type": "string", "format": "fingerprint"}))]
        Vec<String>,
    ),
}

/// The storages, by what goes there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StorageFile {
    /// The guests' disks (content `images`).
    #[schemars(extend("format" = "proxmox-id"))]
    pub disks: String,
    /// The cloud image (content `import`).
    #[schemars(extend("format" = "proxmox-id"))]
    pub image: String,
    /// The seed ISOs (content `iso`); best a storage of its own, since deleting there needs a wide right.
    #[schemars(extend("format" = "proxmox-id"))]
    pub seeds: String,
}

impl Default for StorageFile {
    fn default() -> Self {
        Self { disks: "local-lvm".into(), image: "local".into(), seeds: "local".into() }
    }
}

/// The cloud image that the guests' template is made from. What is not said here comes from `homelab.lock`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ImageFile {
    /// A name for the image's version, free text.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the image is fetched from.
    #[schemars(extend("format" = "artifact-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its SHA-256; `homelab lock` finds it and writes it into `homelab.lock`.
    #[schemars(extend("format" = "sha256"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The template's VMID on the first Proxmox node by name; further ones count up from it.
    #[garde(range(min = 100, max = 999_999_999))]
    pub template: u32,
}

fn bridge() -> String {
    "vmbr0".into()
}

const fn parallel_clones() -> u32 {
    2
}
