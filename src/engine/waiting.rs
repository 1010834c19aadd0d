//! The steps of a plan that are not begun yet, and what each of them still waits for.
//!
//! Every step knows who waits for it, so that the end of one looks at those alone: a plan for hundreds of nodes has
//! thousands of steps, and the last of them waits for as many.

use std::collections::{BTreeMap, HashMap};

use crate::plan::{Step, StepId};

pub(super) struct Waiting<'a> {
    /// In the plan's order.
    steps: BTreeMap<usize, &'a Step>,
    /// How many steps each one still waits for.
    unmet: Vec<usize>,
    /// Who waits for a step.
    waiters: HashMap<&'a StepId, Vec<usize>>,
    /// What may begin, in the plan's order.
    ready: BTreeMap<usize, &'a Step>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(steps: &'a [Step]) -> Self {
        let mut waiters = HashMap::<&StepId, Vec<usize>>::new();
        for (index, step) in steps.iter().enumerate() {
            for need in &step.needs {
                waiters.entry(need).or_default().push(index);
            }
        }
        let unmet: Vec<usize> = steps.iter().map(|step| step.needs.len()).collect();
        let (ready, steps) = steps.iter().enumerate().partition(|(index, _)| unmet[*index] == 0);
        Self { steps, unmet, waiters, ready }
    }

    /// What may begin now, each once.
    pub(super) fn ready(&mut self) -> Vec<&'a Step> {
        std::mem::take(&mut self.ready).into_values().collect()
    }

    /// A step is done: some may wait for nothing else.
    pub(super) fn done(&mut self, id: &StepId) {
        for index in self.waiters.remove(id).unwrap_or_default() {
            self.unmet[index] -= 1;
            if self.unmet[index] == 0
                && let Some(step) = self.steps.remove(&index)
            {
                self.ready.insert(index, step);
            }
        }
    }

    /// A step was not done: takes those that need it, and those that need them, out of it.
    pub(super) fn lost(&mut self, id: &StepId) -> Vec<&'a Step> {
        let mut doomed = BTreeMap::new();
        let mut next = vec![id.clone()];
        while let Some(id) = next.pop() {
            for index in self.waiters.remove(&id).unwrap_or_default() {
                if let Some(step) = self.steps.remove(&index) {
                    next.push(step.id.clone());
                    doomed.insert(index, step);
                }
            }
        }
        doomed.into_values().collect()
    }

    /// Takes all that is left, ready or not.
    pub(super) fn abandon(&mut self) -> Vec<&'a Step> {
        let mut all = std::mem::take(&mut self.steps);
        all.append(&mut self.ready);
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Change, Impact};

    fn id(name: &str) -> StepId {
        StepId(name.into())
    }

    fn step(name: &str, needs: &[&str]) -> Step {
        let needs = needs.iter().map(|need| id(need)).collect();
        Step { id: id(name), needs, ..Step::new(Change::Verify, Impact::Check, "a test") }
    }

    fn names(steps: Vec<&Step>) -> Vec<&str> {
        steps.into_iter().map(|step| &*step.id.0).collect()
    }

    fn plan() -> Vec<Step> {
        vec![
            step("image", &[]),
            step("a", &["image"]),
            step("b", &["image"]),
            step("a2", &["a"]),
            step("all", &["a2", "b"]),
        ]
    }

    #[test]
    fn a_step_is_ready_once_when_all_that_it_needs_is_done() {
        let plan = plan();
        let mut waiting = Waiting::new(&plan);
        assert_eq!(names(waiting.ready()), ["image"]);
        assert_eq!(names(waiting.ready()), Vec::<&str>::new());
        waiting.done(&id("image"));
        assert_eq!(names(waiting.ready()), ["a", "b"]);
        waiting.done(&id("b"));
        waiting.done(&id("a"));
        assert_eq!(names(waiting.ready()), ["a2"]);
        waiting.done(&id("a2"));
        assert_eq!(names(waiting.ready()), ["all"]);
    }

    #[test]
    fn a_step_that_is_lost_takes_all_with_it_that_need_it_and_leaves_the_others() {
        let plan = plan();
        let mut waiting = Waiting::new(&plan);
        waiting.ready();
        waiting.done(&id("image"));
        waiting.ready();
        assert_eq!(names(waiting.lost(&id("a"))), ["a2", "all"]);
        assert_eq!(names(waiting.lost(&id("a"))), Vec::<&str>::new());
        waiting.done(&id("b"));
        assert_eq!(names(waiting.ready()), Vec::<&str>::new());
        assert_eq!(names(waiting.abandon()), Vec::<&str>::new());
    }

    #[test]
    fn what_is_abandoned_is_ready_or_not() {
        let plan = plan();
        let mut waiting = Waiting::new(&plan);
        waiting.ready();
        waiting.done(&id("image"));
        assert_eq!(names(waiting.abandon()), ["a", "b", "a2", "all"]);
        assert_eq!(names(waiting.ready()), Vec::<&str>::new());
    }
}
