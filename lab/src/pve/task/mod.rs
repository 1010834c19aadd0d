//! Tasks: what a worker process is on the real host, with its name, log and exit status.

mod archive;
mod endpoints;
mod file_lock;
mod registry;
mod upid;
mod worker;

pub(crate) use endpoints::endpoints;
pub(crate) use file_lock::{FileLock, Held, Patience};
pub(crate) use registry::Table;
pub(crate) use upid::Upid;
pub(crate) use worker::{INTERRUPTED, Worker};
