//! Looking at the world, all of it in parallel and once.

mod hosts;
mod proxmox;
mod whole;

pub use proxmox::{machine, template};
pub use whole::{Depth, observe};
