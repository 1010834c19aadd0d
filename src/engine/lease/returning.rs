//! Giving the lease back at the end of a run.

use std::time::Duration;

use super::{
    TURNS, Tenure, locked,
    place::{Place, Sight, look},
    standing::{Death, Standing, standing},
};
use crate::{
    engine::Run,
    error::{Effect, Failure, Kind, Result},
    event::Event,
    journal::Record,
    model::{Lease, lease::LEASE_SECONDS},
    ports::{Clock, Proxmox, ProxmoxError, World},
};

/// What giving back may take: a person may be waiting for the prompt.
const FAREWELL: Duration = Duration::from_secs(15);
/// Between two turns.
const BETWEEN_TURNS: Duration = Duration::from_secs(1);

/// Gives back what is held. What cannot be given back in time runs out by itself, and this state folder
/// knows that it was its own.
pub(super) async fn release<W: World>(run: &Run<W>, tenure: &Tenure) {
    let mut places = locked(&tenure.places).clone();
    let tried = locked(&tenure.tried).clone();
    places.extend(tried.into_iter().filter(|place| !locked(&tenure.places).contains(place)));
    if places.is_empty() {
        return;
    }
    let all = async {
        let mut outcome = Ok(());
        for place in &places {
            outcome = outcome.and(give_back(run, tenure, place).await);
        }
        outcome?;
        if *locked(&tenure.given_up) {
            // What may still be written is known to be a dead run's then.
            return Ok(());
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
