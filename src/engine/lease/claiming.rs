//! Taking the lease at a place, by compare-and-swap.

use std::time::Duration;

use super::{
    SOON, TURNS, Tenure,
    place::{Place, Sight, look},
    rivals::look_for_rivals,
    standing::{Standing, held, standing, take_over},
    watch::at_work,
    write,
};
use crate::{
    engine::{Run, guest_lock},
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::Record,
    model::Lease,
    ports::{Clock, GuestConfig, LockedGuest, Proxmox, ProxmoxError, World, says_locked},
};

/// How long a place is waited for that cannot be written or looked at, since the last change in why: more
/// than a lease is watched that ran out.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same while a task is seen at work there: it ends.
const PATIENCE_WITH_TASKS: Duration = Duration::from_secs(3600);
/// A call that is under way when the run is stopped may end: what it has written is given back then.
const LAST_CALL: Duration = Duration::from_secs(15);

/// Why a place can neither be taken nor passed over.
#[derive(Clone, Debug)]
pub(super) struct Hindrance {
    pub(super) why: String,
    /// The guest whose lock it is: there, or at the place of a rival.
    locked: Option<LockedGuest>,
}

impl Hindrance {
    /// Proxmox refuses to change the guest at a place, in its own words.
    fn locked(place: &Place, message: &str) -> Self {
        let Place { proxmox_node, vmid } = place.clone();
        let lock = says_locked(message).map(str::to_owned);
        let locked = lock.map(|lock| LockedGuest { proxmox_node, vmid, lock });
        Self { why: format!("its lock is held: {message}"), locked }
    }

    /// The same, told of a place that is not the one which was asked for.
    pub(super) fn at(self, place: &Place) -> Self {
        Self { why: format!("{place}: {}", self.why), ..self }
    }
}

impl<T: Into<String>> From<T> for Hindrance {
    fn from(why: T) -> Self {
        Self { why: why.into(), locked: None }
    }
}

/// What became of a try to take the lease.
pub(super) enum Claim {
    Taken,
    /// No guest of ours is there.
    Gone,
    NotNow(Hindrance),
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
    let clock = run.world.clock();
    let begun = clock.now();
    let (mut changed, mut told) = (begun, String::new());
    loop {
        let Hindrance { why: reason, locked } =
            match unless_stopped(run, tenure, claim_alone(run, tenure, place)).await? {
                Claim::Taken => return Ok(true),
                Claim::Gone => return Ok(false),
                Claim::Held { lease, place, now } => return Err(held(&lease, &place, now)),
                Claim::NotNow(hindrance) => hindrance,
            };
        let now = clock.now();
        let known = told == reason;
        if !known && !told.is_empty() {
            changed = now;
        }
        let task = at_work(run, place, locked.as_ref()).await.unwrap_or_default();
        let patience = if task.is_some() { PATIENCE_WITH_TASKS } else { PATIENCE };
        let whole = PATIENCE_WITH_TASKS.saturating_sub(now.saturating_sub(begun));
        let left = patience.saturating_sub(now.saturating_sub(changed)).min(whole);
        if left.is_zero() {
            let failure = Failure::new(
                Kind::Locked,
                format!("the lease cannot be taken there, and another run may hold it: {reason}"),
            )
            .at(place)
            .hint("wait if another run is at work; else the task list of the Proxmox node and `homelab plan` tell more");
            return Err(match locked.filter(|_| task.is_none()) {
                Some(guest) => failure.hint(guest_lock::hint(&guest)),
                None => failure,
            });
        }
        if !known {
            run.events.send(Event::Warning {
                step: None,
                text: format!(
                    "waiting for the lease at {place}, {} s left: {reason}",
                    left.as_secs()
                ),
            });
            told = reason;
        }
        tokio::select! {
            () = clock.sleep(SOON) => {}
            () = run.stop.cancelled() => return Err(stopped()),
        }
    }
}

/// Nobody else's lease anywhere, then ours here, then nobody else's still: of two that do this at once, at
/// least one sees the other.
pub(super) async fn claim_alone<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
) -> Result<Claim> {
    let before = look_for_rivals(run, tenure, Some(place)).await?;
    if matches!(before, Claim::Held { .. }) {
        return Ok(before);
    }
    match (claim(run, tenure, place, &before).await?, before) {
        (Claim::Taken, _) => look_for_rivals(run, tenure, Some(place)).await,
        (_, Claim::NotNow(reason)) => Ok(Claim::NotNow(reason)),
        (claim, _) => Ok(claim),
    }
}

