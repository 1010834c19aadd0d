//! The memory of intent: what was begun, which ids were chosen, what was created.
//!
//! The world is the truth; the journal only answers what the world cannot. Deleting it loses no cluster.
//!
//! * [`record`]: the wire format, one JSON document a line, versioned.
//! * [`state`]: one fold, for live runs, resume and tests.
//! * [`file`]: appending with fsync, reading what a crash left, compaction.
//! * [`holder`]: who runs.
//! * [`lock`]: one run at a time on one state folder.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod every_record;
pub mod file;
pub mod holder;
pub mod lock;
pub mod record;
pub mod state;

pub use file::Journal;
pub use holder::Holder;
pub use lock::StateLock;
pub use record::{Record, StepResult};
pub use state::RunState;
