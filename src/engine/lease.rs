//! One run at a time on one cluster, whoever starts it: the lease in a guest's description.
//!
//! It is taken before the first step that changes anything, on the template or, where that is gone, on
//! the first guest of ours; renewed while the run lives; given back at its end. Until any of them exists,
//! creating the template is the taking: Proxmox lets exactly one creation of a VMID win, and the lease is
//! in the creation's own description. Nothing is proved by it: what a step may touch is proved by markers
//! and digests alone. It keeps two operators from working against each other.
//!
//! A clone holds its source's lock, so that for as long the lease can neither be renewed nor taken. A run
//! that could not renew it for another reason stops by its own clock, before others take it over.

mod claiming;
mod keeping;
mod place;
mod returning;
mod rivals;
mod standing;
mod watch;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    claiming::claim_patiently,
    keeping::keep,
    place::Place,
    returning::release,
    watch::{WATCH, Watches},
};
pub(super) use self::{keeping::is_safe, rivals::nobody_else};
use super::Run;
use crate::{
    error::{Failure, Kind, Result},
    journal::{Holder, Record},
    model::{Lease, Vmid, lease::LEASE_SECONDS},
    plan::{Observed, diff::template_vmid, observed::TemplateSight},
    ports::{Clock, GuestConfig, Proxmox, ProxmoxError, World},
};

/// Between two looks at a place: at the lease that is held, or at one that cannot be taken yet.
const SOON: Duration = Duration::from_secs(5);
/// How long a lease lasts that was just written.
const LEASE: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs());
/// Compare-and-swap turns; more than a few say that something writes there all the time.
const TURNS: usize = 8;
/// What a run holds.
#[derive(Debug)]
pub(super) struct Tenure {
    run: String,
    me: Holder,
    /// Where it may come to stand, in the order in which other runs look for it.
    candidates: Vec<Place>,
    /// Where it stands.
    places: Mutex<Vec<Place>>,
    /// Where it was to be written: a call that was given up or failed may have done it.
    tried: Mutex<Vec<Place>>,
    /// Until when nobody else takes it, by this run's clock; `None` while it stands nowhere.
    safe_until: Mutex<Option<Duration>>,
    /// What kept the last renewal from being made.
    hindrance: Mutex<String>,
    /// The leases of others that ran out.
    watches: Watches,
    /// Whether a call that writes it was given up, and may be carried out later.
    given_up: Mutex<bool>,
    /// Why it is ours no more, once that is so.
    lost: Mutex<Option<Failure>>,
}

impl Tenure {
    fn lease(&self, since: i64, now: i64) -> Lease {
        Lease {
            run: self.run.clone(),
            holder: self.me.name.clone(),
            process: self.me.process.clone(),
            place: self.me.place.clone(),
            since,
            until: now + LEASE_SECONDS,
        }
    }

    fn add(&self, place: &Place) {
        add(&self.places, place);
    }

    fn was_given_up(&self) {
        *locked(&self.given_up) = true;
    }

    /// Nobody else takes it for so long after a moment of this run's clock.
    fn is_safe_for(&self, moment: Duration, length: Duration) {
        let mut safe_until = locked(&self.safe_until);
        *safe_until = (*safe_until).max(Some(moment + length));
    }
}

fn add(places: &Mutex<Vec<Place>>, place: &Place) {
    let mut places = locked(places);
    if !places.contains(place) {
        places.push(place.clone());
    }
}

/// Does `work` under the lease: `observed` says where it may stand now.
///
/// # Errors
/// [`Kind::Locked`] when another run holds it, or took it or may have while we could not renew it.
pub async fn holding<W: World, T>(
    run: &Arc<Run<W>>,
    observed: &Observed,
    name: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    not_being_made_by_others(run, observed)?;
    let tenure = run.tenure.get_or_init(|| Tenure {
        run: name.to_owned(),
        me: Holder::this_process(),
        candidates: place::not_foreign(&run.desired, observed),
        places: Mutex::default(),
        tried: Mutex::default(),
        safe_until: Mutex::default(),
        hindrance: Mutex::default(),
        watches: Watches::default(),
        given_up: Mutex::default(),
        lost: Mutex::default(),
    });
    let outcome = async {
        take(run, observed, tenure).await?;
        tokio::select! {
            outcome = work => outcome,
            never = keep(run, tenure) => never,
        }
    };
    let outcome = outcome.await;
    release(run, tenure).await;
    match locked(&tenure.lost).take() {
        Some(lost) => Err(lost),
        None => outcome,
    }
}

