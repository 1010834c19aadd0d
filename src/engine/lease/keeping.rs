//! The lease is renewed while the run lives, and moves on where the guest that carried it goes away.

use std::time::Duration;

use super::{
    SOON, Tenure,
    claiming::{Claim, claim_alone},
    locked,
    place::{Place, Sight, look},
    rivals::nobody_else,
    standing::{Death, Standing, overdue, standing, taken_over},
    write,
};
use crate::{
    engine::Run,
    error::{Effect, Failure, Kind, Result},
    ports::{Clock, Proxmox, World},
};

/// Between two renewals.
const PERIOD: Duration = Duration::from_secs(30);

/// Before others may take a lease that could not be renewed, a run stops: what its steps have under way
/// ends within this.
const MARGIN: Duration = Duration::from_secs(20);

/// Looks often, and renews in time, for as long as it is polled. A lease that somebody else took, or may
/// take, stops the run.
pub(super) async fn keep<W: World, T>(run: &Run<W>, tenure: &Tenure) -> T {
    tokio::select! {
        never = renew_in_time(run, tenure) => never,
        never = stop_in_time(run, tenure) => never,
    }
}

async fn renew_in_time<W: World, T>(run: &Run<W>, tenure: &Tenure) -> T {
    let clock = run.world.clock();
    let mut renewed = clock.now();
    // Until the template of a new cluster is made it stands nowhere, and that is as it should be.
    let mut stood = false;
    loop {
        clock.sleep(SOON).await;
        let due = clock.now().saturating_sub(renewed) >= PERIOD;
        let places = locked(&tenure.places).clone();
        let (mut written, mut put_back) = (false, false);
        for place in &places {
            match attend(run, tenure, place, due).await {
                Ok(Tended::Written) => written = true,
                Ok(Tended::Seen) => {}
                // Its guest is no more, and who looks now looks elsewhere.
                Ok(Tended::Gone) => locked(&tenure.places).retain(|held| held != place),
                Err(failure) => {
                    put_back = true;
                    put_off(run, tenure, place, failure);
                }
            }
        }
        stood |= !places.is_empty();
        if places.is_empty()
            && let Err(failure) = nobody_else(run).await
            && failure.kind == Kind::Locked
        {
            lose(run, tenure, failure.effect(Effect::Partial));
        }
        if stood && locked(&tenure.places).is_empty() {
            written |= move_on(run, tenure).await;
        }
        if written {
            locked(&tenure.hindrance).clear();
        }
        // While one of them waits, all are written again at the next turn.
        if written && !put_back {
            renewed = clock.now();
        }
    }
}

/// A call may hang where the network is cut: the end of what is safe does not wait for it.
async fn stop_in_time<W: World, T>(run: &Run<W>, tenure: &Tenure) -> T {
    loop {
        run.world.clock().sleep(SOON).await;
        look_at_the_clock(run, tenure);
    }
}

/// Ends a run whose lease others may soon take.
fn look_at_the_clock<W: World>(run: &Run<W>, tenure: &Tenure) {
    let safe_until = *locked(&tenure.safe_until);
    if safe_until.is_none_or(|end| run.world.clock().now() + MARGIN < end) {
        return;
    }
    let place = locked(&tenure.places).first().cloned();
    let why = locked(&tenure.hindrance).clone();
    let silent = "Proxmox did not answer, or this computer slept";
    let why = if why.is_empty() { silent.into() } else { why };
    lose(run, tenure, overdue(place.as_ref(), &why));
}

/// Before a change: a computer that slept wakes up in the middle of a step.
///
/// # Errors
/// [`Kind::Locked`] where the lease is lost.
pub(crate) fn is_safe<W: World>(run: &Run<W>) -> Result<()> {
    let Some(tenure) = run.tenure.get() else { return Ok(()) };
    look_at_the_clock(run, tenure);
    match &*locked(&tenure.lost) {
        None => Ok(()),
        Some(lost) => Err(Failure::new(Kind::Locked, lost.message.clone())),
    }
}

fn lose<W: World>(run: &Run<W>, tenure: &Tenure, failure: Failure) {
    locked(&tenure.lost).get_or_insert(failure);
    run.stop.cancel();
}

/// A lease that was lost ends the run; anything else is tried again soon.
fn put_off<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place, failure: Failure) {
    if failure.kind == Kind::Locked {
        return lose(run, tenure, failure);
    }
    tracing::debug!(%place, %failure, "the lease was not renewed yet");
    *locked(&tenure.hindrance) = failure.message;
}

/// What was done at a place.
enum Tended {
    Written,
    /// It is ours, or cannot be looked at just now: the next turn tells.
    Seen,
    Gone,
}

async fn attend<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
    due: bool,
) -> Result<Tended> {
    let config = match look(run, place).await? {
        Sight::Ours(config) => config,
        Sight::Gone => return Ok(Tended::Gone),
        Sight::Hidden(message) => {
            *locked(&tenure.hindrance) = format!("it may not be looked at: {message}");
            return Ok(Tended::Seen);
        }
    };
    let now = run.world.proxmox().time().await?;
    let since = match standing(run, tenure, &config, now) {
        Standing::Ours(_) if !due => return Ok(Tended::Seen),
        Standing::Ours(since) => since,
        // Whoever edited the notes by hand meant nothing by it.
        Standing::Free => now,
        // What a lock kept us from taking over at the start.
        Standing::Dead(_, Death::OurOwn | Death::Ended) => now,
        Standing::Dead(lease, Death::Expired | Death::Implausible) | Standing::Held(lease) => {
            return Err(taken_over(&lease, place));
        }
    };
    write(run, tenure, place, &config, &tenure.lease(since, now)).await.map_err(|error| {
        // A busy lock says nothing about who holds the lease.
        Failure::new(Kind::Proxmox, error.to_string()).at(place)
    })?;
    Ok(Tended::Written)
}

/// Takes the lease where the next operator will look for it; whether it stands somewhere now.
async fn move_on<W: World>(run: &Run<W>, tenure: &Tenure) -> bool {
    for place in &tenure.candidates {
        match claim_alone(run, tenure, place).await {
            Ok(Claim::Taken) => {
                tracing::info!(%place, "the lease stands here now");
                return true;
            }
            Ok(Claim::Gone) => {}
            // Whoever looks next looks here first, so that waiting is right.
            Ok(Claim::NotNow(hindrance)) => {
                *locked(&tenure.hindrance) = hindrance.why;
                return false;
            }
            Ok(Claim::Held { lease, place, .. }) => {
                lose(run, tenure, taken_over(&lease, &place));
                return false;
            }
            Err(failure) => {
                put_off(run, tenure, place, failure);
                return false;
            }
        }
    }
    // Nothing of ours is left to be guarded (the end of a `destroy`).
    *locked(&tenure.safe_until) = None;
    false
}
