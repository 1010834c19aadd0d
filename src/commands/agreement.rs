//! A plan that was written down: what was agreed to, and on which ground it stands.
//!
//! `plan --out` writes it, `up --plan` carries out that and nothing else. What it promises:
//!
//! * The ground is the same: inventory, lock file, cluster, Proxmox and program, or nothing is begun.
//! * The look is `up`'s own, twice, as always. A step that is new, harsher, or there for another reason is
//!   refused: see [`moved`].
//! * A step that is no longer needed is fine: the run that was killed did it, or somebody else. So the same
//!   file is good until all of it is done.

mod file;
mod moved;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use file::is_replaceable;

use crate::{
    cli::Selection,
    error::{Failure, Kind, Result},
    inventory::{Desired, Fingerprints, Loaded, discretion::without_secrets},
    model::ClusterId,
    plan::{Plan, Step},
};

/// What such a file says it is.
const FORMAT: &str = "homelab plan";
/// The version of its form.
const VERSION: u32 = 1;

/// A plan as it was written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreement {
    format: String,
    version: u32,
    made: Timestamp,
    #[serde(flatten)]
    ground: Ground,
    pub(super) selection: Selection,
    plan: Plan,
}

/// What a plan stands on: where any of it is another, so may be what the same steps do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ground {
    /// The version of homelab: another has other scripts.
    program: String,
    cluster: String,
    id: ClusterId,
    /// Proxmox's address, which a variable may give.
    endpoint: String,
    fingerprints: Fingerprints,
}

impl Ground {
    /// The ground that an inventory is, and what it wants. What else was read is large, and let go of.
    pub(super) fn of(loaded: Loaded) -> (Self, Desired) {
        let Loaded { desired, fingerprints, .. } = loaded;
        let ground = Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: desired.cluster.clone(),
            id: desired.id,
            endpoint: without_secrets(&desired.proxmox.endpoint),
            fingerprints,
        };
        (ground, desired)
    }
}

impl Agreement {
    pub(super) fn new(ground: Ground, selection: Selection, plan: Plan) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            made: Timestamp::now(),
            ground,
            selection,
            plan: Plan {
                steps: plan.steps.iter().map(shown).collect(),
                notes: plan.notes.iter().map(|note| without_secrets(note)).collect(),
                in_part: plan.in_part,
            },
        }
    }

    /// Whether it was made on this ground.
    ///
    /// # Errors
    /// [`Kind::Refused`], with all that is another.
    pub(super) fn stands_on(&self, ground: &Ground) -> Result<()> {
        let moved = moved::ground(&self.ground, ground);
        if moved.is_empty() { Ok(()) } else { Err(self.refused(&moved)) }
    }

    /// Whether a plan is within what was agreed to. Gives what a person should know: which steps are no
    /// longer needed.
    ///
    /// # Errors
    /// [`Kind::Refused`], with each step that moved.
    pub(super) fn admits(&self, now: &Plan) -> Result<Option<String>> {
        let now: Vec<Step> = now.steps.iter().map(shown).collect();
        let gone = moved::gone(&self.plan.steps, &now);
        let mut moved = moved::steps(&self.plan.steps, &now);
        if moved.is_empty() {
            return Ok(gone);
        }
        moved.extend(gone);
        Err(self.refused(&moved))
    }

    fn refused(&self, moved: &[String]) -> Failure {
        let made = self.made.strftime("%Y-%m-%d %H:%M:%S UTC");
        let message = format!("what moved since the plan was made ({made}):\n{}", moved.join("\n"));
        Failure::new(Kind::Refused, message)
            .hint("`homelab plan --out FILE` makes a plan of what is there now; look at it again")
    }
}

/// A step as it may be written down and compared with one that was.
fn shown(step: &Step) -> Step {
    let reasons = step.reasons.iter().map(|reason| without_secrets(reason)).collect();
    Step { reasons, ..step.clone() }
}
