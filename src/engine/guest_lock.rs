//! Guests that carry a `lock` in their configuration (PVE-15): Proxmox refuses to change one as long as it
//! does. While a task works on the guest its lock goes with that, and is waited for; one that a dead task left
//! is told, and never taken away: what lies under it only a person can know.

use std::time::Duration;

use super::{Look, StepContext};
use crate::{
    error::{Failure, Kind, Result},
    model::{Upid, Vmid},
    ports::{LockedGuest, Proxmox, ProxmoxError, World},
};

/// How long a backup may take: the whole of a large disk goes over the network.
const BACKUP_LIMIT: Duration = Duration::from_secs(2 * 3600);
/// The same of what else locks a guest.
const LIMIT: Duration = Duration::from_secs(1800);
/// How often it is waited for the lock of one call: the next guest's turn may be this one's again.
const TURNS: u32 = 4;

impl<W: World> StepContext<W> {
    /// Makes a call that changes a guest at once, and again when the lock is gone that it met.
    ///
    /// # Errors
    /// What the call fails with; as `until_unlocked`.
    pub async fn past_locks<T, F, Fut>(&self, mut call: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let mut turn = 1;
        loop {
            let failure = match call().await {
                Err(failure) if turn < TURNS => failure,
                outcome => return outcome,
            };
            let by_a_call = failure.source.as_deref().and_then(|source| source.downcast_ref());
            let Some(guest) = by_a_call.and_then(ProxmoxError::locked_guest) else {
                return Err(failure);
            };
            self.until_unlocked(&guest, &failure.message).await?;
            turn += 1;
        }
    }

    /// Waits until a guest carries no lock any more, or is gone; `refusal` is what Proxmox said of it.
    ///
    /// # Errors
    /// [`Kind::Proxmox`] where no task works on it, so that nothing will take the lock away; as
    /// [`wait_for`](Self::wait_for).
    pub(super) async fn until_unlocked(&self, guest: &LockedGuest, refusal: &str) -> Result<()> {
        let LockedGuest { proxmox_node, vmid, lock } = guest;
        let limit = if lock == "backup" { BACKUP_LIMIT } else { LIMIT };
        let wanted = format!("lock `{lock}` of VM {vmid} on {proxmox_node} to go");
        let proxmox = self.run.world.proxmox();
        let lock_now = async || {
            let config = proxmox.guest_config(proxmox_node, *vmid).await?;
            Ok::<_, Failure>(config.and_then(|config| config.get("lock").map(str::to_owned)))
        };
        self.wait_for(&wanted, limit, || async {
            let Some(lock) = lock_now().await? else { return Ok(Look::There(())) };
            let tasks = proxmox.active_tasks(proxmox_node).await?;
            if let Some(task) = tasks.iter().find(|task| may_hold(task, *vmid, &lock)) {
                return Ok(Look::NotYet(format!("{task} runs")));
            }
            // It may have ended between the two looks, and taken its lock with it.
            match lock_now().await? {
                None => Ok(Look::There(())),
                Some(lock) => Err(abandoned(&LockedGuest { lock, ..guest.clone() }, refusal)),
            }
        })
        .await
    }
}

/// Whether a task may be the one that a guest's lock is of.
pub(super) fn may_hold(task: &Upid, vmid: Vmid, lock: &str) -> bool {
    // A console that somebody looks at is a task, too: `vncproxy`, `spiceproxy`.
    let named = task.id() == vmid.to_string() && !task.kind().ends_with("proxy");
    // A backup of many names none of them, and a clone its source alone.
    let unnamed = match lock {
        "backup" => task.kind() == "vzdump" && task.id().is_empty(),
        "clone" => task.kind() == "qmclone",
        _ => false,
    };
    named || unnamed
}

fn abandoned(guest: &LockedGuest, refusal: &str) -> Failure {
    let LockedGuest { proxmox_node, .. } = guest;
    let text = format!("{refusal}, and no task on {proxmox_node} works on it");
    Failure::new(Kind::Proxmox, text).hint(hint(guest))
}

/// What a person may do about a lock that no task works under: to know that is up to them.
pub(super) fn hint(guest: &LockedGuest) -> String {
    let LockedGuest { proxmox_node, vmid, lock } = guest;
    if lock == "suspended" {
        return format!(
            "its memory lies on its disk: `qm start {vmid}` as root on {proxmox_node} takes it up again, and `qm unlock {vmid}` would give it up"
        );
    }
    format!(
        "a task that died leaves its lock. Where nothing works on VM {vmid} any more, not on another node either, take the lock away as root on {proxmox_node}: `qm unlock {vmid}`; in the middle of a {lock} that can damage the guest"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(task: &str, lock: &str) -> bool {
        let upid = format!("UPID:pve1:00000001:00000001:00000001:{task}:root@pam:");
        may_hold(&upid.parse().unwrap(), Vmid(101), lock)
    }

    #[test]
    fn a_task_of_the_guest_may_hold_its_lock_and_one_of_another_guest_may_not() {
        for (task, lock) in [("vzdump:101", "backup"), ("qmigrate:101", "migrate")] {
            assert!(holds(task, lock), "{task}");
        }
        for (task, lock) in [("vzdump:1010", "backup"), ("qmigrate:102", "migrate")] {
            assert!(!holds(task, lock), "{task}");
        }
    }

    #[test]
    fn tasks_that_do_not_name_their_guests_may_be_about_any() {
        assert!(holds("vzdump:", "backup"));
        assert!(holds("qmclone:9000", "clone"));
        assert!(!holds("vzdump:", "migrate"));
        assert!(!holds("imgcopy:", "backup"));
    }

    #[test]
    fn a_console_that_is_open_holds_nothing() {
        assert!(!holds("vncproxy:101", "backup"));
        assert!(!holds("spiceproxy:101", "snapshot"));
    }
}
