//! Proxmox VE, as far as we use it.

mod error;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::Ipv4Addr,
};

use camino::Utf8PathBuf;
use ipnet::Ipv4Net;

use crate::model::{Upid, Vmid};
pub use error::{LockedGuest, ProxmoxError, says_changed, says_locked, says_taken};

/// The Proxmox VE API. Calls that return a [`Upid`] have only *begun* something.
///
/// # Guarantees
/// * Reads are retried by the adapter; a mutation is sent at most once, and when its reply is lost the
///   error's [`ProxmoxError::effect`] is [`Effect::Unknown`](crate::error::Effect): observe, then decide.
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
    /// The bridges of a node and the cluster's virtual networks there. All of the node's with `Sys.Audit`
    /// on it; without, those that the token may use.
    fn bridges(&self, node: &str)
    -> impl Future<Output = Result<Vec<Bridge>, ProxmoxError>> + Send;
    /// Every role with its privileges: whoever is known may read them.
    fn roles(
        &self,
    ) -> impl Future<Output = Result<BTreeMap<String, BTreeSet<String>>, ProxmoxError>> + Send;
    /// Whether there is such a pool; `None` where the token may not ask.
    fn pool_exists(
        &self,
        pool: &str,
    ) -> impl Future<Output = Result<Option<bool>, ProxmoxError>> + Send;
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
    /// The same and the keys that wait for a stop or reboot, in one request.
    fn guest_settings(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> impl Future<Output = Result<Option<(GuestConfig, Vec<String>)>, ProxmoxError>> + Send;
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
    /// The pool that it is in.
    pub pool: Option<String>,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    pub name: String,
    /// Said only where one is set.
    pub mtu: Option<u16>,
    /// The node's own address there, with the network's length.
    pub address: Option<Ipv4Net>,
    pub gateway: Option<Ipv4Addr>,
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
