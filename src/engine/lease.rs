//! One run at a time on one cluster, whoever starts it: the lease in a guest's description.
//!
//! It is taken before the first step that changes anything, on the template or, where that is gone, on
//! the first guest of ours; renewed while the run lives; given back at its end. Until any of them exists,
//! creating the template is the taking: Proxmox lets exactly one creation of a VMID win, and the lease is
//! in the creation's own description. Nothing is proved by it: what a step may touch is proved by markers
//! and digests alone. It keeps two operators from working against each other.
//!
//! A clone holds its source's lock, so that for as long the lease can neither be renewed nor taken.

mod claiming;
mod keeping;
mod place;
mod standing;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    claiming::claim_patiently,
    keeping::keep,
    place::{Place, Sight, look},
    standing::{Death, Standing, standing},
};
use super::Run;
use crate::{
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::{Holder, Record},
    model::{Lease, Vmid, lease::LEASE_SECONDS},
    plan::{Observed, diff::template_vmid, observed::TemplateSight},
    ports::{Clock, GuestConfig, Proxmox, ProxmoxError, World},
};

/// Between two looks at a place: at the lease that is held, or at one that cannot be taken yet.
const SOON: Duration = Duration::from_secs(5);
/// What giving back may take: a person may be waiting for the prompt.
const FAREWELL: Duration = Duration::from_secs(15);
/// Compare-and-swap turns; more than a few say that something writes there all the time.
const TURNS: usize = 8;
/// Between two of them at the end of a run.
const BETWEEN_TURNS: Duration = Duration::from_secs(1);

/// What a run holds.
#[derive(Debug)]
pub(super) struct Tenure {
    run: String,
    me: Holder,
    /// Where it may come to stand, in the order in which other runs look for it.
    candidates: Vec<Place>,
    /// Where it stands.
    places: Mutex<Vec<Place>>,
    /// Templates whose creation it was written into: a creation that failed may leave it behind.
    created: Mutex<Vec<Place>>,
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
        candidates: place::not_foreign(&run.desired, observed),
        places: Mutex::default(),
        created: Mutex::default(),
        lost: Mutex::default(),
    };
    let tenure = run.tenure.get_or_init(|| tenure);
    for place in place::ours(&run.desired, observed) {
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

/// The description with which a template is made, which is how the lease of a new cluster is taken.
pub async fn written_into<W: World>(
    run: &Run<W>,
    proxmox_node: &str,
    vmid: Vmid,
    description: &str,
) -> Result<String> {
    let Some(tenure) = run.tenure.get() else { return Ok(description.to_owned()) };
    locked(&tenure.created).push(Place { proxmox_node: proxmox_node.to_owned(), vmid });
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
    let mut places = locked(&tenure.places).clone();
    let created = locked(&tenure.created).clone();
    places.extend(created.into_iter().filter(|place| !locked(&tenure.places).contains(place)));
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
    let mut last = None;
    for _ in 0..TURNS {
        if last.is_some() {
            run.world.clock().sleep(BETWEEN_TURNS).await;
        }
        let config = match look(run, place).await? {
            Sight::Ours(config) => config,
            Sight::Gone => return Ok(()),
            Sight::Hidden(message) => {
                last = Some(format!("it may not be looked at: {message}"));
                continue;
            }
        };
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
                    || error.effect() == Effect::Unknown =>
            {
                last = Some(error.to_string());
            }
            Err(error) => return Err(Failure::from(error).at(place)),
        }
    }
    Err(Failure::new(Kind::Proxmox, last.unwrap_or_default()).at(place))
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
