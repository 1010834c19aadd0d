//! At which moments a process is killed.

use std::collections::BTreeSet;

use homelab_lab::sim::gate::{Effect, Moment};

/// One moment of a run: of the `nth` effect that is like this one, counted from 1. Effects that go on side
/// by side come in another order each time; those that are alike come in theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) effect: Effect,
    pub(crate) nth: usize,
    pub(crate) moment: Moment,
}

/// Both moments of the first effect of each kind; of one that only looks, the first alone.
pub(crate) fn points(effects: &[Effect]) -> Vec<Point> {
    let mut seen: Vec<&Effect> = Vec::new();
    let mut points = Vec::new();
    for effect in effects {
        let nth = 1 + seen.iter().filter(|known| **known == effect).count();
        let new =
            !seen.iter().any(|known| (known.system, &known.kind) == (effect.system, &effect.kind));
        seen.push(effect);
        if new {
            points.push(Point { effect: effect.clone(), nth, moment: Moment::Before });
            if effect.mutating {
                points.push(Point { effect: effect.clone(), nth, moment: Moment::After });
            }
        }
    }
    points
}

/// The effects of kinds that others do not have.
pub(crate) fn beyond(effects: &[Effect], others: &[Effect]) -> Vec<Effect> {
    let known: BTreeSet<_> = others.iter().map(|effect| (effect.system, &effect.kind)).collect();
    let new = effects.iter().filter(|effect| !known.contains(&(effect.system, &effect.kind)));
    new.cloned().collect()
}

/// The first effect of each kind.
pub(crate) fn kinds(effects: &[Effect]) -> Vec<Effect> {
    let mut seen = BTreeSet::new();
    let first = effects.iter().filter(|effect| seen.insert((effect.system, &effect.kind)));
    first.cloned().collect()
}
