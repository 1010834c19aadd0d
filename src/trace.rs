//! What took how long: a run as spans on tracks, in the form that ui.perfetto.dev and chrome://tracing open.
//!
//! The spans are `tracing`'s: whoever does something that takes its time makes one of [`TARGET`], whose name
//! is its kind (`step`, `wait`, `proxmox`, `ssh`), with `what` it is and, where it has one, its `node`. They
//! cost nothing where nobody listens, need no handle passed around, and know what they are part of.
//!
//! * [`path`]: an API's path without what differs from object to object.
//! * [`track`]: which span lies on which track, so that those of one nest.
//! * [`file`]: the file, whole JSON after every span, whatever ends the process.
//! * [`recorder`]: from the ones to the other.

mod file;
mod path;
mod recorder;
#[cfg(test)]
mod tests;
mod track;

use std::sync::{Arc, OnceLock};

use camino::Utf8Path;

pub(crate) use path::shape;
pub(crate) use recorder::Recorder;

use crate::error::Result;

/// The target of the spans that are recorded; no filter of a log names it.
pub(crate) const TARGET: &str = "timeline";

/// A process has one command, and so one record.
static RECORDER: OnceLock<Arc<Recorder>> = OnceLock::new();

/// Begins the record of this process in a file.
///
/// # Errors
/// When the file is something else, or cannot be written.
pub(crate) fn begin(path: &Utf8Path) -> Result<Arc<Recorder>> {
    let recorder = Arc::new(Recorder::new(path)?);
    Ok(RECORDER.get_or_init(|| recorder).clone())
}

/// Whether there is a record.
pub(crate) fn is_recording() -> bool {
    RECORDER.get().is_some()
}

/// Ends the record, where there is one: what is still going on has lasted until now.
///
/// # Errors
/// When the file did not take all of it.
pub(crate) fn end() -> Result<()> {
    RECORDER.get().map_or(Ok(()), |recorder| recorder.end())
}
