//! What a lease in a description says to a run: free, ours, somebody's, or a dead holder's.

use super::{Tenure, place::Place};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// A run of this state folder, whose lock we hold now.
    OurOwn,
    /// A process of this computer that is no more.
    Ended,
    /// Not renewed in time.
    Expired,
}

impl Death {
    const fn name(self) -> &'static str {
        match self {
            Self::OurOwn => "a run of this state folder that died",
            Self::Ended => "its process is no more",
            Self::Expired => "it was not renewed in time",
        }
    }
}

pub(super) fn standing<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    config: &GuestConfig,
    now: i64,
) -> Standing {
    let Some(lease) = config.get("description").and_then(Lease::find) else {
        return Standing::Free;
    };
    if lease.run == tenure.run && lease.process == tenure.me.process {
        return Standing::Ours(lease.since);
    }
    let death = if run.memory().leases.contains(&lease.run) {
        Death::OurOwn
    } else if tenure.me.sees_ended(&lease.process, &lease.place) {
        Death::Ended
    } else if lease.is_over(now) {
        Death::Expired
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
        (lease.until - now).max(0)
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

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |moment| moment.to_string())
}
