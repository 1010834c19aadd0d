//! One run at a time on one cluster, whoever starts it: the lease in a guest's description.
//!
//! It is taken before the first step that changes anything, on the template or, where that is gone, on
//! the first guest of ours; renewed while the run lives; given back at its end. Until any of them exists,
//! creating the template is the taking: Proxmox lets exactly one creation of a VMID win, and the lease is
//! in the creation's own description. Nothing is proved by it: what a step may touch is proved by markers
//! and digests alone. It keeps two operators from working against each other.
//!
//! A clone holds its source's lock, so that for as long the lease can neither be renewed nor taken.

mod keeping;
mod standing;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    keeping::keep,
    standing::{Death, Standing, held, standing, take_over},
};
use super::Run;
use crate::{
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::{Holder, Record},
    model::{Lease, Marker, Vmid, lease::LEASE_SECONDS},
    plan::{
        Observed,
        diff::template_vmid,
        observed::{MachineSight, TemplateSight},
    },
    ports::{Clock, GuestConfig, Proxmox, ProxmoxError, World},
};

/// Before a lock that a task holds is tried again.
const SOON: Duration = Duration::from_secs(5);
/// How long a lock is waited out that none of our own clones holds.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// What giving back may take: a person may be waiting for the prompt.
const FAREWELL: Duration = Duration::from_secs(15);
/// Compare-and-swap turns; more than a few say that something writes there all the time.
const TURNS: usize = 8;

/// A guest whose description holds the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub proxmox_node: String,
    pub vmid: Vmid,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VMID {} on {}", self.vmid, self.proxmox_node)
    }
}

/// What a run holds.
#[derive(Debug)]
pub(super) struct Tenure {
    run: String,
    me: Holder,
    places: Mutex<Vec<Place>>,
    /// Who took it from us, once somebody has.
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
        let mut places = locked(&self.places);
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
}

/// Does `work` under the lease: `observed` says where it may stand now.
///
/// # Errors
/// [`Kind::Locked`] when another run holds it, or took it while we could not renew it.
pub async fn holding<W: World, T>(
    run: &Arc<Run<W>>,
    observed: &Observed,
    name: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    take(run, observed, name).await?;
    let outcome = tokio::select! {
        outcome = work => outcome,
        never = keep(run) => never,
    };
    release(run).await;
    let tenure = run.tenure.get().expect("it was just taken");
    match locked(&tenure.lost).take() {
        Some(lost) => Err(lost),
        None => outcome,
    }
}

/// Whether the lease stands somewhere already, or is only taken by the template's creation.
pub fn is_written<W: World>(run: &Run<W>) -> bool {
    run.tenure.get().is_some_and(|tenure| !locked(&tenure.places).is_empty())
}

async fn take<W: World>(run: &Arc<Run<W>>, observed: &Observed, name: &str) -> Result<()> {
    not_being_made_by_others(run, observed)?;
    let tenure = Tenure {
        run: name.to_owned(),
        me: Holder::this_process(),
        places: Mutex::default(),
        lost: Mutex::default(),
    };
    let tenure = run.tenure.get_or_init(|| tenure);
    for place in places(run, observed) {
        if claim_patiently(run, tenure, &place).await? {
            break;
        }
    }
    Ok(())
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
        .hint("another operator may be at work; if not, wait for the task to end and run `homelab up` again"));
    }
    Ok(())
}

/// Where the lease may stand: whoever looks at the same world looks at the same guest first.
fn places<W: World>(run: &Run<W>, observed: &Observed) -> Vec<Place> {
    let templates = observed.templates.iter().filter_map(|(node, sight)| match sight {
        TemplateSight::Ready { .. } | TemplateSight::HalfMade { .. } => {
            Some(Place { proxmox_node: node.clone(), vmid: template_vmid(&run.desired, node) })
        }
        _ => None,
    });
    let machines = run.desired.nodes.keys().filter_map(|node| match observed.machines.get(node) {
        Some(MachineSight::Ours(machine)) => {
            Some(Place { proxmox_node: machine.proxmox_node.clone(), vmid: machine.vmid })
        }
        _ => None,
    });
    templates.chain(machines).collect()
}

/// What became of a try to take the lease.
enum Claim {
    Taken,
    /// No guest of ours can be read there.
    Unseen,
    /// A task holds its lock: Proxmox's words.
    Busy(String),
}

/// Takes the lease at a place, for which a lock is waited out; `false` when no guest of ours is there any more.
async fn claim_patiently<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<bool> {
    let clock = run.world.clock();
    let begun = clock.now();
    loop {
        let message = match claim(run, tenure, place).await? {
            Claim::Taken => return Ok(true),
            Claim::Unseen => return Ok(false),
            Claim::Busy(message) => message,
        };
        if clock.now().saturating_sub(begun) >= LOCK_PATIENCE {
            return Err(Failure::new(
                Kind::Locked,
                format!("its lock is held by a task, so the lease cannot be taken: {message}"),
            )
            .at(place)
            .hint("another run may be cloning it; see the task list of the Proxmox node"));
        }
        tokio::select! {
            () = clock.sleep(SOON) => {}
            () = run.stop.cancelled() => {
                return Err(Failure::new(Kind::Interrupted, "stopped on request; nothing was changed"));
            }
        }
    }
}

