//! Each effect harmed, and the run left alive: a lost answer, a lost request, a refusal.
//!
//! The first two are transient: the run lives through them, or ends with what it knows of the effect and
//! goes on with the next run. Whatever happens, nothing is there twice.

use std::sync::Arc;

use homelab_lab::sim::{
    gate::{Effect, Moment, System, Verdict},
    picture::Picture,
};

use crate::{
    judge::Judge,
    points::{beyond, kinds},
    stage::Stage,
    story::{
        Story, another_node, destroy, first_up, first_up_with_flux, memory_and_disk, one_node_less,
        undisturbed,
    },
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
    let mut stage = Stage::of(story).await;
    let (effects, whole) = stage.undisturbed().await;
    harmed(&mut stage, story, harm, (effects, whole)).await;
}

/// The same, of effects of an undisturbed run and what came of it.
async fn harmed(
    stage: &mut Stage<'_>,
    story: &Story,
    harm: Harm,
    (effects, whole): (Vec<Effect>, Picture),
) {
    let wanted = kinds(&effects).into_iter();
    let wanted: Vec<Effect> = wanted
        .filter(|effect| {
            effect.mutating || effect.system == System::Git || matches!(harm, Harm::LostRequest)
        })
        .collect();
    let mut judge = Judge::new(format!("{}, {harm:?}", story.name), whole, wanted.len());
    for effect in wanted {
        let (moment, verdict) = harm.verdict(effect.system);
        let what = format!("{} of {}", effect.kind, effect.about);
        let operator = stage.again().await;
        let harmer = Arc::new(Harmer::once(effect, moment, verdict));
        operator.world.gate.set_warden(Some(harmer.clone()));
        let ended = operator.run(story.run).await;
        operator.world.gate.set_warden(None);
        judge.tally.faults += usize::from(harmer.done());
        judge.tally.survived += usize::from(ended.code == Some(0));
        let mut runs = vec![ended];
        if runs[0].code != Some(0) {
            runs.push(operator.run(story.run).await);
        }
        judge.look(operator, &what, &runs.iter().collect::<Vec<_>>()).await;
    }
    judge.end();
}

/// In a first run, and in the others at what it does not have.
async fn everywhere(harm: Harm) {
    sweep(&first_up(), harm).await;
    let (plain, _) = undisturbed(&first_up()).await;
    for story in [memory_and_disk(), another_node(), one_node_less(), destroy()] {
        let mut stage = Stage::of(&story).await;
        let (effects, whole) = stage.undisturbed().await;
        harmed(&mut stage, &story, harm, (beyond(&effects, &plain), whole)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn an_answer_that_is_lost_makes_nothing_twice() {
    for story in [&first_up(), &memory_and_disk(), &another_node(), &one_node_less(), &destroy()] {
        sweep(story, Harm::LostAnswer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_connection_that_breaks_before_anything_is_done_is_no_loss() {
    everywhere(Harm::LostRequest).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_service_that_has_a_bad_moment_is_asked_again_by_this_run_or_the_next() {
    everywhere(Harm::Refused).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_flux_and_longhorn_add_is_harmed_and_made_once_all_the_same() {
    let (plain, _) = undisturbed(&first_up()).await;
    let story = first_up_with_flux();
    let mut stage = Stage::of(&story).await;
    let (effects, whole) = stage.undisturbed().await;
    for harm in [Harm::LostAnswer, Harm::LostRequest, Harm::Refused] {
        let new = beyond(&effects, &plain);
        harmed(&mut stage, &story, harm, (new, whole.clone())).await;
    }
}
