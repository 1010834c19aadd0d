//! What is there, what differs from what is wanted, and what it takes.

pub mod probe;
pub mod step;

pub use probe::HostProbe;
pub use step::StepId;