/// Whether the lease stands somewhere already, or is only taken by the template's creation.
pub fn is_written<W: World>(run: &Run<W>) -> bool {
    run.tenure.get().is_some_and(|tenure| !locked(&tenure.places).is_empty())
}

async fn take<W: World>(run: &Run<W>, observed: &Observed, tenure: &Tenure) -> Result<()> {
    for place in place::ours(&run.desired, observed) {
        if claim_patiently(run, tenure, &place).await? {
            break;
        }
    }
    Ok(())
}

/// After another look: takes the lease where it stood nowhere and something of ours has come to be, made by
/// whoever was at work meanwhile; whether it did, and the world is to be looked at again.
///
/// # Errors
/// As [`holding`].
pub async fn take_since<W: World>(run: &Run<W>, observed: &Observed) -> Result<bool> {
    let Some(tenure) = run.tenure.get().filter(|_| !is_written(run)) else { return Ok(false) };
    not_being_made_by_others(run, observed)?;
    take(run, observed, tenure).await?;
    Ok(is_written(run))
}

/// A template that somebody makes is somebody's lease: it can be read only once the template is whole.
fn not_being_made_by_others<W: World>(run: &Run<W>, observed: &Observed) -> Result<()> {
    let memory = run.memory();
    for (node, sight) in &observed.templates {
        let TemplateSight::HalfMade { task: Some(task), .. } = sight else { continue };
        if memory.templates.contains_key(node) {
            continue;
        }
        return Err(Failure::new(
            Kind::Locked,
            format!("template {} is being made by a run that this state folder does not know: task {task}", template_vmid(&run.desired, node)),
        )
        .at(node)
        .hint("another operator may be at work; if not, wait for the task to end and run it again"));
    }
    Ok(())
}

/// After this run deleted a guest: whatever is there from now on is somebody else's.
pub fn went_with<W: World>(run: &Run<W>, proxmox_node: &str, vmid: Vmid) {
    let Some(tenure) = run.tenure.get() else { return };
    let place = Place { proxmox_node: proxmox_node.to_owned(), vmid };
    locked(&tenure.places).retain(|held| *held != place);
}

/// The description with which a template is made, which is how the lease of a new cluster is taken.
pub async fn written_into<W: World>(
    run: &Run<W>,
    proxmox_node: &str,
    vmid: Vmid,
    description: &str,
) -> Result<String> {
    let Some(tenure) = run.tenure.get() else { return Ok(description.to_owned()) };
    add(&tenure.tried, &Place { proxmox_node: proxmox_node.to_owned(), vmid });
    let now = run.world.proxmox().time().await?;
    run.record(&Record::LeaseIntended { run: tenure.run.clone() })?;
    Ok(tenure.lease(now, now).written_into(description))
}

/// After a template came to be: whether it was this run that made it.
///
/// # Errors
/// [`Kind::Locked`] when another run won.
pub async fn confirm<W: World>(run: &Run<W>, proxmox_node: &str, vmid: Vmid) -> Result<()> {
    let Some(tenure) = run.tenure.get() else { return Ok(()) };
    let place = Place { proxmox_node: proxmox_node.to_owned(), vmid };
    if !locked(&tenure.places).contains(&place) {
        claim_patiently(run, tenure, &place).await?;
    }
    Ok(())
}

/// Writes the lease over what was read, and notes for how long that makes it safe.
async fn write<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
    config: &GuestConfig,
    lease: &Lease,
) -> Result<(), ProxmoxError> {
    let notes = config.get("description").unwrap_or_default();
    let set = [("description".to_owned(), lease.written_into(notes))];
    let digest = Some(config.digest.as_str());
    let begun = run.world.clock().now();
    add(&tenure.tried, place);
    let proxmox = run.world.proxmox();
    let outcome = proxmox.configure(&place.proxmox_node, place.vmid, &set, &[], digest).await;
    match &outcome {
        Ok(()) => tenure.is_safe_for(begun, LEASE),
        // Nobody else could write until now either, and whoever waits begins to watch anew.
        Err(ProxmoxError::Locked { .. }) => tenure.is_safe_for(run.world.clock().now(), WATCH),
        Err(_) => {}
    }
    outcome
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
