//! Taking the lease at a place, by compare-and-swap.

use std::time::Duration;

use super::{
    SOON, TURNS, Tenure,
    place::{Place, Sight, look},
    standing::{Death, Standing, held, standing, take_over},
    write,
};
use crate::{
    engine::Run,
    error::{Effect, Failure, Kind, Result},
    journal::Record,
    model::Lease,
    ports::{Clock, Proxmox, ProxmoxError, World},
};

/// How long a place is waited for that cannot be written or looked at, and is not held by our own clone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a try to take the lease.
pub(super) enum Claim {
    Taken,
    /// No guest of ours is there.
    Gone,
    /// The place can neither be taken nor passed over: why.
    NotNow(String),
    /// By another run, at that time by Proxmox's clock.
    Held(Lease, i64),
}

/// Takes the lease at a place; `false` when no guest of ours is there any more.
///
/// # Errors
/// [`Kind::Locked`] when another run holds it, or when nobody can say for [`PATIENCE`] whether one does.
pub(super) async fn claim_patiently<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
) -> Result<bool> {
    let clock = run.world.clock();
    let begun = clock.now();
    loop {
        let reason = match claim(run, tenure, place).await? {
            Claim::Taken => return Ok(true),
            Claim::Gone => return Ok(false),
            Claim::Held(lease, now) => return Err(held(&lease, place, now)),
            Claim::NotNow(reason) => reason,
        };
        if clock.now().saturating_sub(begun) >= PATIENCE {
            return Err(Failure::new(
                Kind::Locked,
                format!("the lease cannot be taken there, and another run may hold it: {reason}"),
            )
            .at(place)
            .hint("another run may be cloning it, or the token may not look at it; see the task list of the Proxmox node and `homelab plan`"));
        }
        tokio::select! {
            () = clock.sleep(SOON) => {}
            () = run.stop.cancelled() => {
                return Err(Failure::new(Kind::Interrupted, "stopped on request; nothing was changed"));
            }
        }
    }
}

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
            Standing::Dead(lease, why) => (now, Some((lease, why))),
            Standing::Held(lease) => return Ok(Claim::Held(lease, now)),
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
            // A clone of our own dead run holds the lock: the renewal writes when it is done. Nobody else can
            // go on so, since this state folder's lock is ours; what any run of this computer sees would
            // let two.
            Err(ProxmoxError::Locked { .. }) if matches!(predecessor, Some((_, Death::OurOwn))) => {
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            Err(ProxmoxError::Locked { message, .. }) => {
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
