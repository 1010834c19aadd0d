//! Where everything passes that an operator asks of the simulated world.
//!
//! Each server of the world shows an effect here before it acts on it, and once more before it answers.
//! The gate counts and notes them, and may harm one of them: that is how a test finds every moment at
//! which a run can die, and how a rehearsal's faults come about.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch::Sender;

use crate::pve::state::lock;

/// Whom an effect is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Proxmox's API.
    Proxmox,
    /// A guest, by SSH.
    Host,
    /// The tailnet's control plane, by its API.
    Tailnet,
    /// The Kubernetes API.
    Kubernetes,
    /// The Git host, by SSH.
    Git,
    /// The bucket for backups, by S3's API.
    Bucket,
}

/// One thing that an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    pub system: System,
    /// Without names and ids, so that effects of one kind are equal: `POST /nodes/{node}/qemu/{vmid}/clone`,
    /// `exec join-tailnet`, `PATCH /api/v1/nodes/{name}`.
    pub kind: String,
    /// What it is about: a VMID, a node, an object; empty for none.
    pub about: String,
    /// Whether it can change anything.
    pub mutating: bool,
}

/// Which of an effect's two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing of it was done yet.
    Before,
    /// It was done, and not answered yet.
    After,
}

/// What is to become of an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    #[default]
    Pass,
    /// It is done, and then once more, as by an operator who does not know of the first; before it only.
    /// Scripts and Kubernetes' objects alone: what else comes twice is made twice by any server.
    Twice,
    /// The connection ends without an answer.
    Drop,
    /// It is answered with this failure, in the words of its system; before it, it is not done at all.
    Refuse { status: u16, message: String },
}

/// A boxed future.
pub type Ruling<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Who may look at each effect and harm it. It may take its time: the effect waits.
pub trait Warden: Send + Sync {
    /// `number` counts the effects from 1.
    fn rule<'a>(&'a self, number: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a>;
}

/// The gate that a world's servers share.
#[derive(Clone, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: Mutex<Vec<Effect>>,
    connections: Mutex<Vec<String>>,
    warden: Mutex<Option<Arc<dyn Warden>>>,
    /// How many effects are on their way through, but for those that are held at one of their moments.
    acting: Sender<usize>,
}

/// An effect between its two moments.
#[derive(Debug)]
#[must_use = "an effect that was let in is shown once more before its answer"]
pub struct Passage {
    number: u64,
    effect: Effect,
    twice: bool,
    /// Until it is dropped.
    #[expect(dead_code, reason = "it counts by being there")]
    acting: Acting,
}

/// An effect that is held: nothing of it happens until this is dropped.
pub struct Held(Gate);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.acting.send_modify(|acting| *acting += 1);
    }
}

/// Counted until it is dropped, with its passage where a client is gone before its answer.
struct Acting(Gate);

impl Acting {
    fn begin(gate: &Gate) -> Self {
        gate.0.acting.send_modify(|acting| *acting += 1);
        Self(gate.clone())
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        self.0.0.acting.send_modify(|acting| *acting -= 1);
    }
}

impl std::fmt::Debug for Acting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Acting")
    }
}

impl Passage {
    /// Whether it is to be done once more when it was done.
    pub fn twice(&self) -> bool {
        self.twice
    }
}

impl Gate {
    /// Shows an effect before it is done: its passage, or what became of it instead.
    ///
    /// # Errors
    /// Any verdict but [`Verdict::Pass`] and [`Verdict::Twice`].
    pub async fn before(&self, effect: Effect) -> Result<Passage, Verdict> {
        let number = {
            let mut log = lock(&self.0.log);
            log.push(effect.clone());
            log.len() as u64
        };
        // Before the ruling ends: between it and the first deed there is no moment at which it does not count.
        let acting = Acting::begin(self);
        let twice = match self.rule(number, Moment::Before, &effect).await {
            Verdict::Pass => false,
            Verdict::Twice => true,
            other => return Err(other),
        };
        Ok(Passage { number, effect, twice, acting })
    }

