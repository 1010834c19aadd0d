//! One file a command.

pub mod role;
