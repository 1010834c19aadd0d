//! Looking at the world, all of it in parallel and once.

mod flux;
mod hosts;
mod proxmox;
mod whole;

pub use flux::flux;
pub use proxmox::{machine, template};
pub use whole::{Depth, observe};
