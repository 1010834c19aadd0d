//! A diagram while it is drawn.

use super::{Arrow, Block, Diagram, Health};
use crate::stage::check::{Check, CheckState};

pub(super) struct Drawing<'a> {
    checks: &'a [Check],
    diagram: Diagram,
}

impl<'a> Drawing<'a> {
    pub(super) fn new(
        id: &'static str,
        title: &'static str,
        about: impl Into<String>,
        checks: &'a [Check],
    ) -> Self {
        let about = about.into();
        let diagram = Diagram { id, title, about, blocks: Vec::new(), arrows: Vec::new() };
        Self { checks, diagram }
    }

    /// A block that is as well as the checks that look at it.
    pub(super) fn block(
        &mut self,
        id: impl Into<String>,
        title: impl Into<String>,
        lines: impl IntoIterator<Item = String>,
        looks_at_it: impl Fn(&Check) -> bool,
    ) {
        let (mut failed, mut untold, mut passed) = (false, false, false);
        let mut causes = Vec::new();
        for check in self.checks.iter().filter(|check| looks_at_it(check)) {
            match &check.state {
                CheckState::Failed { cause, next } => {
                    failed = true;
                    causes.push(format!("{}: {cause}; next: {next}", check.title));
                }
                CheckState::Skipped { why } if check.unattended => {
                    untold = true;
                    causes.push(format!("{}: {why}", check.title));
                }
                // What nobody could look at is not well because something beside it is.
                CheckState::Skipped { .. } if check.blind => untold = true,
                CheckState::Passed { .. } => passed = true,
                CheckState::Skipped { .. } => {}
            }
        }
        let health = match (failed, untold, passed) {
            (true, ..) => Health::Ill,
            (false, false, true) => Health::Well,
            (false, ..) => Health::Unknown,
        };
        let lines = lines.into_iter().collect();
        let (id, title) = (id.into(), title.into());
        self.diagram.blocks.push(Block { id, title, lines, health, causes });
    }

    pub(super) fn arrow(
        &mut self,
        from: impl Into<String>,
        to: impl Into<String>,
        label: impl Into<String>,
    ) {
        let (from, to, label) = (from.into(), to.into(), label.into());
        self.diagram.arrows.push(Arrow { from, to, label });
    }

    pub(super) fn done(self) -> Diagram {
        self.diagram
    }
}

/// The check of a component's workloads.
pub(super) fn is_workload(title: &'static str) -> impl Fn(&Check) -> bool {
    move |check| check.id == "systems/workload" && check.title == title
}

/// Nobody looks at it: it is outside the cluster.
pub(super) const fn outside(_: &Check) -> bool {
    false
}
