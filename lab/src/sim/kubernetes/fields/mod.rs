//! Server-side apply: who manages which fields of an object.
//!
//! It follows `structured-merge-diff`: an apply is laid over the live object; what its manager applied before and
//! does not apply now goes, unless another applier has it; whoever manages a field that the apply would change is
//! a conflict. Every other write takes what it changes.
//!
//! Simplified: objects are not converted between versions before their fields are compared; the older entries of
//! a manager without applies are not folded into one when there are more than ten; keys that are twice in a list
//! are not refused.
//!
//! * [`schema`], [`known`]: which lists are merged by which keys.
//! * [`path`]: fields and sets of them, as `FieldsV1` writes them.
//! * [`walk`]: the fields of an object, differences, merging, taking away.
//! * [`managers`]: the entries of `managedFields`.
//! * [`update`]: what a write makes of all that.

mod known;
mod managers;
mod path;
mod schema;
#[cfg(test)]
mod tests;
mod update;
mod walk;

pub(super) use known::{custom, known};
pub(super) use managers::{Writer, now};
pub(super) use schema::{Rule, Schema};
pub(super) use update::{Conflict, apply, update};
pub(super) use walk::element;
