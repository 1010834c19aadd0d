//! How steps are run: in the order of their needs, with retries, and stoppable.
//!
//! * [`repository`]: what a run knows of the repository of Flux.
//! * [`run`]: what all steps of a run share.
//! * [`context`]: what one step sees of it: journal, events, waiting.
//! * `early`: connections that are begun before it is known whether they are wanted.
//! * `guest_lock`: guests that somebody else's task works on.
//! * [`lease`]: one run at a time on one cluster, whoever starts it.
//! * [`scheduler`]: which step when.
//! * `waiting`: the steps that are not begun yet, and what each of them waits for.
//! * `task_log`: what a task's log tells of how far it has come.
//! * [`task`]: Proxmox tasks, from the call to the end, over lost replies and busy locks.
//! * `together`: one look for all who ask at once.

pub mod context;
mod early;
mod guest_lock;
pub mod lease;
pub mod repository;
pub mod run;
pub mod scheduler;
pub mod task;
mod task_log;
mod together;
mod waiting;

pub use context::{Look, STOPPED, StepContext};
pub use run::Run;
pub use scheduler::run_plan;
