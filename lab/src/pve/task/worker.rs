//! What a running task holds: its log and the wish that it should end.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::Upid;

/// A task's life so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) lines: Vec<String>,
    /// The exit status and its time (seconds since 1970), once the task has ended.
    pub(crate) end: Option<(String, i64)>,
    pub(crate) warnings: u32,
    /// The process is to vanish without a last line.
    forced_death: bool,
}

impl Progress {
    /// That of a task that ended in an earlier run.
    pub(super) fn of_the_past(lines: Vec<String>, status: String, end: i64) -> Self {
        Self { lines, end: Some((status, end)), ..Self::default() }
    }
}

/// The handle that a task's code works with. Clones speak of the same task.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    upid: Arc<Upid>,
    progress: Arc<Mutex<Progress>>,
    interrupt: CancellationToken,
    ended: CancellationToken,
}

/// What a task ends with when someone stopped it.
pub(crate) const INTERRUPTED: &str = "received interrupt";

impl Worker {
    pub(crate) fn new(upid: Upid) -> Self {
        Self {
            upid: Arc::new(upid),
            progress: Arc::new(Mutex::new(Progress::default())),
            interrupt: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// A task of an earlier run.
    pub(super) fn ended_before(upid: Upid, progress: Progress) -> Self {
        let worker = Self::new(upid);
        *worker.lock() = progress;
        worker.ended.cancel();
        worker
    }

    pub(crate) fn upid(&self) -> &Upid {
        &self.upid
    }

    /// Appends to the log; a text with line feeds becomes several lines.
    pub(crate) fn log(&self, text: impl AsRef<str>) {
        let mut progress = self.lock();
        progress.lines.extend(text.as_ref().split('\n').map(str::to_owned));
    }

    /// A warning: the task will end with `WARNINGS: n` instead of `OK`.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        self.log(format!("WARN: {}", text.as_ref()));
        self.lock().warnings += 1;
    }

    /// Asks the task to end; its code does so where it waits.
    pub(crate) fn interrupt(&self) {
        self.interrupt.cancel();
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.is_cancelled()
    }

    /// Waits for something, unless the task is interrupted first.
    ///
    /// # Errors
    ///
    /// [`INTERRUPTED`], the exit status of such a task.
    pub(crate) async fn wait_for<T>(&self, wait: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            () = self.interrupt.cancelled() => Err(INTERRUPTED.to_owned()),
            value = wait => Ok(value),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Exit status, or `None` while it runs.
    pub(crate) fn status(&self) -> Option<String> {
        self.lock().end.as_ref().map(|(status, _)| status.clone())
    }

    pub(crate) fn end_time(&self) -> Option<i64> {
        self.lock().end.as_ref().map(|(_, time)| *time)
    }

    /// Writes the last line and the exit status.
    pub(crate) fn finish(&self, result: Result<(), String>, now: i64) {
        let mut progress = self.lock();
        if progress.forced_death {
            drop(progress);
            return self.die(now);
        }
        let status = match result {
            Ok(()) if progress.warnings > 0 => {
                let status = format!("WARNINGS: {}", progress.warnings);
                progress.lines.push(format!("TASK {status}"));
                status
            }
            Ok(()) => {
                progress.lines.push("TASK OK".to_owned());
                "OK".to_owned()
            }
            Err(text) => {
                let text = text.trim_end();
                let mut lines = text.split('\n');
                let first = lines.next().unwrap_or_default();
                progress.lines.push(format!("TASK ERROR: {first}"));
                progress.lines.extend(lines.map(str::to_owned));
                text.replace('\n', " ")
            }
        };
        progress.end = Some((status, now));
    }

    /// Wakes those who wait for the end.
    pub(crate) fn announce_end(&self) {
        self.ended.cancel();
    }

    /// Ends with this exit status whatever was done: a fault that was asked for.
    ///
    /// # Errors
    ///
    /// The status, where it is an error's text.
    pub(crate) fn force(&self, status: &str) -> Result<(), String> {
        let mut progress = self.lock();
        if let Some(count) = status.strip_prefix("WARNINGS: ") {
            progress.warnings = count.parse().unwrap_or(1);
            return Ok(());
        }
        progress.forced_death = status == "unexpected status";
        if progress.forced_death || status == "OK" { Ok(()) } else { Err(status.to_owned()) }
    }

    /// Waits for the end; gives the exit status.
    pub(crate) async fn ended(&self) -> String {
        self.ended.cancelled().await;
        self.status().unwrap_or_default()
    }

    /// The process is gone and wrote no last line.
    pub(crate) fn die(&self, now: i64) {
        self.lock().end = Some(("unexpected status".to_owned(), now));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // A log is whole at every moment: a panic elsewhere leaves nothing half-written.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
