//! A lease that ran out is watched before it counts as a dead run's.
//!
//! A clone keeps its source locked, for longer than a lease lasts where the storage is slow: a living run
//! can then not renew what everybody sees run out, and writes as soon as the lock opens. So the clock alone
//! proves no death.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    place::Place,
    standing::{Death, moment},
};
use crate::{
    engine::{Run, guest_lock::may_hold},
    error::Result,
    model::Lease,
    ports::{Clock, GuestConfig, LockedGuest, Proxmox, World},
};

/// How long a lease must have stood unchanged while nothing kept its holder from writing: more than what
/// lies between two renewals, with what a call may take that meets a lock.
pub(super) const WATCH: Duration = Duration::from_secs(60);

/// The leases that are being watched, and since when by this run's clock.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<BTreeMap<Place, Watched>>);

#[derive(Debug)]
struct Watched {
    /// `None`: a lock was met there, whatever the lease says.
    lease: Option<Lease>,
    since: Duration,
}

impl Watches {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Place, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a lease cannot be called a dead run's yet; `None` once it can.
    ///
    /// A death that is certain needs no watch, unless a lock was met at the place: then the run that goes on
    /// from the dead one may wait for it, too.
    pub(super) async fn hinder<W: World>(
        &self,
        run: &Run<W>,
        place: &Place,
        config: &GuestConfig,
        lease: &Lease,
        death: Death,
    ) -> Result<Option<String>> {
        let met_a_lock = self.all().contains_key(place) && death != Death::OurOwn;
        if !death.is_in_doubt() && !met_a_lock {
            return Ok(None);
        }
        let lock = match config.get("lock") {
            Some(lock) => Some(format!("it carries lock `{lock}`")),
            None => at_work(run, place, None).await?,
        };
        let now = run.world.clock().now();
        let mut watched = self.all();
        let known = watched.get(place).filter(|known| {
            lock.is_none() && known.lease.as_ref().is_none_or(|known| known == lease)
        });
        let since = known.map_or(now, |known| known.since);
        watched.insert(place.clone(), Watched { lease: Some(lease.clone()), since });
        if now.saturating_sub(since) >= WATCH {
            return Ok(None);
        }
        let (holder, pid, until) = (&lease.holder, lease.pid(), moment(lease.until));
        Ok(Some(match lock {
            Some(lock) => format!(
                "the lease of {holder}, process {pid}, until {until}, cannot be renewed now: {lock}"
            ),
            None => format!(
                "the lease of {holder}, process {pid}, until {until}: it is taken over unless it is renewed within {} s",
                WATCH.as_secs()
            ),
        }))
    }

    /// A lock was met: nobody else could write there either.
    pub(super) fn begin_again<W: World>(&self, run: &Run<W>, place: &Place) {
        let watched = Watched { lease: None, since: run.world.clock().now() };
        self.all().insert(place.clone(), watched);
    }
}

/// The task that works on a guest now, by which it is locked: a clone's names its source. Where a guest is known to
/// carry a lock, here or elsewhere, it is that one's, which may name no guest.
pub(super) async fn at_work<W: World>(
    run: &Run<W>,
    place: &Place,
    locked: Option<&LockedGuest>,
) -> Result<Option<String>> {
    let (node, vmid, lock) = match locked {
        Some(LockedGuest { proxmox_node, vmid, lock }) => (proxmox_node, *vmid, &**lock),
        None => (&place.proxmox_node, place.vmid, ""),
    };
    let tasks = run.world.proxmox().active_tasks(node).await?;
    let task = tasks.iter().find(|task| may_hold(task, vmid, lock));
    Ok(task.map(|task| format!("a task works there: {task}")))
}
