//! What is there, what differs from what is wanted, and what it takes.

pub mod step;

pub use step::StepId;
