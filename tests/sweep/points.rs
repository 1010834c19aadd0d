//! Which moments are tried.

use std::collections::BTreeSet;

use homelab_lab::sim::gate::{Effect, Moment};

/// One moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// Of the effect, from 1.
    pub(crate) number: u64,
    pub(crate) moment: Moment,
}

impl Point {
    /// The effect of the undisturbed run that is meant.
    pub(crate) fn effect<'a>(&self, effects: &'a [Effect]) -> &'a Effect {
        let index = usize::try_from(self.number - 1).expect("it was counted");
        &effects[index]
    }
}

/// Both moments of every effect (`HOMELAB_SWEEP=all`), or of the first of each kind for each object.
pub(crate) fn points(effects: &[Effect]) -> Vec<Point> {
    let all = std::env::var("HOMELAB_SWEEP").is_ok_and(|wish| wish == "all");
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for (number, effect) in (1..).zip(effects) {
        if all || seen.insert((effect.system, effect.kind.clone())) {
            points.push(Point { number, moment: Moment::Before });
            if effect.mutating || all {
                points.push(Point { number, moment: Moment::After });
            }
        }
    }
    points
}