/// Takes the lease at a place by compare-and-swap.
async fn claim<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<Claim> {
    let mut turns = 0;
    loop {
        let Some(config) = read(run, place).await? else { return Ok(Claim::Unseen) };
        let now = run.world.proxmox().time().await?;
        let (since, predecessor) = match standing(run, tenure, &config, now) {
            Standing::Ours(since) => (since, None),
            Standing::Free => (now, None),
            Standing::Dead(lease, why) => (now, Some((lease, why))),
            Standing::Held(lease) => return Err(held(&lease, place, now)),
        };
        run.record(&Record::LeaseIntended { run: tenure.run.clone() })?;
        match write(run, place, &config, &tenure.lease(since, now)).await {
            Ok(()) => {
                if let Some((lease, why)) = predecessor {
                    take_over(run, &lease, why);
                }
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            // A clone of our own dead run holds the lock: the renewal writes when it is done.
            Err(ProxmoxError::Locked { .. })
                if predecessor.as_ref().is_some_and(|(_, why)| why.is_certain()) =>
            {
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            Err(ProxmoxError::Locked { message, .. }) => return Ok(Claim::Busy(message)),
            // Somebody wrote in between, or the reply was lost: look again.
            Err(error)
                if matches!(error, ProxmoxError::Changed { .. })
                    || error.effect() == Effect::Unknown =>
            {
                turns += 1;
                if turns == TURNS {
                    return Err(Failure::from(error).at(place));
                }
            }
            Err(error) => return Err(Failure::from(error).at(place)),
        }
    }
}

/// The description with which a template is made, which is how the lease of a new cluster is taken.
pub async fn written_into<W: World>(run: &Run<W>, description: &str) -> Result<String> {
    let Some(tenure) = run.tenure.get() else { return Ok(description.to_owned()) };
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

/// Gives back what is held. What cannot be given back in time runs out by itself, and this state folder
/// knows that it was its own.
async fn release<W: World>(run: &Run<W>) {
    let tenure = run.tenure.get().expect("only a run that took the lease gives it back");
    let places = locked(&tenure.places).clone();
    let all = async {
        for place in &places {
            give_back(run, tenure, place).await?;
        }
        run.record(&Record::LeaseReleased { run: tenure.run.clone() })
    };
    let outcome = tokio::select! {
        outcome = all => outcome,
        () = run.world.clock().sleep(FAREWELL) => {
            Err(Failure::new(Kind::Deadline, format!("no answer within {} s", FAREWELL.as_secs())))
        }
    };
    if let Err(failure) = outcome {
        run.events.send(Event::Warning {
            step: None,
            text: format!(
                "the lease was not given back ({failure}): other operators wait {} minutes for it to run out; this state folder does not",
                LEASE_SECONDS / 60
            ),
        });
    }
}

async fn give_back<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<()> {
    for _ in 0..TURNS {
        let Some(config) = read(run, place).await? else { return Ok(()) };
        let now = run.world.proxmox().time().await?;
        match standing(run, tenure, &config, now) {
            Standing::Ours(_) | Standing::Dead(_, Death::OurOwn) => {}
            _ => return Ok(()),
        }
        let notes = config.get("description").unwrap_or_default();
        let set = [("description".to_owned(), Lease::removed_from(notes))];
        let proxmox = run.world.proxmox();
        let written =
            proxmox.configure(&place.proxmox_node, place.vmid, &set, &[], Some(&config.digest));
        match written.await {
            Ok(()) => return Ok(()),
            Err(error)
                if matches!(error, ProxmoxError::Changed { .. })
                    || error.effect() == Effect::Unknown => {}
            Err(error) => return Err(Failure::from(error).at(place)),
        }
    }
    Err(Failure::new(Kind::Proxmox, "its configuration keeps changing").at(place))
}

/// The configuration of a guest of ours; `None` when there is none.
async fn read<W: World>(run: &Run<W>, place: &Place) -> Result<Option<GuestConfig>> {
    let config = match run.world.proxmox().guest_config(&place.proxmox_node, place.vmid).await {
        Ok(config) => config,
        // A guest that is being made or deleted is in no pool.
        Err(ProxmoxError::Forbidden(_)) => None,
        Err(error) => return Err(Failure::from(error).at(place)),
    };
    let ours = |config: &GuestConfig| {
        let marker = config.get("description").and_then(Marker::find);
        marker.is_some_and(|marker| marker.cluster == run.desired.id)
    };
    Ok(config.filter(ours))
}

async fn write<W: World>(
    run: &Run<W>,
    place: &Place,
    config: &GuestConfig,
    lease: &Lease,
) -> Result<(), ProxmoxError> {
    let notes = config.get("description").unwrap_or_default();
    let set = [("description".to_owned(), lease.written_into(notes))];
    let digest = Some(config.digest.as_str());
    run.world.proxmox().configure(&place.proxmox_node, place.vmid, &set, &[], digest).await
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
