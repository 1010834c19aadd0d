//! The lease is renewed while the run lives, and moves on where the guest that carried it goes away.

use std::{sync::Arc, time::Duration};

use super::{Claim, Place, SOON, Tenure, claim, locked, read, standing, write};
use crate::{
    engine::{
        Run,
        lease::standing::{Death, Standing},
    },
    error::{Effect, Failure, Kind, Result},
    ports::{Clock, Proxmox, World},
};

/// Between two renewals.
const PERIOD: Duration = Duration::from_secs(30);
/// Turns in a row in which no place can be read, before another place is looked for: one that is there and
/// could not be read (a 403) is not told from one that is gone yet.
const MISSES: usize = 2;

/// Renews for as long as it is polled. A lease that somebody else took stops the run.
pub(super) async fn keep<W: World, T>(run: &Arc<Run<W>>) -> T {
    let tenure = run.tenure.get().expect("only a run that took the lease keeps it");
    let mut pause = PERIOD;
    let mut missed = 0;
    loop {
        run.world.clock().sleep(pause).await;
        pause = PERIOD;
        let places = locked(&tenure.places).clone();
        let mut gone = !places.is_empty();
        for place in places {
            match renew(run, tenure, &place).await {
                Ok(Renewal::Written) => gone = false,
                Ok(Renewal::Unseen) => {}
                Err(failure) => {
                    gone = false;
                    pause = pause.min(not_renewed(run, tenure, &place, failure));
                }
            }
        }
        missed = if gone { missed + 1 } else { 0 };
        if gone {
            pause = SOON;
        }
        if missed >= MISSES {
            pause = move_on(run, tenure).await;
        }
    }
}

/// How soon to try again.
fn not_renewed<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
    failure: Failure,
) -> Duration {
    if failure.kind == Kind::Locked {
        locked(&tenure.lost).get_or_insert(failure);
        run.stop.cancel();
        return PERIOD;
    }
    tracing::debug!(%place, %failure, "the lease was not renewed yet");
    SOON
}

/// What became of a renewal.
enum Renewal {
    Written,
    /// No guest of ours can be read there.
    Unseen,
}

async fn renew<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<Renewal> {
    // The place is not forgotten: a guest that only could not be read has our lease still.
    let Some(config) = read(run, place).await? else { return Ok(Renewal::Unseen) };
    let now = run.world.proxmox().time().await?;
    let since = match standing(run, tenure, &config, now) {
        Standing::Ours(since) => since,
        // Whoever edited the notes by hand meant nothing by it.
        Standing::Free => now,
        // What a lock kept us from taking over at the start.
        Standing::Dead(_, Death::OurOwn | Death::Ended) => now,
        Standing::Dead(lease, Death::Expired) | Standing::Held(lease) => {
            return Err(Failure::new(
                Kind::Locked,
                format!(
                    "the lease was taken over by {} while this run could not renew it",
                    lease.holder
                ),
            )
            .at(place)
            .effect(Effect::Partial)
            .hint("`homelab up` goes on from here when that run has ended"));
        }
    };
    write(run, place, &config, &tenure.lease(since, now)).await.map_err(|error| {
        // A busy lock says nothing about who holds the lease.
        Failure::new(Kind::Proxmox, error.to_string()).at(place)
    })?;
    Ok(Renewal::Written)
}

/// Takes the lease where the next operator will look for it: on the first guest of ours that is there.
async fn move_on<W: World>(run: &Arc<Run<W>>, tenure: &Tenure) -> Duration {
    for wanted in run.desired.nodes.values() {
        let place = Place { proxmox_node: wanted.proxmox_node.clone(), vmid: wanted.vmid };
        match claim(run, tenure, &place).await {
            Ok(Claim::Taken) => {
                tracing::info!(%place, "the lease stands here now");
                return PERIOD;
            }
            Ok(Claim::Unseen) => {}
            // Whoever looks next looks here first, so that waiting is right.
            Ok(Claim::Busy(_)) => return SOON,
            Err(failure) => return not_renewed(run, tenure, &place, failure),
        }
    }
    // Nothing of ours is left (the end of a `destroy`), or nothing is there yet.
    PERIOD
}