    /// Shows it once more, before it is answered.
    pub async fn after(&self, passage: Passage) -> Verdict {
        let verdict = self.rule(passage.number, Moment::After, &passage.effect).await;
        drop(passage);
        verdict
    }

    /// A warden holds the effect that it is asked about.
    pub fn hold(&self) -> Held {
        self.0.acting.send_modify(|acting| *acting -= 1);
        Held(self.clone())
    }

    /// Waits until no effect is being done: each is answered, or is held at one of its moments.
    pub async fn quiet(&self) {
        // The sender is this gate's own: it does not end meanwhile.
        self.0.acting.subscribe().wait_for(|acting| *acting == 0).await.ok();
    }

    /// Everything that was asked for so far, in its order.
    pub fn log(&self) -> Vec<Effect> {
        lock(&self.0.log).clone()
    }

    /// Notes a connection by SSH that begins.
    pub(super) fn connected(&self, node: &str) {
        lock(&self.0.connections).push(node.to_owned());
    }

    /// The node of each connection by SSH so far. What is carried by one is no connection of its own.
    pub fn connections(&self) -> Vec<String> {
        lock(&self.0.connections).clone()
    }

    /// Forgets what was asked for, and counts anew.
    pub fn forget(&self) {
        lock(&self.0.log).clear();
        lock(&self.0.connections).clear();
    }

    /// Sets who looks at the effects from here on; `None` lets everything pass.
    pub fn set_warden(&self, warden: Option<Arc<dyn Warden>>) {
        *lock(&self.0.warden) = warden;
    }

    async fn rule(&self, number: u64, moment: Moment, effect: &Effect) -> Verdict {
        let warden = lock(&self.0.warden).clone();
        match warden {
            Some(warden) => warden.rule(number, moment, effect).await,
            None => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(kind: &str) -> Effect {
        Effect {
            system: System::Host,
            kind: kind.to_owned(),
            about: "server".to_owned(),
            mutating: true,
        }
    }

    /// Drops the answer of the second effect.
    struct LosesTheSecond;

    impl Warden for LosesTheSecond {
        fn rule<'a>(&'a self, number: u64, moment: Moment, _: &'a Effect) -> Ruling<'a> {
            let lost = number == 2 && moment == Moment::After;
            Box::pin(async move { if lost { Verdict::Drop } else { Verdict::Pass } })
        }
    }

    #[tokio::test]
    async fn effects_are_counted_and_a_warden_sees_both_moments_of_each() {
        let gate = Gate::default();
        gate.set_warden(Some(Arc::new(LosesTheSecond)));
        let mut verdicts = Vec::new();
        for kind in ["exec probe", "exec join-tailnet"] {
            let passage = gate.before(effect(kind)).await.expect("nothing is refused beforehand");
            verdicts.push(gate.after(passage).await);
        }
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Drop]);
        assert_eq!(gate.log().len(), 2);
        gate.forget();
        assert_eq!(gate.log(), []);
    }

    #[tokio::test]
    async fn it_is_quiet_when_each_effect_was_done_or_given_up() {
        let gate = Gate::default();
        gate.quiet().await;
        let done = gate.before(effect("exec probe")).await.expect("nothing is refused");
        let given_up = gate.before(effect("exec probe")).await.expect("nothing is refused");
        let quiet = tokio::spawn({
            let gate = gate.clone();
            async move { gate.quiet().await }
        });
        tokio::task::yield_now().await;
        drop(given_up);
        tokio::task::yield_now().await;
        assert!(!quiet.is_finished());
        // What a warden holds at a moment is not being done.
        let held = gate.hold();
        quiet.await.expect("it does not panic");
        drop(held);
        let quiet = tokio::spawn({
            let gate = gate.clone();
            async move { gate.quiet().await }
        });
        tokio::task::yield_now().await;
        assert!(!quiet.is_finished());
        assert_eq!(gate.after(done).await, Verdict::Pass);
        quiet.await.expect("it does not panic");
    }
}
