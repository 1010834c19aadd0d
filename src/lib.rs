//! Bare metal to cluster: Proxmox VMs, a tailnet, k3s, from one inventory.
//!
//! One way through, and arrows go one way:
//!
//! ```text
//! inventory file -> InventoryFile -> Desired --\
//!                                               diff -> Plan            pure
//! world -> observe through ports -> Observed --/
//! Plan -> engine -> steps -> ports -> world
//!              |-> journal (intent before effect, result after)
//!              '-> events -> renderers (bars | lines | JSON)
//! ```
//!
//! * [`inventory`]: what the user wrote, and what it means.
//! * [`ports`]: the outside world on one page; [`adapter`] holds the real ones.
//! * [`plan`]: what is there, what differs, and what that would cost.
//! * [`stage`]: the ladder, one file a stage.
//! * [`engine`] and [`journal`]: how steps are run, and how a killed run is taken up again.
//! * [`render`] and [`commands`]: what a person sees and types.

pub mod adapter;
pub mod cli;
pub mod commands;
pub mod completion;
#[cfg(test)]
mod damage;
pub mod engine;
pub mod environment;
pub mod error;
pub mod event;
pub mod gitops;
pub mod inventory;
pub mod journal;
mod manual;
pub mod model;
pub mod named_file;
pub mod observe;
pub mod plan;
pub mod ports;
mod private_file;
pub mod render;
pub mod sample;
pub mod script;
pub mod secret;
pub mod seed;
pub mod stage;
pub mod template;
pub mod topology;
pub(crate) mod trace;
