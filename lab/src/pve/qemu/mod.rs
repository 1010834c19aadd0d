//! Guests: their configuration, life and disks.
//!
//! [`config`] is a configuration file, [`table`] keeps them all; the other modules are calls.

mod access;
mod agent;
mod answer;
mod boot;
mod call;
mod clone;
mod clone_job;
mod cloudinit;
mod config;
mod create;
mod destroy;
mod disks;
mod drive;
mod endpoints;
mod iso;
mod managed;
mod network;
mod normal;
mod options;
mod pending;
mod power;
mod relocate;
mod resize;
mod seed;
mod show;
mod size;
mod snapshot;
mod spec;
mod status;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod update;

pub(crate) use call::{begin, patience};
pub(crate) use disks::blocking;
pub(crate) use endpoints::endpoints;
pub(crate) use seed::{seed, set_lock};
pub(crate) use status::{Summary, summaries};
pub(crate) use table::{Guest, Table};
pub(crate) use update::finished_within;
