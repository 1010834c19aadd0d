//! What is there, what differs from what is wanted, and what it takes. Pure.
//!
//! * [`observed`]: the world as it was seen.
//! * [`flux`]: what Flux shows of itself.
//! * [`guest`]: the configuration that a guest should have, and how far one is from it.
//! * [`diff`]: from both to steps.
//! * [`room`]: whether a root file system has room.
//! * [`systems`]: what runs on the cluster beside its foundations.
//! * [`step`]: a step: what, why, at what price, after which others.

pub mod bucket;
#[cfg(test)]
mod damage;
pub mod datastore;
pub mod diff;
pub mod edge;
pub mod flux;
pub mod guest;
pub mod longhorn;
pub mod observed;
pub mod probe;
pub mod proxies;
pub mod room;
pub mod schedule;
pub mod step;
pub mod systems;

pub use diff::{Refusal, diff};
pub use observed::Observed;
pub use room::Room;
pub use step::{Change, Impact, Plan, Step, StepId};
