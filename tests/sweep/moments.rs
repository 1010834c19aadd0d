//! Every moment of a run, each from a snapshot of it: what a run that died there left, and what the next one makes of
//! it. Before and after each effect, and after each record of the journal.

use crate::{
    judge::Judge,
    recorder::{Frame, Recording, record},
    shot::Shot,
    story::{
        Story, a_server_again, another_node, destroy, first_up, memory_and_disk, one_node_less,
        three_servers,
    },
};

/// The journals that a run which died between two frames could have left, beside the later frame's own, each with
/// its last line. Nothing else happened in between: the journal has the intent of whatever was done.
fn between(earlier: &str, later: &Shot) -> Vec<(String, Shot)> {
    let journal = later.journal();
    let Some(new) = journal.strip_prefix(earlier) else {
        // It was written anew, shorter.
        return Vec::new();
    };
    let ends: Vec<usize> = new.match_indices('\n').map(|(at, _)| earlier.len() + at + 1).collect();
    let inner = ends.iter().rev().skip(1).rev();
    inner
        .map(|end| {
            let text = &journal[..*end];
            let line: String = text.lines().last().unwrap_or_default().chars().take(110).collect();
            (line, later.with_journal(text))
        })
        .collect()
}

async fn sweep(story: &Story) {
    let Recording { operator, whole, frames } = record(story).await;
    let mut points = Vec::new();
    let mut journal = frames[0].shot.journal();
    for Frame { shot, moments } in frames {
        points.extend(between(&journal, &shot).into_iter().map(|(line, shot)| (1, 0, line, shot)));
        let written = shot.journal();
        let records = usize::from(written != journal);
        let name = format!("{} (of {} alike)", moments[0], moments.len());
        points.push((records, moments.len(), name, shot));
        journal = written;
    }
    let name = format!("{}, moments", story.name);
    let mut judge = Judge::new(name, whole, points.len());
    for (records, moments, name, shot) in points {
        operator.rewind(&shot).await;
        let again = operator.run(story.run).await;
        judge.tally.worlds += 1;
        judge.tally.kill_points += moments;
        judge.tally.journal_records += records;
        judge.look(&operator, &name, &[&again]).await;
    }
    judge.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_may_die_at_every_moment() {
    sweep(&first_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_changes_memory_and_disk_may_die_at_every_moment() {
    sweep(&memory_and_disk()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_adds_a_node_may_die_at_every_moment() {
    sweep(&another_node()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_with_three_servers_may_die_at_every_moment() {
    sweep(&three_servers()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_makes_a_server_again_may_die_at_every_moment() {
    sweep(&a_server_again()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_run_that_takes_a_node_away_may_die_at_every_moment() {
    sweep(&one_node_less()).await;
}

/// The shortest of them, in every `cargo test`.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_everything_away_may_die_at_every_moment() {
    sweep(&destroy().in_process()).await;
}
