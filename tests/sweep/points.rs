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

/// Whether each moment is wanted (`scripts/sweep --all`), or one of each kind.
pub(crate) fn all() -> bool {
    std::env::var("HOMELAB_SWEEP").is_ok_and(|wish| wish == "all")
}

/// Both moments of every effect, or of the first of each kind.
pub(crate) fn points(effects: &[Effect]) -> Vec<Point> {
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for (number, effect) in (1..).zip(effects) {
        if all() || seen.insert((effect.system, effect.kind.clone())) {
            points.push(Point { number, moment: Moment::Before });
            if effect.mutating || all() {
                points.push(Point { number, moment: Moment::After });
            }
        }
    }
    points
}

/// The first effect of each kind.
pub(crate) fn kinds(effects: &[Effect]) -> Vec<Effect> {
    let mut seen = BTreeSet::new();
    let first = effects.iter().filter(|effect| seen.insert((effect.system, &effect.kind)));
    first.cloned().collect()
}
