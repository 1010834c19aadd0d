//! The longhorn stage: nodes that are fit for replicated storage, before Flux brings it. What Longhorn
//! itself shows is waited for in `sync`, and judged by its checks.

mod host;
mod leave;
mod verify;

pub(crate) use host::prepare_script;
pub use host::{check, files, prepare, reasons};
pub use leave::await_copies_elsewhere;
pub use verify::{checks, unfit};
