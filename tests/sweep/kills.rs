//! Killed at each effect: the next run reaches what an undisturbed one reaches.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    judge::Judge,
    points::{Point, points},
    story::{ANOTHER_NODE, DESTROY, FIRST_UP, MEMORY_AND_DISK, Story, undisturbed},
    warden::Killer,
};

/// Kills the run there, runs it again, and looks.
async fn killed(story: &Story, point: &Point, judge: &mut Judge) {
    let operator = story.begin().await;
    let killer = Arc::new(Killer::new(point.number, point.moment));
    operator.world.gate.set_warden(Some(killer.clone()));
    let child = operator.start(story.run);
    killer.process.store(child.id().expect("it runs"), Ordering::SeqCst);
    let ended = operator.end(child).await;
    operator.world.gate.set_warden(None);
    let at = killer.at.lock().unwrap().clone();
    assert_eq!(at.is_some(), ended.code.is_none(), "{}: {at:?} {ended:?}", story.name);
    // A run has its effects in another order each time: the last of them may not come again.
    judge.tally.kill_points += usize::from(at.is_some());
    let what = at.map_or("at no moment".to_owned(), |effect| {
        format!("killed {:?} {} of {}", point.moment, effect.kind, effect.about)
    });
    let again = operator.run(story.run).await;
    judge.look(&operator, &what, &[&ended, &again]).await;
}

/// Tries each point; what ended otherwise is told in full.
async fn sweep(story: &Story, every: usize) {
    let (effects, whole) = undisturbed(story).await;
    let points: Vec<Point> = points(&effects).into_iter().step_by(every).collect();
    println!("{}: {} effects, {} points", story.name, effects.len(), points.len());
    let mut judge = Judge::new(format!("{}, kills", story.name), whole, points.len());
    for point in &points {
        killed(story, point, &mut judge).await;
    }
    judge.end();
}

/// A few of the moments, for each commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_may_die_at_a_few_of_its_moments() {
    sweep(&FIRST_UP, 17).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_may_die_anywhere() {
    sweep(&FIRST_UP, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_changes_memory_and_disk_of_a_living_node_may_die_anywhere() {
    sweep(&MEMORY_AND_DISK, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_adds_a_node_may_die_anywhere() {
    sweep(&ANOTHER_NODE, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_takes_everything_away_may_die_anywhere() {
    sweep(&DESTROY, 1).await;
}
