//! A tailnet's control plane in this process: Headscale's or Tailscale's, as an operator's API calls and
//! a guest's tailscaled find it.
//!
//! No packet is carried and no key is worth anything. What it holds itself to: paths, bodies, statuses and
//! texts of the two APIs; which key lets which machine in, and what `tailscale up` says of one that does
//! not; who gets which address and name. The facts are from Headscale's sources (0.26.1, 0.27.1, 0.28.0,
//! 0.29.3), from Tailscale's own Go client (`tailscale.com/client/tailscale/v2` 2.12.0), which a test
//! drives against this one, and, where neither tells, from what users of Tailscale's API report of it.
//!
//! * [`plane`]: whose control plane it is, and what differs between Headscale's releases.
//! * [`model`]: users, keys, devices.
//! * [`world`]: the tailnet as the world sees it, past the API.
//! * [`joining`]: what tailscaled asks for.
//! * [`address`], [`names`]: what a device is given.
//! * [`state`]: everything that is kept, and what goes by itself.
//! * [`headscale`], [`tailscale`]: the two APIs.
//! * [`request`], [`answer`], [`route`], [`server`]: HTTP around them.

mod address;
mod answer;
mod headscale;
mod joining;
mod model;
mod names;
mod plane;
mod request;
mod route;
mod server;
mod state;
mod tailscale;
mod world;

#[cfg(test)]
mod tests;

pub use joining::{Joining, Reason, RegisterError, Registration};
pub use model::{Device, Key, NewKey, User};
pub use plane::{Plane, Release};
pub use server::{Running, start};
pub(in crate::sim) use world::Memory;
pub use world::{Clock, OauthClient, Settings, Tailnet};
