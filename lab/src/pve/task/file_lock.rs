//! Advisory locks on files that only exist in texts: who waits how long, and what the log says.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::Worker;
use crate::pve::clock::Clock;

/// A lock as `flock` gives it: many readers or one writer, nobody queues.
///
/// A waiting writer does not keep new readers out, as on the real host, where clones of one stopped
/// source share its lock and a configuration change starves meanwhile.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// As texts name it: `/var/lock/qemu-server/lock-100.conf`.
    path: String,
    holders: Mutex<Holders>,
    released: Notify,
}

#[derive(Debug, Default)]
struct Holders {
    readers: usize,
    writer: bool,
}

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    lock: Arc<FileLock>,
    shared: bool,
}

/// How long one waits, at which pace, and whose log tells of it.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    pub(crate) clock: &'a Clock,
    /// As the real server waits; the clock's pace shortens it.
    pub(crate) longest: Duration,
    pub(crate) worker: Option<&'a Worker>,
}

impl FileLock {
    pub(crate) fn new(path: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            holders: Mutex::new(Holders::default()),
            released: Notify::new(),
        })
    }

    fn try_take(self: &Arc<Self>, shared: bool) -> Option<Held> {
        let mut holders = self.holders();
        if holders.writer || (!shared && holders.readers > 0) {
            return None;
        }
        if shared {
            holders.readers += 1;
        } else {
            holders.writer = true;
        }
        Some(Held { lock: Arc::clone(self), shared })
    }

    async fn take(self: &Arc<Self>, shared: bool) -> Held {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the look, so that a release in between is not missed.
            released.as_mut().enable();
            if let Some(held) = self.try_take(shared) {
                return held;
            }
            released.await;
        }
    }

    /// Takes the lock for oneself.
    ///
    /// # Errors
    ///
    /// `can't lock file '..' - got timeout` after the longest wait; the interrupt's text when the
    /// waiting task is stopped.
    pub(crate) async fn exclusive(
        self: &Arc<Self>,
        patience: Patience<'_>,
    ) -> Result<Held, String> {
        self.acquire(false, patience).await
    }

    /// Takes the lock together with others who share it. Errors as for [`Self::exclusive`].
    pub(crate) async fn shared(self: &Arc<Self>, patience: Patience<'_>) -> Result<Held, String> {
        self.acquire(true, patience).await
    }

    async fn acquire(
        self: &Arc<Self>,
        shared: bool,
        patience: Patience<'_>,
    ) -> Result<Held, String> {
        if let Some(held) = self.try_take(shared) {
            return Ok(held);
        }
        if let Some(worker) = patience.worker {
            worker.log("trying to acquire lock...");
        }
        let wait =
            tokio::time::timeout(patience.clock.patience(patience.longest), self.take(shared));
        let result = match patience.worker {
            Some(worker) => worker.wait_for(wait).await?,
            None => wait.await,
        };
        let held = result.map_err(|_| format!("can't lock file '{}' - got timeout", self.path))?;
        if let Some(worker) = patience.worker {
            worker.log(" OK");
        }
        Ok(held)
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, Holders> {
        // The counts change by single assignments.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = self.lock.holders();
        if self.shared {
            holders.readers -= 1;
        } else {
            holders.writer = false;
        }
        drop(holders);
        self.lock.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(clock: &Clock) -> Patience<'_> {
        Patience { clock, longest: Duration::from_millis(20), worker: None }
    }

    #[tokio::test]
    async fn clones_share_what_a_change_must_have_alone() {
        let clock = Clock::new(1.0);
        let lock = FileLock::new("/var/lock/qemu-server/lock-100.conf");
        let first = lock.shared(patience(&clock)).await.unwrap();
        let second = lock.shared(patience(&clock)).await.unwrap();
        assert_eq!(
            lock.exclusive(patience(&clock)).await.unwrap_err(),
            "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
        );
        drop((first, second));
        let alone = lock.exclusive(patience(&clock)).await.unwrap();
        assert!(lock.shared(patience(&clock)).await.is_err());
        drop(alone);
    }

    #[tokio::test]
    async fn one_who_waits_gets_the_lock_when_it_is_released() {
        let clock = Clock::new(1.0);
        let lock = FileLock::new("x");
        let held = lock.exclusive(patience(&clock)).await.unwrap();
        let waiting = tokio::spawn({
            let lock = Arc::clone(&lock);
            async move {
                let clock = Clock::new(1.0);
                let longest = Duration::from_secs(60);
                lock.exclusive(Patience { clock: &clock, longest, worker: None }).await.is_ok()
            }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn a_waiting_writer_does_not_keep_readers_out() {
        let clock = Clock::new(1.0);
        let lock = FileLock::new("x");
        let first = lock.shared(patience(&clock)).await.unwrap();
        let writer = tokio::spawn({
            let lock = Arc::clone(&lock);
            async move {
                let clock = Clock::new(1.0);
                lock.exclusive(patience(&clock)).await.is_ok()
            }
        });
        tokio::task::yield_now().await;
        assert!(lock.shared(patience(&clock)).await.is_ok());
        assert!(!writer.await.unwrap());
        drop(first);
    }
}
