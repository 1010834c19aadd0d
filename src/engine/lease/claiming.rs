//! Taking the lease at a place, by compare-and-swap.

use std::time::Duration;

use super::{
    SOON, TURNS, Tenure,
    place::{Place, Sight, look},
    rivals::look_for_rivals,
    standing::{Death, Standing, held, standing, take_over},
    write,
};
use crate::{
    engine::Run,
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::Record,
    model::Lease,
    ports::{Clock, Proxmox, ProxmoxError, World},
};

/// How long a place is waited for that cannot be written or looked at, and is not held by our own clone:
/// more than a lease is watched that ran out.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a try to take the lease.
pub(super) enum Claim {
    Taken,
    /// No guest of ours is there.
    Gone,
    /// The place can neither be taken nor passed over: why.
    NotNow(String),
    /// By another run, there, at that time by Proxmox's clock.
    Held {
        lease: Lease,
        place: Place,
        now: i64,
    },
}

/// Takes the lease at a place; `false` when no guest of ours is there any more.
///
/// # Errors
/// [`Kind::Locked`] when another run holds it, here or at another place, or when nobody can say for
/// [`PATIENCE`] whether one does; [`Kind::Interrupted`].
pub(super) async fn claim_patiently<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
) -> Result<bool> {
    tokio::select! {
        taken = claim_in_time(run, tenure, place) => taken,
        // What a call that is given up here may have written is given back at the end of the run.
        () = run.stop.cancelled() => {
            Err(Failure::new(Kind::Interrupted, "stopped on request; nothing was changed"))
        }
    }
}

async fn claim_in_time<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<bool> {
    let clock = run.world.clock();
    let begun = clock.now();
    let mut told = String::new();
    loop {
        let claim = match claim(run, tenure, place).await? {
            Claim::Taken => look_for_rivals(run, tenure).await?,
            other => other,
        };
        let reason = match claim {
            Claim::Taken => return Ok(true),
            Claim::Gone => return Ok(false),
            Claim::Held { lease, place, now } => return Err(held(&lease, &place, now)),
            Claim::NotNow(reason) => reason,
        };
        let left = PATIENCE.saturating_sub(clock.now().saturating_sub(begun));
        if left.is_zero() {
            return Err(Failure::new(
                Kind::Locked,
                format!("the lease cannot be taken there, and another run may hold it: {reason}"),
            )
            .at(place)
            .hint("another run may be cloning it, or the token may not look at it; see the task list of the Proxmox node and `homelab plan`"));
        }
        if told != reason {
            run.events.send(Event::Warning {
                step: None,
                text: format!(
                    "waiting for the lease at {place}, {} s left: {reason}",
                    left.as_secs()
                ),
            });
            told = reason;
        }
        clock.sleep(SOON).await;
    }
}

/// One try, without a look at other places.
pub(super) async fn claim<W: World>(run: &Run<W>, tenure: &Tenure, place: &Place) -> Result<Claim> {
    let mut turns = 0;
    loop {
        let config = match look(run, place).await? {
            Sight::Ours(config) => config,
            Sight::Gone => return Ok(Claim::Gone),
            Sight::Hidden(message) => {
                return Ok(Claim::NotNow(format!("it may not be looked at: {message}")));
            }
        };
        let now = run.world.proxmox().time().await?;
        let (since, predecessor) = match standing(run, tenure, &config, now) {
            Standing::Ours(since) => (since, None),
            Standing::Free => (now, None),
            Standing::Dead(lease, why) => {
                if why.is_in_doubt()
                    && let Some(reason) = tenure.watches.hinder(run, place, &lease).await?
                {
                    return Ok(Claim::NotNow(reason));
                }
                (now, Some((lease, why)))
            }
            Standing::Held(lease) => {
                return Ok(Claim::Held { lease, place: place.clone(), now });
            }
        };
        run.record(&Record::LeaseIntended { run: tenure.run.clone() })?;
        match write(run, tenure, place, &config, &tenure.lease(since, now)).await {
            Ok(()) => {
                if let Some((lease, why)) = predecessor {
                    take_over(run, &lease, why);
                }
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            // A clone of our own dead run holds the lock: the renewal writes when it is done. Nobody else can
            // go on so, since this state folder's lock is ours; what any run of this computer sees would
            // let two.
            Err(ProxmoxError::Locked { .. }) if matches!(predecessor, Some((_, Death::OurOwn))) => {
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            Err(ProxmoxError::Locked { message, .. }) => {
                tenure.watches.begin_again(place);
                return Ok(Claim::NotNow(format!("a task holds its lock: {message}")));
            }
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
