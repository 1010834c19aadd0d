//! Proxmox tasks, from the call to the end.

use std::{future::Future, time::Duration};

use tokio::sync::Mutex;

use super::{Look, StepContext, task_log::TaskLog};
use crate::{
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::Record,
    model::{Upid, Vmid},
    ports::{LockedGuest, Proxmox, ProxmoxError, TaskState, World, says_locked},
};

/// How often a call that only met a lock is tried.
const LOCK_TRIES: u32 = 8;

/// What kept a call or its task from doing anything.
enum Hindrance {
    /// A lock that was not had in time: this text says so.
    Busy(String),
    /// The guest carries a lock in its configuration.
    Locked(LockedGuest, String),
}

impl<W: World> StepContext<W> {
    /// Makes a call that begins a task and sees the task to its end. A busy lock, in the call or in the
    /// task, is waited out, and so is a guest that somebody else's task works on; nothing else is repeated
    /// here.
    ///
    /// # Errors
    /// As [`Run::may_change`](super::Run::may_change) before each call; as `until_unlocked` where a guest is
    /// locked; with [`Effect::Unknown`] when the reply was lost or the task ended without a result: look at
    /// the world before deciding.
    pub async fn task<F, Fut>(&self, limit: Duration, mut call: F) -> Result<()>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Option<Upid>, ProxmoxError>>,
    {
        for _ in 0..LOCK_TRIES {
            if self.task_at_once(limit, &mut call).await? {
                return Ok(());
            }
        }
        Err(Failure::new(
            Kind::Proxmox,
            "the guest was locked again each time that its lock was gone",
        )
        .hint("see the task list of the Proxmox node"))
    }

    /// The same where much may have changed while a guest's lock was waited for: whether it was done. Where it
    /// was not, the lock is gone now, and the caller looks at the guest again.
    ///
    /// # Errors
    /// As [`task`](Self::task).
    pub async fn task_at_once<F, Fut>(&self, limit: Duration, mut call: F) -> Result<bool>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Option<Upid>, ProxmoxError>>,
    {
        let mut attempt = 1;
        loop {
            self.still_wanted()?;
            let hindrance = match call().await {
                Ok(None) => return Ok(true),
                Ok(Some(upid)) => match self.end_of(&upid, limit).await? {
                    None => return Ok(true),
                    Some(hindrance) => hindrance,
                },
                Err(error) => hindrance(error)?,
            };
            let busy = match hindrance {
                Hindrance::Busy(text) => text,
                Hindrance::Locked(guest, refusal) => {
                    self.until_unlocked(&guest, &refusal).await?;
                    return Ok(false);
                }
            };
            if attempt == LOCK_TRIES {
                return Err(Failure::new(Kind::Proxmox, busy)
                    .hint("another task holds the lock; see the task list of the Proxmox node"));
            }
            let pause = Duration::from_secs(u64::from(2u32.pow(attempt.min(4) - 1)));
            self.run.events.send(Event::Retrying {
                step: self.step.clone(),
                attempt,
                error: busy,
                seconds: pause.as_secs(),
            });
            self.pause(pause).await?;
            attempt += 1;
        }
    }

    /// Sees a task to its end; `Some` is the text of a lock that was busy, nothing having been done.
    ///
    /// A task is journalled, so that the run after a crash attaches to it. When this run is stopped the
    /// task goes on, and stays journalled.
    pub async fn follow(&self, upid: &Upid, limit: Duration) -> Result<Option<String>> {
        match self.end_of(upid, limit).await? {
            None => Ok(None),
            Some(Hindrance::Busy(text)) => Ok(Some(text)),
            Some(Hindrance::Locked(_, text)) => {
                Err(Failure::new(Kind::Proxmox, text).at(upid.node()).effect(Effect::Partial))
            }
        }
    }

