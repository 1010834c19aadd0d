//! An emulated Proxmox VE: the HTTPS API, its users, storages, tasks and virtual machines.
//!
//! Behaviour, texts and status lines are those of Proxmox VE 9.2; the emulator declares its own
//! endpoints ([`endpoint::Endpoint`]) and works without any copy of Proxmox' schema.
//!
//! * [`http`] speaks the wire protocol and turns requests into calls.
//! * [`endpoint`], [`schema`], [`request`], [`error`]: what a call is, how it is checked.
//! * [`access`]: users, tokens, roles, access control lists, tickets.
//! * [`cluster`], [`node`], [`pool`]: what is not a guest, a storage or a task.
//! * [`qemu`], [`storage`], [`task`]: guests, volumes, workers.
//! * [`snapshot`]: what is remembered, taken out and put back.
//! * [`control`]: the laboratory's own door: the request log, faults, the host's shell.

pub(crate) mod access;
pub(crate) mod clock;
pub(crate) mod cluster;
mod command;
pub(crate) mod config;
pub mod control;
#[cfg(test)]
mod declarations;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod guests;
pub(crate) mod http;
pub(crate) mod instant;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod qemu;
pub(crate) mod request;
pub(crate) mod root;
pub(crate) mod schema;
pub(crate) mod server;
pub mod setup;
mod snapshot;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod task;
#[cfg(test)]
mod tests;

pub use command::{Args, run};
pub use config::{Config, HostLacks, NodeConfig, StorageConfig, StorageKind};
pub use control::faults::{Fault, Kind as FaultKind};
pub use http::certificate::CertificateError;
pub use instant::InstantHypervisor;
pub use server::{Running, Server, StartError};
pub use setup::{AccessSetup, GuestSetup, RoleSetup, Setup, SetupError, TokenSetup};
pub(crate) use snapshot::Memory;

/// Every endpoint of the emulator; each module declares its own.
pub(crate) fn endpoints(era: u32) -> Vec<endpoint::Endpoint> {
    [
        root::endpoints(),
        access::endpoints(era),
        cluster::endpoints(),
        node::endpoints(),
        pool::endpoints(),
        qemu::endpoints(),
        storage::endpoints(),
        task::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the API shows to the host's own root, without the wire.
pub(crate) async fn as_root(running: &Running, path: &str) -> std::io::Result<serde_json::Value> {
    call_as_root(running, endpoint::Method::Get, path, serde_json::Value::Null).await
}

/// Changes a guest's configuration as the host's own root, without the wire.
pub(crate) async fn configure_as_root(
    running: &Running,
    path: &str,
    parameters: serde_json::Value,
) -> std::io::Result<()> {
    call_as_root(running, endpoint::Method::Put, path, parameters).await.map(drop)
}

/// Deletes something as the host's own root, without the wire.
pub(crate) async fn delete_as_root(running: &Running, path: &str) -> std::io::Result<()> {
    let nothing = serde_json::Value::Null;
    call_as_root(running, endpoint::Method::Delete, path, nothing).await.map(drop)
}

async fn call_as_root(
    running: &Running,
    method: endpoint::Method,
    path: &str,
    parameters: serde_json::Value,
) -> std::io::Result<serde_json::Value> {
    let asked = http::dispatch::call_as_root(running.server(), method, path, parameters);
    asked.await.map_err(|error| std::io::Error::other(format!("{path}: {error}")))
}