/// A call that is under way may end; one that does not is given up, and may write later.
async fn unless_stopped<W: World, T>(
    run: &Run<W>,
    tenure: &Tenure,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut call = std::pin::pin!(call);
    tokio::select! {
        outcome = &mut call => return outcome,
        () = run.stop.cancelled() => {}
    }
    tokio::select! {
        _ = &mut call => {}
        () = run.world.clock().sleep(LAST_CALL) => tenure.was_given_up(),
    }
    Err(stopped())
}

fn stopped() -> Failure {
    Failure::new(Kind::Interrupted, "stopped on request; nothing was changed")
}

/// One try at one place. While a rival may live `others` is [`Claim::NotNow`], and nothing is written.
async fn claim<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
    others: &Claim,
) -> Result<Claim> {
    for _ in 0..TURNS {
        let config = match look(run, place).await? {
            Sight::Ours(config) => config,
            Sight::Gone => return Ok(Claim::Gone),
            Sight::Hidden(message) => {
                return Ok(Claim::NotNow(format!("it may not be looked at: {message}").into()));
            }
        };
        let now = run.world.proxmox().time().await?;
        let (since, predecessor) = match standing(run, tenure, &config, now) {
            Standing::Ours(since) => (since, None),
            Standing::Free => (now, None),
            Standing::Dead(lease, death) => {
                let watches = &tenure.watches;
                if let Some(why) = watches.hinder(run, place, &config, &lease, death).await? {
                    return Ok(Claim::NotNow(probed(run, tenure, place, &config, why).await));
                }
                (now, Some((lease, death)))
            }
            Standing::Held(lease) => {
                return Ok(Claim::Held { lease, place: place.clone(), now });
            }
        };
        if let Claim::NotNow(reason) = others {
            return Ok(Claim::NotNow(reason.clone()));
        }
        run.record(&Record::LeaseIntended { run: tenure.run.clone() })?;
        match write(run, tenure, place, &config, &tenure.lease(since, now)).await {
            Ok(()) => {
                if let Some((lease, death)) = predecessor {
                    take_over(run, &lease, death);
                }
                tenure.add(place);
                return Ok(Claim::Taken);
            }
            Err(ProxmoxError::Locked { message, .. }) => {
                tenure.watches.begin_again(run, place);
                return Ok(Claim::NotNow(Hindrance::locked(place, &message)));
            }
            // Somebody wrote in between: look again.
            Err(ProxmoxError::Changed { .. }) => {}
            // The reply was lost: whether it is ours now is seen at the next look.
            Err(error) if error.effect() == Effect::Unknown => {
                return Ok(Claim::NotNow(format!("Proxmox did not answer: {error}").into()));
            }
            Err(error) => return Err(not_written(error, place)),
        }
    }
    Ok(Claim::NotNow("its configuration is changed by others all the time".into()))
}

/// Whether a lock keeps the holder of a watched lease from writing is known by trying: the same text is
/// written over itself, under the digest of what was read.
pub(super) async fn probed<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    place: &Place,
    config: &GuestConfig,
    why: String,
) -> Hindrance {
    let notes = config.get("description").unwrap_or_default().to_owned();
    let set = [("description".to_owned(), notes)];
    let (proxmox, digest) = (run.world.proxmox(), Some(config.digest.as_str()));
    match proxmox.configure(&place.proxmox_node, place.vmid, &set, &[], digest).await {
        Err(ProxmoxError::Locked { message, .. }) => {
            tenure.watches.begin_again(run, place);
            Hindrance::locked(place, &message)
        }
        _ => why.into(),
    }
}

fn not_written(error: ProxmoxError, place: &Place) -> Failure {
    let notes = matches!(&error, ProxmoxError::Invalid { errors, .. } if errors.contains_key("description"));
    let failure = Failure::from(error).at(place);
    if notes {
        return failure.hint("the lease is written into its notes: shorten them by 300 characters");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Vmid;

    #[test]
    fn a_lock_at_the_place_of_a_rival_is_told_of_that_guest() {
        let place = Place { proxmox_node: "pve2".into(), vmid: Vmid(103) };
        let hindrance = Hindrance::locked(&place, "VM is locked (backup)").at(&place);
        assert_eq!(hindrance.why, format!("{place}: its lock is held: VM is locked (backup)"));
        let guest = hindrance.locked.unwrap();
        assert!(guest_lock::hint(&guest).contains("as root on pve2: `qm unlock 103`"));
        // A lock that was not had in time is no guest's own.
        let busy = "can't lock file '/var/lock/qemu-server/lock-103.conf' - got timeout";
        assert_eq!(Hindrance::locked(&place, busy).locked, None);
    }
}
