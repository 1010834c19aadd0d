//! Lets things go wrong as a script says.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use super::script::{Fault, Harm};
use crate::{
    pve::state::lock,
    sim::gate::{Effect, Moment, Ruling, System, Verdict, Warden},
};

/// What became of one fault.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Effects that fit.
    pub met: usize,
    /// What it acted on.
    pub acted: Vec<String>,
}

/// Somebody is to kill the command, and to say when it is dead.
pub type Death = Arc<Notify>;

/// A script in its world.
pub struct Player {
    faults: Vec<Fault>,
    outcomes: Mutex<Vec<Outcome>>,
    deaths: mpsc::UnboundedSender<Death>,
}

impl Player {
    /// And where deaths are asked for.
    pub fn new(faults: Vec<Fault>) -> (Arc<Self>, mpsc::UnboundedReceiver<Death>) {
        let (deaths, asked) = mpsc::unbounded_channel();
        let outcomes = Mutex::new(vec![Outcome::default(); faults.len()]);
        (Arc::new(Self { faults, outcomes, deaths }), asked)
    }

    /// Each fault, and what became of it.
    pub fn outcomes(&self) -> Vec<(Fault, Outcome)> {
        self.faults.iter().cloned().zip(lock(&self.outcomes).clone()).collect()
    }

    /// The first fault that acts here.
    fn acts(&self, moment: Moment, effect: &Effect) -> Option<&Fault> {
        let mut outcomes = lock(&self.outcomes);
        let mut acting = None;
        for (fault, outcome) in self.faults.iter().zip(outcomes.iter_mut()) {
            let after = matches!(fault.harm, Harm::LoseAnswer | Harm::KillAfter);
            let now = (moment == Moment::After) == after;
            if !now || !fault.fits(effect) {
                continue;
            }
            outcome.met += 1;
            let due =
                outcome.met >= fault.nth && (fault.times == 0 || outcome.acted.len() < fault.times);
            if due && acting.is_none() {
                outcome.acted.push(place(effect));
                acting = Some(fault);
            }
        }
        acting
    }
}

/// `POST /nodes/{node}/qemu/{vmid}/clone of 9000`.
pub(super) fn place(effect: &Effect) -> String {
    match effect.about.is_empty() {
        true => effect.kind.clone(),
        false => format!("{} of {}", effect.kind, effect.about),
    }
}

impl Warden for Player {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        Box::pin(async move {
            let Some(fault) = self.acts(moment, effect) else { return Verdict::Pass };
            match fault.harm {
                Harm::LoseRequest | Harm::LoseAnswer => Verdict::Drop,
                Harm::Delay => {
                    tokio::time::sleep(Duration::from_secs_f64(fault.seconds.unwrap_or(0.0))).await;
                    Verdict::Pass
                }
                Harm::Refuse => {
                    let status = if effect.system == System::Host { 1 } else { 503 };
                    let message = fault.message.clone().unwrap_or_else(|| "rehearsed".into());
                    Verdict::Refuse { status: fault.status.unwrap_or(status), message }
                }
                Harm::Kill | Harm::KillAfter => {
                    let dead = Death::default();
                    if self.deaths.send(dead.clone()).is_ok() {
                        dead.notified().await;
                    }
                    Verdict::Drop
                }
            }
        })
    }
}
