//! One file a command.

pub mod role;
pub mod tailnet_policy;
