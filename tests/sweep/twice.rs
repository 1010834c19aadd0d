//! What is done twice leaves the same world: each script that changes a host runs once more right behind
//! itself, with the same input, and Kubernetes gets each write twice. `destroy` does neither.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use homelab_lab::sim::gate::{Effect, Moment, Ruling, System, Verdict, Warden};

use crate::{
    judge::Judge,
    story::{Story, another_node, first_up, first_up_with_flux, memory_and_disk, undisturbed},
};

#[derive(Default)]
struct Doubler(AtomicUsize);

impl Warden for Doubler {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        // A program that is sent in pieces is no script, and a deletion that found nothing is answered so.
        let object = effect.system == System::Kubernetes && !effect.kind.starts_with("DELETE");
        let script = effect.system == System::Host && effect.kind.starts_with("exec ");
        let doubled = moment == Moment::Before && effect.mutating && (object || script);
        self.0.fetch_add(usize::from(doubled), Ordering::SeqCst);
        Box::pin(async move { if doubled { Verdict::Twice } else { Verdict::Pass } })
    }
}

async fn twice(story: &Story) {
    let (_, whole) = undisturbed(story).await;
    let mut judge = Judge::new(format!("{}, twice", story.name), whole, 1);
    let operator = story.begin().await;
    let doubler = Arc::new(Doubler::default());
    operator.world.gate.set_warden(Some(doubler.clone()));
    let ended = operator.run(story.run).await;
    operator.world.gate.set_warden(None);
    judge.tally.done_twice = doubler.0.load(Ordering::SeqCst);
    assert!(judge.tally.done_twice > 0, "nothing was done twice");
    judge.look(&operator, "everything twice", &[&ended]).await;
    judge.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_whose_scripts_run_twice_makes_the_same_world() {
    twice(&first_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn so_does_one_that_changes_memory_and_disk() {
    twice(&memory_and_disk()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn so_does_one_that_adds_a_node() {
    twice(&another_node()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn so_does_one_that_ends_with_what_flux_brings() {
    twice(&first_up_with_flux()).await;
}
