//! The lab of real hosts: namespaces, services and guests, started and taken down as one.
//!
//! A world is a set of namespaces (mount, network, process) with one first process. In it stand the
//! bridge, the emulated Proxmox VE with [`crate::machines`] behind it, Headscale, a name server and a
//! mirror with everything that guests and product may download. There is no way out of it, and no way
//! from it to the host's network. When the first process ends, however it ends, the kernel takes the
//! rest down: processes, mounts, loop devices, interfaces. Only cgroups and files stay, and
//! [`enclosure::take_down`] removes those.
//!
//! * [`place`]: the folder of a world and what is written there.
//! * [`supplies`]: what must be built or fetched before the way out is closed.
//! * [`enclosure`]: makes the namespaces, enters them, takes them down.
//! * [`daemon`]: what runs inside.
//! * [`command`]: the command line.

pub mod command;
pub mod place;
pub mod rights;

mod daemon;
mod edge;
mod enclosure;
mod environment;
mod first_process;
mod git_server;
mod gitops;
mod headscale;
mod image;
mod mirror;
mod names;
mod object_store;
mod proxmox;
mod public_path;
mod segment;
mod service;
mod supplies;
mod wait;

use camino::Utf8PathBuf;
use thiserror::Error;

use crate::machines::CommandError;

/// Why a world could not be had.
#[derive(Debug, Error)]
pub enum WorldError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("can't read {path}: {source}")]
    Json { path: Utf8PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Artifact(#[from] crate::artifacts::ArtifactError),
    #[error(transparent)]
    Emulator(#[from] crate::pve::StartError),
    #[error("the lab needs root: it makes namespaces, mounts and loop devices of its own")]
    NotRoot,
    #[error("neither XDG_STATE_HOME nor HOME is set: there is no place for the lab's files")]
    NoHome,
    #[error("the lab `{name}` is up already; `homelab-lab down --name {name}` takes it down")]
    Up { name: String },
    #[error("the lab `{name}` is not up; `homelab-lab up --name {name}` starts it")]
    Down { name: String },
    #[error("the lab did not come up; its log {log} ends with:\n{tail}")]
    NotReady { log: Utf8PathBuf, tail: String },
    #[error("{service} did not answer within {seconds} s; its log is {log}")]
    Silent { service: &'static str, seconds: u64, log: Utf8PathBuf },
    #[error("{service} answered what the lab does not understand: {answer}")]
    Answer { service: &'static str, answer: String },
    #[error("the lab's git server needs {program}; install the package {package}")]
    NoProgram { program: &'static str, package: &'static str },
    #[error("left behind by the lab: {0:?}")]
    LeftBehind(Vec<Utf8PathBuf>),
}
