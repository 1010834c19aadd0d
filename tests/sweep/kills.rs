//! Killed at each effect: the next run reaches what an undisturbed one reaches.

use std::sync::{Arc, atomic::Ordering};

use homelab_lab::sim::{
    gate::Effect,
    picture::Picture,
    world::{Options, World},
};

use crate::{
    operator::Operator,
    points::{Point, points},
    warden::Killer,
};

/// What is done before the run that is killed, and that run.
struct Story {
    name: &'static str,
    before: fn(&Operator) -> &'static [&'static [&'static str]],
    edits: &'static [(&'static str, &'static str)],
    run: &'static [&'static str],
}

const UP: &[&str] = &["up", "--yes"];

async fn begin(story: &Story) -> Operator {
    let operator = Operator::new(Options::default()).await;
    for words in (story.before)(&operator) {
        operator.succeed(words).await;
    }
    for (from, to) in story.edits {
        operator.edit(from, to);
    }
    operator.world.gate.forget();
    operator
}

/// What an undisturbed run asks for, and what the world is like afterwards.
async fn undisturbed(story: &Story) -> (Vec<Effect>, Picture) {
    let operator = begin(story).await;
    operator.succeed(story.run).await;
    (operator.world.gate.log(), operator.world.picture().await.unwrap())
}

/// Kills the run there, runs it again, and looks.
async fn killed(story: &Story, point: &Point) -> (Option<Effect>, Picture) {
    let operator = begin(story).await;
    let killer = Arc::new(Killer::new(point.number, point.moment));
    operator.world.gate.set_warden(Some(killer.clone()));
    let child = operator.start(story.run);
    killer.process.store(child.id().expect("it runs"), Ordering::SeqCst);
    let ended = operator.end(child).await;
    operator.world.gate.set_warden(None);
    let at = killer.at.lock().unwrap().clone();
    assert_eq!(at.is_some(), ended.code.is_none(), "{}: {at:?} {ended:?}", story.name);
    operator.succeed(story.run).await;
    (at, picture(&operator.world).await)
}

async fn picture(world: &World) -> Picture {
    world.picture().await.unwrap()
}

/// Tries each point; one line for each that ended otherwise.
async fn sweep(story: &Story) {
    let (effects, whole) = undisturbed(story).await;
    let points = points(&effects);
    let mut wrong = Vec::new();
    let mut tried = 0;
    for point in &points {
        let (at, seen) = killed(story, point).await;
        // A run has its effects in another order each time: the last of them may not come again.
        tried += usize::from(at.is_some());
        if seen != whole {
            wrong.push(format!("{at:?} {:?}:\n{}", point.moment, differences(&whole, &seen)));
        }
    }
    println!(
        "{}: {} effects, {} points, killed at {tried}, {} ended otherwise",
        story.name,
        effects.len(),
        points.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines in which two pictures differ.
fn differences(left: &Picture, right: &Picture) -> String {
    let lines = |picture: &Picture| {
        let text = serde_json::to_string_pretty(picture).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (left, right) = (lines(left), lines(right));
    let gone = left.iter().filter(|line| !right.contains(line)).map(|line| format!("- {line}"));
    let new = right.iter().filter(|line| !left.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_may_die_anywhere() {
    sweep(&Story { name: "first up", before: |_| &[], edits: &[], run: UP }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_changes_memory_and_disk_of_a_living_node_may_die_anywhere() {
    let edits = &[("memory: 2G\n  disk: 6G", "memory: 3G\n  disk: 8G")];
    sweep(&Story { name: "memory and disk", before: |_| &[UP], edits, run: UP }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_everything_away_may_die_anywhere() {
    sweep(&Story { name: "destroy", before: |_| &[UP], edits: &[], run: &["destroy", "--yes"] })
        .await;
}
