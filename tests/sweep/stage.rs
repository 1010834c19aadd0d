//! Where a story is told again and again: each time from a snapshot of its beginning, or, where its world has none,
//! in a world of its own.

use homelab_lab::sim::{gate::Effect, picture::Picture};

use crate::{operator::Operator, shot::Shot, story::Story};

pub(crate) struct Stage<'a> {
    story: &'a Story,
    /// `None` only while the next one is made: all have the same addresses.
    operator: Option<Operator>,
    beginning: Option<Shot>,
}

impl<'a> Stage<'a> {
    pub(crate) async fn of(story: &'a Story) -> Self {
        let operator = story.begin().await;
        let beginning = match story.has_snapshots() {
            true => Some(operator.shot().await),
            false => None,
        };
        Self { story, operator: Some(operator), beginning }
    }

    /// The story's beginning.
    pub(crate) async fn again(&mut self) -> &Operator {
        match &self.beginning {
            Some(beginning) => self.operator.as_ref().unwrap().rewind(beginning).await,
            None => {
                self.operator = None;
                self.operator = Some(self.story.begin().await);
            }
        }
        self.operator.as_ref().unwrap()
    }

    /// What an undisturbed run asks for, and what the world is like afterwards.
    pub(crate) async fn undisturbed(&mut self) -> (Vec<Effect>, Picture) {
        let run = self.story.run;
        let operator = self.again().await;
        operator.succeed(run).await;
        (operator.world.gate.log(), operator.world.picture().await.unwrap())
    }
}
