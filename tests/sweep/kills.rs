//! The process itself is killed at an effect of each kind: the next run reaches what an undisturbed one reaches.
//! `moments` tries the rest.

use std::sync::Arc;

use homelab_lab::sim::{
    gate::{Effect, Moment},
    picture::Picture,
};

use crate::{
    judge::Judge,
    points::{Point, beyond, points},
    stage::Stage,
    story::{
        Story, a_server_again, another_node, destroy, first_up, first_up_with_flux,
        memory_and_disk, one_node_less, three_servers, undisturbed,
    },
    warden::Killer,
};

/// Kills the run there, runs it again, and looks.
async fn killed(stage: &mut Stage<'_>, story: &Story, point: &Point, judge: &mut Judge) {
    let operator = stage.again().await;
    let killer = Arc::new(Killer::new(point.clone()));
    operator.world.gate.set_warden(Some(killer.clone()));
    let child = operator.start(story.run);
    killer.watch(&child);
    let ended = operator.end(child).await;
    operator.world.gate.set_warden(None);
    let Effect { kind, about, .. } = &point.effect;
    let mut what = format!("killed {:?} {kind} of {about} ({})", point.moment, point.nth);
    assert_eq!(killer.done(), ended.code.is_none(), "{what}: {ended:?}");
    judge.tally.kill_points += usize::from(killer.done());
    if !killer.done() {
        // How often it looks goes by how long others take.
        what.push_str(", which did not come");
    }
    let again = operator.run(story.run).await;
    judge.look(operator, &what, &[&ended, &again]).await;
}

/// Tries each point; what ended otherwise is told in full.
async fn sweep(story: &Story, wanted: impl Fn(Vec<Point>) -> Vec<Point>) {
    let mut stage = Stage::of(story).await;
    let (effects, whole) = stage.undisturbed().await;
    try_each(&mut stage, story, effects, whole, wanted).await;
}

/// The same, of effects of an undisturbed run and what came of it.
async fn try_each(
    stage: &mut Stage<'_>,
    story: &Story,
    effects: Vec<Effect>,
    whole: Picture,
    wanted: impl Fn(Vec<Point>) -> Vec<Point>,
) {
    let points = wanted(points(&effects));
    println!("{}: {} effects, {} points", story.name, effects.len(), points.len());
    let mut judge = Judge::new(format!("{}, kills", story.name), whole, points.len());
    for point in &points {
        killed(stage, story, point, &mut judge).await;
    }
    judge.end();
}

/// A few of the moments, for each commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_may_die_at_a_few_of_its_moments() {
    let done = |point: &Point| point.effect.mutating && point.moment == Moment::After;
    sweep(&first_up(), |points| points.into_iter().filter(done).step_by(5).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_may_die_anywhere() {
    sweep(&first_up(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_may_die_wherever_flux_and_longhorn_add_something() {
    let (plain, _) = undisturbed(&first_up()).await;
    let story = first_up_with_flux();
    let mut stage = Stage::of(&story).await;
    let (effects, whole) = stage.undisturbed().await;
    try_each(&mut stage, &story, beyond(&effects, &plain), whole, std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_changes_memory_and_disk_of_a_living_node_may_die_anywhere() {
    sweep(&memory_and_disk(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_adds_a_node_may_die_anywhere() {
    sweep(&another_node(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_with_three_servers_may_die_anywhere() {
    sweep(&three_servers(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_makes_a_server_again_may_die_anywhere() {
    sweep(&a_server_again(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_takes_a_node_away_may_die_anywhere() {
    sweep(&one_node_less(), std::convert::identity).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_takes_everything_away_may_die_anywhere() {
    sweep(&destroy(), std::convert::identity).await;
}
