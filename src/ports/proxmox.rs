//! Proxmox VE, as far as we use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use camino::Utf8PathBuf;

use crate::{
    error::{Effect, Failure, Kind},
    model::{Upid, Vmid},
};

/// The Proxmox VE API. Calls that return a [`Upid`] have only *begun* something.
///
/// # Guarantees
/// * Reads are retried by the adapter; a mutation is sent at most once, and when its reply is lost the
///   error's [`ProxmoxError::effect`] is [`Effect::Unknown`]: observe, then decide.
/// * An absent guest is `None`, never an error.
pub trait Proxmox: Send + Sync {
    /// The id of the API token in use, `user@realm!name`: no secret.
    fn token_id(&self) -> String;
    fn version(&self) -> impl Future<Output = Result<Version, ProxmoxError>> + Send;
    /// The privileges that the token has, by ACL path, of the paths asked for.
    fn permissions(
        &self,
        paths: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, BTreeSet<String>>, ProxmoxError>> + Send;
    fn nodes(&self) -> impl Future<Output = Result<Vec<NodeSummary>, ProxmoxError>> + Send;
    /// All guests that the token may see, of all nodes, in one request (`/cluster/resources`).
    fn guests(&self) -> impl Future<Output = Result<Vec<GuestSummary>, ProxmoxError>> + Send;
    /// Whether a VMID is free: asked of `nextid`, which is not filtered by privileges (PVE-09).
    fn vmid_is_free(&self, vmid: Vmid) -> impl Future<Output = Result<bool, ProxmoxError>> + Send;
    /// The clock of the Proxmox node that answers, in seconds since the epoch.
    fn time(&self) -> impl Future<Output = Result<i64, ProxmoxError>> + Send;
    fn storages(
        &self,
        node: &str,
    ) -> impl Future<Output = Result<Vec<StorageSummary>, ProxmoxError>> + Send;
    /// The MTU that is set on a bridge of a node; `None`: none is set, or it may not be asked.
    fn bridge_mtu(
        &self,
        node: &str,
        bridge: &str,
    ) -> impl Future<Output = Result<Option<u16>, ProxmoxError>> + Send;
    fn volumes(
        &self,
        node: &str,
        storage: &str,
        content: ContentKind,
    ) -> impl Future<Output = Result<Vec<Volume>, ProxmoxError>> + Send;

    /// The configuration with pending changes merged in; `None` when there is no such guest.
    fn guest_config(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Option<GuestConfig>, ProxmoxError>> + Send;
    /// The keys that wait for a stop or reboot.
    fn pending_keys(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Vec<String>, ProxmoxError>> + Send;
    fn guest_status(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Option<GuestStatus>, ProxmoxError>> + Send;

    /// Creates a guest from raw API parameters (`vmid` among them).
    fn create_guest(
        &self,
        node: &str,
        parameters: &[(String, String)],
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    fn clone_guest(
        &self,
        node: &str,
        request: &CloneRequest,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Sets and deletes keys (PUT, synchronous), refused when `digest` is no longer the current one.
    fn configure(
        &self,
        node: &str,
        vmid: Vmid,
        set: &[(String, String)],
        delete: &[String],
        digest: Option<&str>,
    ) -> impl Future<Output = Result<(), ProxmoxError>> + Send;
    /// Grows a disk to `bytes` in all; absolute, so that it may be repeated.
    fn resize_disk(
        &self,
        node: &str,
        vmid: Vmid,
        disk: &str,
        bytes: u64,
    ) -> impl Future<Output = Result<Option<Upid>, ProxmoxError>> + Send;
    fn make_template(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Option<Upid>, ProxmoxError>> + Send;
    fn start(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Asks the guest to power off; after `seconds` it is stopped hard when `force` says so.
    fn shutdown(
        &self,
        node: &str,
        vmid: Vmid,
        seconds: u32,
        force: bool,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Takes the power away, ending a shutdown under way (`overrule-shutdown`).
    fn stop(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Proxmox's own reboot: a shutdown and a start, by which pending changes are applied.
    fn reboot(
        &self,
        node: &str,
        vmid: Vmid,
        seconds: u32,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Deletes a stopped guest with its own disks (`purge`, never `destroy-unreferenced-disks`).
    fn delete_guest(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;

    fn upload(
        &self,
        node: &str,
        upload: &Upload,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    /// Lets the node itself fetch an image, checked by sha256.
    fn download(
        &self,
        node: &str,
        storage: &str,
        content: ContentKind,
        image: &Image,
    ) -> impl Future<Output = Result<Upid, ProxmoxError>> + Send;
    fn delete_volume(
        &self,
        node: &str,
        volume: &str,
    ) -> impl Future<Output = Result<Option<Upid>, ProxmoxError>> + Send;

    fn task(&self, upid: &Upid) -> impl Future<Output = Result<TaskState, ProxmoxError>> + Send;
    /// The lines of a task's log after the first `known`.
    fn task_log(
        &self,
        upid: &Upid,
        known: usize,
    ) -> impl Future<Output = Result<Vec<String>, ProxmoxError>> + Send;
    /// The tasks that run on a node now.
    fn active_tasks(
        &self,
        node: &str,
    ) -> impl Future<Output = Result<Vec<Upid>, ProxmoxError>> + Send;
}

/// `/version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    /// As printed: `9.2.11`.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeSummary {
    pub name: String,
    pub online: bool,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub memory_used_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    Running,
    Stopped,
}

/// One guest as `/cluster/resources` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestSummary {
    pub vmid: Vmid,
    pub node: String,
    pub name: String,
    pub power: PowerState,
    pub template: bool,
    pub lock: Option<String>,
    pub tags: Vec<String>,
    pub memory_bytes: u64,
    pub is_container: bool,
}

/// A guest's configuration: keys as Proxmox names them, values as it prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestConfig {
    pub digest: String,
    pub values: BTreeMap<String, String>,
}

impl GuestConfig {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct GuestStatus {
    pub power: PowerState,
    pub lock: Option<String>,
    pub uptime_seconds: u64,
    pub agent: AgentState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Not in the configuration.
    Off,
    On,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StorageSummary {
    pub name: String,
    /// `dir`, `lvmthin`, `zfspool`, ...
    pub kind: String,
    pub content: Vec<String>,
    pub active: bool,
    pub shared: bool,
    pub total_bytes: u64,
    pub available_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    Iso,
    Import,
    Images,
}

impl ContentKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Import => "import",
            Self::Images => "images",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `local:iso/x.iso`.
    pub id: String,
    pub bytes: u64,
    /// The guest that it belongs to.
    pub vmid: Option<Vmid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloneRequest {
    pub source: Vmid,
    pub target: Vmid,
    pub name: String,
    pub description: String,
    /// Where the disks go (full clones only).
    pub storage: Option<String>,
    pub pool: Option<String>,
    pub full: bool,
}

/// A file to send to a storage.
#[derive(Clone, Debug)]
pub struct Upload {
    pub storage: String,
    pub content: ContentKind,
    pub file_name: String,
    pub file: Utf8PathBuf,
    /// Hexadecimal; checked by Proxmox before the file is put in its place.
    pub sha256: String,
}

/// A file that a Proxmox node fetches by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub url: String,
    pub file_name: String,
    pub sha256: String,
}

/// How a task stands. `WARNINGS: n` is a success to Proxmox (PVE-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    Running,
    Ok,
    Warnings(u32),
    Failed(String),
    /// Killed, or its node went away: the outcome must be observed.
    Unknown(String),
}

/// What a Proxmox call ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
pub enum ProxmoxError {
    #[error("cannot reach Proxmox at {endpoint}: {reason}")]
    Unreachable { endpoint: String, reason: String, effect: Effect },
    /// The certificate is not the one that was pinned, or not signed by the CA given.
    #[error("{0}")]
    Certificate(String),
    #[error("Proxmox refused the API token: {0}")]
    Unauthorized(String),
    #[error("missing privilege: {0}")]
    Forbidden(String),
    /// Parameters were refused (400): name and text of each.
    #[error("Proxmox refused {call}: {message}{}", parameters(.errors))]
    Invalid { call: String, message: String, errors: BTreeMap<String, String> },
    /// A lock could not be had in time, or a guest is locked: nothing was done, try again.
    #[error("{call}: {message}")]
    Locked { call: String, message: String },
    /// The guest, VMID or file exists already.
    #[error("{call}: {message}")]
    Exists { call: String, message: String },
    /// The configuration was changed by somebody else since it was read.
    #[error("{call}: {message}")]
    Changed { call: String, message: String },
    /// Any other answer that is no success.
    #[error("{call}: {status} {message}")]
    Answer { call: String, status: u16, message: String, effect: Effect },
    /// The answer is not what the API promises.
    #[error("{call}: cannot make sense of the answer: {reason}")]
    Malformed { call: String, reason: String, effect: Effect },
    /// What is given as the API token is none; it is not repeated.
    #[error("what is there is no API token: it does not have the form user@realm!name=uuid")]
    Token,
    #[error("{0}")]
    Local(String),
}

fn parameters(errors: &BTreeMap<String, String>) -> String {
    errors.iter().map(|(name, text)| format!("; {name}: {}", text.trim())).collect()
}

impl ProxmoxError {
    /// What is known of the effect.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Unreachable { effect, .. }
            | Self::Answer { effect, .. }
            | Self::Malformed { effect, .. } => *effect,
            _ => Effect::None,
        }
    }
}

impl From<ProxmoxError> for Failure {
    fn from(error: ProxmoxError) -> Self {
        let kind = match &error {
            ProxmoxError::Unreachable { .. } => Kind::Unreachable,
            ProxmoxError::Local(_) => Kind::Runtime,
            ProxmoxError::Token => Kind::Inventory,
            _ => Kind::Proxmox,
        };
        let hint = match &error {
            ProxmoxError::Unreachable { .. } => {
                Some("check `proxmox.endpoint`, and that this machine can reach it")
            }
            ProxmoxError::Token => Some(
                "Proxmox prints the token once, when it is made: `homelab init proxmox-role` tells how",
            ),
            ProxmoxError::Unauthorized(_) => Some(
                "check the token's id, secret and expiry; `homelab init proxmox-role` prints how to make one",
            ),
            ProxmoxError::Forbidden(_) => {
                Some("`homelab init proxmox-role` prints the role and the ACLs that are needed")
            }
            _ => None,
        };
        let failure = Self::new(kind, error.to_string()).effect(error.effect());
        hint.into_iter().fold(failure, Self::hint)
    }
}
