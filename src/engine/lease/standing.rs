//! What a lease in a description says to a run: free, ours, somebody's, or a dead holder's.

use super::{Tenure, place::Place, watch::WATCH};
use crate::{
    engine::Run,
    error::{Effect, Failure, Kind},
    event::Event,
    model::Lease,
    ports::{GuestConfig, World},
};

/// What a description says about the lease.
pub(super) enum Standing {
    Free,
    /// Since then.
    Ours(i64),
    Dead(Lease, Death),
    Held(Lease),
}

impl Standing {
    const fn weight(&self) -> u8 {
        match self {
            Self::Free => 0,
            Self::Dead(_, death) if !death.is_in_doubt() => 1,
            Self::Ours(_) => 2,
            Self::Dead(..) => 3,
            Self::Held(_) => 4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// A run of this state folder, whose lock we hold now.
    OurOwn,
    /// A process of this computer that is no more.
    Ended,
    /// Not renewed in time.
    Expired,
    /// Its end lies too far ahead: Proxmox's clock was set back.
    Implausible,
}

impl Death {
    const fn name(self) -> &'static str {
        match self {
            Self::OurOwn => "a run of this state folder that died",
            Self::Ended => "its process is no more",
            Self::Expired => "it was not renewed in time",
            Self::Implausible => "it was not renewed since Proxmox's clock was set back",
        }
    }

    /// Whether only the clock says so, by which a living run is dead that could not write: see
    /// [`Watches`](super::watch::Watches).
    pub(super) const fn is_in_doubt(self) -> bool {
        matches!(self, Self::Expired | Self::Implausible)
    }
}

/// Of several leases the one that hinders most is told.
pub(super) fn standing<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    config: &GuestConfig,
    now: i64,
) -> Standing {
    let leases = Lease::all(config.get("description").unwrap_or_default());
    let judged = leases.into_iter().map(|lease| judge(run, tenure, lease, now));
    judged.max_by_key(Standing::weight).unwrap_or(Standing::Free)
}

fn judge<W: World>(run: &Run<W>, tenure: &Tenure, lease: Lease, now: i64) -> Standing {
    if lease.run == tenure.run && lease.process == tenure.me.process {
        return Standing::Ours(lease.since);
    }
    let death = if run.memory().leases.contains(&lease.run) {
        Death::OurOwn
    } else if tenure.me.sees_ended(&lease.process, &lease.place) {
        Death::Ended
    } else if lease.is_over(now) {
        Death::Expired
    } else if lease.is_implausible(now) {
        Death::Implausible
    } else {
        return Standing::Held(lease);
    };
    Standing::Dead(lease, death)
}

pub(super) fn take_over<W: World>(run: &Run<W>, lease: &Lease, why: Death) {
    let Lease { holder, since, .. } = lease;
    run.events.send(Event::Warning {
        step: None,
        text: format!(
            "taking over the lease of {holder}, process {}, since {}: {}",
            lease.pid(),
            moment(*since),
            why.name()
        ),
    });
}

pub(super) fn held(lease: &Lease, place: &Place, now: i64) -> Failure {
    Failure::new(
        Kind::Locked,
        format!(
            "the cluster is held by {}, process {}, since {} (run {})",
            lease.holder,
            lease.pid(),
            moment(lease.since),
            lease.run
        ),
    )
    .at(place)
    .hint(format!(
        "wait for it to end; if it died, it is taken over {} s from now",
        u64::try_from(lease.seconds_left(now)).unwrap_or(0) + WATCH.as_secs()
    ))
}

/// Another run has it while this one is in the middle of its work.
pub(super) fn taken_over(lease: &Lease, place: &Place) -> Failure {
    Failure::new(
        Kind::Locked,
        format!("the lease was taken over by {} while this run could not renew it", lease.holder),
    )
    .at(place)
    .effect(Effect::Partial)
    .hint("`homelab up` goes on from here when that run has ended")
}

/// What keeps a run from renewing its lease lasts too long: others see it run out.
pub(super) fn overdue(place: Option<&Place>, why: &str) -> Failure {
    let text =
        format!("the lease could not be renewed, and another run may take it over now: {why}");
    let failure = Failure::new(Kind::Locked, text)
        .effect(Effect::Partial)
        .hint("`homelab up` goes on from here when that is mended");
    match place {
        Some(place) => failure.at(place),
        None => failure,
    }
}

pub(super) fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |moment| moment.to_string())
}
