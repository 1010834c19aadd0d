//! Killed as soon as the journal has a certain number of lines: after each record that a run writes.

use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
    process::{Pid, Signal, kill_process},
};

use crate::{
    judge::Judge,
    points::all,
    story::{first_up, undisturbed},
};

fn lines(journal: &Utf8Path) -> usize {
    let text = fs_err::read(journal).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// Told by the kernel of each change of a folder's files.
fn watch(folder: &Utf8Path) -> OwnedFd {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
    let watch = watch.unwrap();
    let changes = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
    inotify::add_watch(&watch, folder.as_std_path(), changes).unwrap();
    watch
}

/// Kills the process when the journal has so many lines; ends, too, when the process is gone.
fn kill_at(journal: Utf8PathBuf, number: usize, process: Pid, watch: OwnedFd) {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    loop {
        if lines(&journal) >= number {
            // It may have ended by itself.
            kill_process(process, Signal::KILL).ok();
            return;
        }
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&wait)).unwrap();
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        while events.next().is_ok() {}
        if rustix::process::test_kill_process(process).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_may_die_after_each_record_of_its_journal() {
    const PLACE: &str = "state/homelab/sim";
    let story = first_up();
    let operator = story.begin().await;
    operator.succeed(story.run).await;
    let written = lines(&operator.path(PLACE).join("journal.jsonl"));
    drop(operator);
    let (_, whole) = undisturbed(&story).await;
    let numbers: Vec<usize> = (1..=written).step_by(if all() { 1 } else { 5 }).collect();
    let mut judge = Judge::new("first up, journal records", whole, numbers.len());
    for number in numbers {
        let operator = story.begin().await;
        let folder = operator.path(PLACE);
        fs_err::create_dir_all(&folder).unwrap();
        let journal = folder.join("journal.jsonl");
        let watch = watch(&folder);
        let child = operator.start(story.run);
        let process = i32::try_from(child.id().expect("it runs")).ok().and_then(Pid::from_raw);
        let process = process.expect("a process's id is above zero");
        let seen = journal.clone();
        let killer = tokio::task::spawn_blocking(move || kill_at(seen, number, process, watch));
        let ended = operator.end(child).await;
        killer.await.unwrap();
        judge.tally.journal_records += usize::from(ended.code.is_none());
        let text = fs_err::read_to_string(&journal).unwrap_or_default();
        let last: String = text.lines().last().unwrap_or_default().chars().take(120).collect();
        let again = operator.run(story.run).await;
        let what = format!("killed after record {} of {written}: {last}", text.lines().count());
        judge.look(&operator, &what, &[&ended, &again]).await;
    }
    judge.end();
}
