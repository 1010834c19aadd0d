//! A world and its operator at one moment.

use camino::Utf8Path;
use homelab_lab::sim::{
    snapshot::{Snapshot, Tree},
    world::World,
};

use crate::operator::Operator;

/// The world is in the operator's folder, too.
const WORLD: [&str; 1] = ["world"];
/// What a run calls its journal, in a folder of its cluster's name.
const JOURNAL: &str = "journal.jsonl";

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Shot {
    world: Snapshot,
    /// Inventory, keys, state, cache.
    operator: Tree,
}

impl Shot {
    /// Takes what was not touched since an earlier one from there.
    pub(crate) async fn take(world: &World, folder: &Utf8Path, earlier: Option<&Self>) -> Self {
        // The operator's side first: what it knows is never ahead of the world.
        let operator = Tree::read(folder, &WORLD, earlier.map(|shot| &shot.operator)).unwrap();
        let world = world.snapshot(earlier.map(|shot| &shot.world)).await.unwrap();
        Self { world, operator }
    }

    /// The journal's lines so far.
    pub(crate) fn journal(&self) -> String {
        // There is none before the first run.
        let place = self.operator.find(JOURNAL);
        place.map(|place| self.operator.text(place).unwrap()).unwrap_or_default()
    }

    /// The same moment with another journal.
    pub(crate) fn with_journal(&self, text: &str) -> Self {
        let operator = self.operator.with_text(self.operator.find(JOURNAL).unwrap(), text);
        Self { world: self.world.clone(), operator }
    }
}

impl Operator {
    pub(crate) async fn shot(&self) -> Shot {
        Shot::take(&self.world, self.folder(), None).await
    }

    /// Goes back to a moment. No run may be under way.
    pub(crate) async fn rewind(&self, to: &Shot) {
        self.world.rewind(&to.world).await.unwrap();
        to.operator.write(self.folder(), &WORLD).unwrap();
    }
}
