//! Each effect harmed, and the run left alive: a lost answer, a lost request, a refusal.
//!
//! The first two are transient: the run lives through them, or ends with what it knows of the effect and
//! goes on with the next run. Whatever happens, nothing is there twice.

use std::sync::Arc;

use homelab_lab::sim::gate::{Moment, System, Verdict};

use crate::{
    points::{self, Point},
    story::{FIRST_UP, Story, differences, undisturbed},
    warden::Harmer,
};

/// What is done to one effect, once.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// It is done, and its answer is lost.
    LostAnswer,
    /// The connection ends before anything is done.
    LostRequest,
    /// It is refused by a server that has a bad moment.
    Refused,
}

impl Harm {
    fn verdict(self, system: System) -> (Moment, Verdict) {
        match self {
            Self::LostAnswer => (Moment::After, Verdict::Drop),
            Self::LostRequest => (Moment::Before, Verdict::Drop),
            Self::Refused => {
                // A script's exit status is no HTTP status.
                let status = if system == System::Host { 1 } else { 503 };
                let message = "simulated: the service is not available".to_owned();
                (Moment::Before, Verdict::Refuse { status, message })
            }
        }
    }
}

async fn sweep(story: &Story, harm: Harm) {
    let (effects, whole) = undisturbed(story).await;
    let points: Vec<Point> = points::points(&effects)
        .into_iter()
        .filter(|point| point.moment == Moment::Before)
        .filter(|point| point.effect(&effects).mutating || matches!(harm, Harm::LostRequest))
        .collect();
    let (mut survived, mut wrong) = (0, Vec::new());
    for point in &points {
        let wanted = point.effect(&effects);
        let (moment, verdict) = harm.verdict(wanted.system);
        let operator = story.begin().await;
        let harmer = Arc::new(Harmer::new(wanted.clone(), moment, verdict));
        operator.world.gate.set_warden(Some(harmer.clone()));
        let ended = operator.run(story.run).await;
        operator.world.gate.set_warden(None);
        survived += usize::from(ended.code == Some(0));
        if ended.code != Some(0) {
            let again = operator.run(story.run).await;
            if again.code != Some(0) {
                wrong
                    .push(format!("{wanted:?}: the next run fails:\n{}\n{}", ended.err, again.err));
                continue;
            }
        }
        let seen = operator.world.picture().await.unwrap();
        if seen != whole {
            wrong.push(format!("{wanted:?}:\n{}", differences(&whole, &seen)));
        }
    }
    println!(
        "{}, {harm:?}: {} faults injected, {survived} survived in the same run, {} ended otherwise",
        story.name,
        points.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn an_answer_that_is_lost_makes_nothing_twice() {
    sweep(&FIRST_UP, Harm::LostAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_connection_that_breaks_before_anything_is_done_is_no_loss() {
    sweep(&FIRST_UP, Harm::LostRequest).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_service_that_has_a_bad_moment_is_asked_again_by_this_run_or_the_next() {
    sweep(&FIRST_UP, Harm::Refused).await;
}
