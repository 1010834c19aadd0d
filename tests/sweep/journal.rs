//! A journal that was damaged: the world is the truth, and the next run goes on from it.

use std::sync::Arc;

use homelab_lab::sim::gate::Moment;

use crate::{
    judge::Judge,
    points::{Point, points},
    stage::Stage,
    story::first_up,
    warden::Killer,
};

/// What becomes of a journal's text.
type Damage = fn(&str) -> String;

/// How long a key that nobody spent lets a machine in, in seconds, as homelab has them minted.
const KEY_LIFETIME: u32 = 600;

/// What became of a journal after its run had died, and whether records were lost by it.
const DAMAGES: [(&str, Damage, bool); 6] = [
    ("cut in the middle of its last line", |text| text[..text.len() - 12].to_owned(), true),
    ("cut in the middle", |text| text[..text.len() / 2].to_owned(), true),
    (
        "with its last line twice",
        |text| format!("{text}{}\n", text.lines().last().unwrap_or_default()),
        false,
    ),
    ("with a line that is none", |text| format!("{text}\u{0}\u{1}{{{{\n"), false),
    (
        "with its lines in another order",
        |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.reverse();
            lines.join("\n") + "\n"
        },
        false,
    ),
    ("gone", |_| String::new(), true),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_damaged_journal_of_a_dead_run_makes_nothing_twice() {
    let story = first_up();
    let mut stage = Stage::of(&story).await;
    let (effects, whole) = stage.undisturbed().await;
    let points = points(&effects).into_iter().filter(|point| point.moment == Moment::After);
    let points: Vec<Point> = points.collect();
    let mut judge = Judge::new("first up, damaged journals", whole, 3 * DAMAGES.len());
    // Early, in the middle and late; always with an answer lost, too.
    for share in [3, 5, 8] {
        let point = &points[points.len() * share / 10];
        for (name, damage, lost) in DAMAGES {
            let operator = stage.again().await;
            let killer = Arc::new(Killer::new(point.clone()));
            operator.world.gate.set_warden(Some(killer.clone()));
            let child = operator.start(story.run);
            killer.watch(&child);
            let ended = operator.end(child).await;
            operator.world.gate.set_warden(None);
            let journal = operator.path("state/homelab/sim/journal.jsonl");
            let text = fs_err::read_to_string(&journal).unwrap();
            fs_err::write(&journal, damage(&text)).unwrap();
            judge.tally.damaged_journals += 1;
            let again = operator.run(story.run).await;
            if lost {
                // With its record went what told that a key was ours. Its secret died with the run, and it
                // ends by itself.
                operator.world.tailnet.let_pass(KEY_LIFETIME);
            }
            assert!(killer.done(), "{point:?} did not come");
            let what = format!("{name}, after {}", point.effect.kind);
            judge.look(operator, &what, &[&ended, &again]).await;
        }
    }
    judge.end();
}
