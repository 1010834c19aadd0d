//! stdout and stderr that do not take what is written.

use std::process::Stdio;

use crate::world::World;

fn full() -> Stdio {
    fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap().into_parts().0.into()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

const PRINTING: &[&[&str]] = &[
    &["version"],
    &["--version"],
    &["--help"],
    &["schema"],
    &["completions", "bash"],
    &["man", "man1"],
    &["validate"],
    &["validate", "-o", "json"],
    &["config", "show", "--origin"],
    &["config", "show"],
    &["render"],
    &["render", "probe"],
    &["init", "proxmox-role"],
    &["init", "tailnet-policy"],
    &["plan", "--until", "image"],
    &["status", "-o", "json"],
    &["up", "--until", "image", "--yes", "-o", "json"],
];

#[tokio::test]
async fn a_full_disk_ends_with_10_and_says_so() {
    let world = World::new().await;
    for arguments in PRINTING {
        let mut command = world.command(arguments);
        command.stdout(full());
        let told = world.run(command).await.refused(10);
        assert!(told.contains("stdout cannot be written: No space left"), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn a_reader_that_went_away_changes_nothing_of_the_exit_code() {
    let world = World::new().await;
    for arguments in PRINTING {
        let mut command = world.command(arguments);
        command.stdout(closed());
        let ended = world.run(command).await.well();
        assert!(!ended.err.contains("error") && !ended.err.contains("panicked"), "{ended}");
    }
    let mut command = world.command(&["plan", "--until", "machines", "--detailed-exitcode"]);
    command.stdout(closed());
    assert_eq!(world.run(command).await.code, Some(2));
}

#[tokio::test]
async fn a_stderr_that_takes_nothing_does_not_stop_a_run() {
    let world = World::new().await;
    for stderr in [full, closed] {
        let mut command = world.command(&["up", "--until", "image", "--yes", "-vv"]);
        command.stderr(stderr());
        world.run(command).await.well();
        let mut command = world.command(&["plan", "-c", "nowhere.yaml"]);
        command.stderr(stderr());
        assert_eq!(world.run(command).await.code, Some(15));
        let mut command = world.command(&["no-such-command"]);
        command.stderr(stderr());
        assert_eq!(world.run(command).await.code, Some(64));
    }
}
