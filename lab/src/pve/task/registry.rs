//! All tasks of the cluster, running and finished.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use futures::FutureExt as _;

use super::{Upid, Worker, archive::Archive};
use crate::pve::config::Config;

/// How many finished tasks are kept.
const KEPT: usize = 5000;

/// Every task, those of earlier runs included.
pub(crate) struct Table {
    archive: Arc<Archive>,
    began: Instant,
    next_pid: AtomicU32,
    /// In the order of their beginning.
    workers: Mutex<Vec<Worker>>,
}

impl Table {
    pub(crate) fn new(config: &Config) -> Self {
        Self::with(Archive { folder: Some(config.data_dir.join("tasks")) })
    }

    #[cfg(test)]
    fn empty() -> Self {
        Self::with(Archive { folder: None })
    }

    fn with(archive: Archive) -> Self {
        let workers = archive.load();
        let last = workers.iter().map(|worker| worker.upid().pid).max();
        Self {
            archive: Arc::new(archive),
            began: Instant::now(),
            next_pid: AtomicU32::new(last.unwrap_or(1000) + 1),
            workers: Mutex::new(workers),
        }
    }

    /// Begins a task and lets it run; the code's error text is its exit status. `now` gives the
    /// seconds since 1970.
    pub(crate) fn spawn<F>(
        &self,
        now: impl Fn() -> i64 + Send + 'static,
        (node, kind, id): (&str, &str, &str),
        user: &str,
        code: impl FnOnce(Worker) -> F,
    ) -> Upid
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let worker = self.enter(now(), (node, kind, id), user);
        let upid = worker.upid().clone();
        let archive = Arc::clone(&self.archive);
        archive.write(&worker);
        let pending = std::panic::AssertUnwindSafe(code(worker.clone())).catch_unwind();
        tokio::spawn(async move {
            match pending.await {
                Ok(result) => worker.finish(result, now()),
                // The real server's worker that dies leaves a log without a last line.
                Err(_) => worker.die(now()),
            }
            archive.write(&worker);
            worker.announce_end();
        });
        upid
    }

    /// A new task, as begun now.
    fn enter(&self, now: i64, (node, kind, id): (&str, &str, &str), user: &str) -> Worker {
        let ticks = self.began.elapsed().as_millis() / 10;
        let worker = Worker::new(Upid {
            node: node.to_owned(),
            pid: self.next_pid.fetch_add(1, Ordering::Relaxed),
            pstart: 0x1_0000 + u64::try_from(ticks).unwrap_or(u64::MAX),
            starttime: now,
            kind: kind.to_owned(),
            id: id.to_owned(),
            user: user.to_owned(),
        });
        let mut workers = self.lock();
        workers.push(worker.clone());
        let surplus = workers.len().saturating_sub(KEPT);
        if surplus > 0 {
            let mut dropped = 0;
            workers.retain(|worker| {
                let drop = dropped < surplus && worker.status().is_some();
                if drop {
                    dropped += 1;
                    self.archive.forget(worker);
                }
                !drop
            });
        }
        worker
    }

    pub(crate) fn find(&self, upid: &Upid) -> Option<Worker> {
        self.lock().iter().find(|worker| worker.upid() == upid).cloned()
    }

    /// All tasks, the youngest first.
    pub(crate) fn youngest_first(&self) -> Vec<Worker> {
        self.lock().iter().rev().cloned().collect()
    }

    /// Knows these tasks and no others, oldest first; their logs are the caller's business.
    pub(crate) fn remember(&self, workers: Vec<Worker>) {
        *self.lock() = workers;
    }

    /// The running tasks, the youngest first.
    pub(crate) fn running(&self) -> Vec<Worker> {
        let mut all = self.youngest_first();
        all.retain(|worker| worker.status().is_none());
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        // Workers are pushed and dropped whole.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_well_says_ok() {
        let tasks = Table::empty();
        let upid = tasks.spawn(
            || 1_795_356_944,
            ("pve1", "qmstart", "100"),
            "root@pam",
            |worker| async move {
                worker.log("working");
                Ok(())
            },
        );
        let worker = tasks.find(&upid).unwrap();
        assert_eq!(worker.ended().await, "OK");
        assert_eq!(worker.progress().lines, ["working", "TASK OK"]);
    }

    #[tokio::test]
    async fn a_failing_task_ends_with_its_error() {
        let tasks = Table::empty();
        let upid = tasks.spawn(
            || 1_795_356_944,
            ("pve1", "resize", "100"),
            "root@pam",
            |_| async { Err("first\nsecond\n".to_owned()) },
        );
        let worker = tasks.find(&upid).unwrap();
        assert_eq!(worker.ended().await, "first second");
        assert_eq!(worker.progress().lines, ["TASK ERROR: first", "second"]);
    }

    #[tokio::test]
    async fn warnings_are_counted_in_the_exit_status() {
        let tasks = Table::empty();
        let upid = tasks.spawn(
            || 1_795_356_944,
            ("pve1", "qmstart", "100"),
            "root@pam",
            |worker| async move {
                worker.warn("one");
                worker.warn("two");
                Ok(())
            },
        );
        assert_eq!(tasks.find(&upid).unwrap().ended().await, "WARNINGS: 2");
    }

    #[tokio::test]
    async fn an_interrupted_task_stops_waiting() {
        let tasks = Table::empty();
        let upid = tasks.spawn(
            || 1_795_356_944,
            ("pve1", "qmshutdown", "100"),
            "root@pam",
            |worker| async move { worker.wait_for(std::future::pending::<()>()).await },
        );
        let worker = tasks.find(&upid).unwrap();
        assert_eq!(worker.status(), None);
        assert_eq!(tasks.running().len(), 1);
        worker.interrupt();
        assert_eq!(worker.ended().await, "received interrupt");
        assert_eq!(tasks.running().len(), 0);
    }

    #[tokio::test]
    async fn a_worker_that_dies_leaves_an_unexpected_status() {
        let tasks = Table::empty();
        let upid = tasks.spawn(
            || 1_795_356_944,
            ("pve1", "vzdump", ""),
            "root@pam",
            |_| async { panic!("this task dies on purpose") },
        );
        assert_eq!(tasks.find(&upid).unwrap().ended().await, "unexpected status");
    }
}
