//! A lease that ran out is watched before it counts as a dead run's.
//!
//! A clone keeps its source locked, for longer than a lease lasts where the storage is slow: a living run
//! can then not renew what everybody sees run out, and writes as soon as the lock opens. So the clock alone
//! proves no death.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{place::Place, standing::moment};
use crate::{
    engine::Run,
    error::Result,
    model::Lease,
    ports::{Clock, Proxmox, World},
};

/// How long a lease must have stood unchanged while nothing kept its holder from writing: more than what
/// lies between two renewals, with what a call may take that meets a lock.
pub(super) const WATCH: Duration = Duration::from_secs(60);

/// The leases that are being watched, and since when by this run's clock.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<BTreeMap<Place, (Lease, Duration)>>);

impl Watches {
    /// Why a lease cannot be called a dead run's yet; `None` once it can.
    pub(super) async fn hinder<W: World>(
        &self,
        run: &Run<W>,
        place: &Place,
        lease: &Lease,
    ) -> Result<Option<String>> {
        let tasks = run.world.proxmox().active_tasks(&place.proxmox_node).await?;
        let vmid = place.vmid.to_string();
        let task = tasks.iter().find(|task| task.id() == vmid);
        let now = run.world.clock().now();
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = watched.get(place).filter(|(known, _)| known == lease && task.is_none());
        let since = known.map_or(now, |(_, since)| *since);
        watched.insert(place.clone(), (lease.clone(), since));
        if now.saturating_sub(since) >= WATCH {
            return Ok(None);
        }
        let (holder, pid, until) = (&lease.holder, lease.pid(), moment(lease.until));
        Ok(Some(match task {
            Some(task) => format!(
                "the lease of {holder}, process {pid}, until {until}, cannot be renewed while a task works there: {task}"
            ),
            None => format!(
                "the lease of {holder}, process {pid}, until {until}: it is taken over unless it is renewed within {} s",
                WATCH.as_secs()
            ),
        }))
    }

    /// A lock was met: its holder could not write either.
    pub(super) fn begin_again(&self, place: &Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }
}
