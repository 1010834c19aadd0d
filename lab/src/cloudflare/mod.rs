//! A stand-in for Cloudflare's API: the part that tunnels, their remote configuration and a zone's DNS
//! records take.
//!
//! It is not Cloudflare: nothing here answers DNS or carries traffic. What it holds itself to is the
//! wire: paths, envelopes (`success`, `errors`, `messages`, `result`, `result_info`), statuses and error
//! codes as the official clients expect them; a test drives it with one (`tests/official.rs`).
//! Everything is in memory, and gone with the process.
//!
//! * [`state`]: tunnels, records, zones, tokens.
//! * [`access`]: who asks, and what the token may do.
//! * [`answer`]: envelopes, errors, pages.
//! * [`tunnels`], [`records`], [`zones`]: what each path does.
//! * [`control`]: the laboratory's own door, outside the API's root: connections of a tunnel, faults.
//! * [`server`]: HTTP around it.

mod access;
mod answer;
mod control;
mod records;
mod request;
mod server;
mod state;
mod tunnels;
mod zones;

#[cfg(test)]
mod tests;

pub use access::Permission;
pub use control::{Fault, Harm};
pub use server::{Running, start};
pub use state::Site;
