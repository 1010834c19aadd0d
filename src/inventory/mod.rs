//! What the user wrote ([`file`]), and what it means ([`Desired`]). Pure but for reading the files.
//!
//! ```text
//! text -> document (a tree with places) -> shape (against the schema) -> InventoryFile
//!      -> garde, check -> resolve, with the lock and what overrides the file -> Desired
//! ```
//!
//! Each stage adds to one report, and works on what the one before found sound; so all faults are told
//! at once, each with its line.

pub(crate) mod authority;
mod check;
pub mod class;
pub mod desired;
pub(crate) mod discretion;
mod document;
pub mod effective;
pub mod fault;
pub mod file;
pub(crate) mod git_host;
pub mod load;
pub mod lock;
pub(crate) mod mtu;
pub(crate) mod names;
pub mod new;
pub mod overrides;
mod path;
pub mod pin;
mod publisher;
mod report;
mod resolve;
pub mod scalar;
pub mod schema;
mod secret_source;
mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod versions;

pub use self::{
    class::{Class, class_of},
    desired::Desired,
    fault::{Fault, Faults, Severity},
    file::InventoryFile,
    load::{Fingerprints, LoadOptions, Loaded, Pins, Unpinned, load, load_unpinned},
    lock::{LockFile, LockedArtifact},
    overrides::{Origin, Override, Overrides},
};
pub(crate) use self::{
    scalar::{fingerprint as parse_fingerprint, why_no_https_origin},
    shape::closest,
};
