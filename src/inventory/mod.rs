//! What the user wrote ([`file`]), and what it means ([`Desired`]). Pure but for reading the files.

pub mod desired;

pub use desired::Desired;