    async fn end_of(&self, upid: &Upid, limit: Duration) -> Result<Option<Hindrance>> {
        self.record(&Record::TaskBegun { step: self.step.clone(), upid: upid.clone() })?;
        let proxmox = self.run.world.proxmox();
        let wanted = format!("task {} {} on {} to end", upid.kind(), upid.id(), upid.node());
        let log = Mutex::new(TaskLog::default());
        let end = self
            .wait_for(&wanted, limit, || async {
                Ok(match proxmox.task(upid).await? {
                    TaskState::Running => {
                        self.read_log(upid, &log).await;
                        Look::NotYet("running".into())
                    }
                    end => Look::There(end),
                })
            })
            .await?;
        self.record(&Record::TaskEnded { upid: upid.clone() })?;
        match end {
            TaskState::Running | TaskState::Ok => Ok(None),
            TaskState::Warnings(count) => {
                let log = proxmox.task_log(upid, 0).await.unwrap_or_default();
                let lines: Vec<_> = log.into_iter().filter(|line| line.contains("WARN")).collect();
                self.warn(format!(
                    "{} ended with {count} warnings: {}",
                    upid.kind(),
                    lines.join("; ")
                ));
                Ok(None)
            }
            TaskState::Failed(text) if is_busy(&text) => Ok(Some(Hindrance::Busy(text))),
            TaskState::Failed(text) => {
                let told = format!("task {} {} failed: {text}", upid.kind(), upid.id());
                match locked_guest(upid, &text) {
                    Some(guest) => Ok(Some(Hindrance::Locked(guest, told))),
                    None => Err(Failure::new(Kind::Proxmox, told)
                        .at(upid.node())
                        .effect(Effect::Partial)),
                }
            }
            TaskState::Unknown(text) => Err(Failure::new(
                Kind::Proxmox,
                format!("task {} {} ended without a result: {text}", upid.kind(), upid.id()),
            )
            .at(upid.node())
            .effect(Effect::Unknown)),
        }
    }
}

impl<W: World> StepContext<W> {
    /// Tells a person who waits what a task's log says that is new. A log that cannot be read is no
    /// reason to fail: the task's state is what counts.
    async fn read_log(&self, upid: &Upid, log: &Mutex<TaskLog>) {
        let mut log = log.lock().await;
        let Ok(lines) = self.run.world.proxmox().task_log(upid, log.known()).await else { return };
        let news = log.read(lines);
        if let Some(line) = news.line {
            self.output(line);
        }
        if let Some(percent) = news.percent {
            self.progress(percent, Some(100), "%");
        }
    }
}

/// What kept a call from being made.
///
/// # Errors
/// The call's own, where that was no lock.
fn hindrance(error: ProxmoxError) -> Result<Hindrance> {
    if let Some(guest) = error.locked_guest() {
        return Ok(Hindrance::Locked(guest, error.to_string()));
    }
    match error {
        ProxmoxError::Locked { message, .. } if is_busy(&message) => Ok(Hindrance::Busy(message)),
        error => Err(error.into()),
    }
}

/// The guest that a task was about, where its end says that it carries a lock.
fn locked_guest(upid: &Upid, end: &str) -> Option<LockedGuest> {
    let lock = says_locked(end)?.to_owned();
    let vmid = Vmid(upid.id().parse().ok()?);
    Some(LockedGuest { proxmox_node: upid.node().to_owned(), vmid, lock })
}

/// Whether a text says that a lock could not be had in time, and so that nothing was done (PVE-01).
pub fn is_busy(text: &str) -> bool {
    (text.contains("can't lock file") && text.contains("got timeout"))
        || text.contains("got lock request timeout")
        || text.contains("locked command timed out")
}

#[cfg(test)]
mod tests {
    use super::is_busy;

    #[test]
    fn only_a_lock_that_was_not_had_is_busy() {
        for busy in [
            "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout",
            "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout",
            "cfs-lock 'storage-x' error: got lock request timeout",
        ] {
            assert!(is_busy(busy), "{busy}");
        }
        for other in ["VM quit/powerdown failed - got timeout", "VM is locked (backup)"] {
            assert!(!is_busy(other), "{other}");
        }
    }
}
