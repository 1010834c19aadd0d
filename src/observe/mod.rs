//! Looking at the world, all of it in parallel and once.

mod buckets;
mod cluster;
mod datastore;
mod edge;
mod flux;
mod hosts;
mod longhorn;
mod proxies;
mod proxmox;
mod systems;
mod whole;

pub use buckets::{BucketSight, Purpose, buckets, stores};
pub use flux::flux;
pub use longhorn::longhorn;
pub use proxies::proxies;
pub use proxmox::{machine, template};
pub use systems::systems;
pub use whole::{Depth, observe};
