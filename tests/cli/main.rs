//! The program itself, run as a person runs it, against an emulated Proxmox VE in this process.
//!
//! Each test has a world of its own: an emulator on a free port, an inventory, state and cache folders,
//! a server for the image. Guests exist on paper only, and their addresses are loopback ones where
//! nothing listens: no packet leaves this machine, and no test goes further than the first contact.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod agreement;
mod commands;
mod completions;
mod deploy_key;
mod edge;
mod ended;
mod faults;
mod first_use;
mod flux;
mod furniture;
mod hurried;
mod inventory;
mod json;
mod junit;
mod lease;
mod locked;
mod machines;
mod managed;
mod manual;
mod named_files;
mod offline;
mod preflight;
mod progress;
mod rights;
mod secrets;
mod served;
mod state;
mod streams;
mod terminal;
mod trace;
mod variables;
mod wizard;
mod words;
mod world;
