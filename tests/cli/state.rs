//! The state folder: who may read it, who holds it, what becomes of a damaged one.

use std::os::unix::fs::PermissionsExt;

use crate::{ended::terminate, world::World};

#[tokio::test]
async fn a_second_up_at_the_same_time_is_told_who_holds_the_cluster() {
    let world = World::new().await;
    fs_err::create_dir_all(world.state()).unwrap();
    let lock = fs_err::File::create(world.state().join("lock")).unwrap();
    lock.file().lock().unwrap();
    fs_err::write(world.state().join("lock"), "process 4711 since this morning\n").unwrap();
    let told = world.homelab(&["up", "--yes"]).await.refused(21);
    insta::assert_snapshot!(told, @r##"
    error: /state/homelab/test/lock: the cluster is held by process 4711 since this morning
      hint: wait for it to end; a run that died has let go of the lock already
    "##);
    assert!(world.changes().await.is_empty());
    world.homelab(&["plan", "--until", "image"]).await.well();
    drop(lock);
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
}

#[tokio::test]
async fn of_two_that_run_at_the_same_time_the_second_is_told_of_the_first() {
    let world = World::with_machines().await;
    let first = world.start(&["up", "--until", "machines", "--yes"]);
    let process = format!("process {}, since 20", first.id().unwrap());
    let lock = world.state().join("lock");
    let held =
        async |_: &World| fs_err::read_to_string(&lock).unwrap_or_default().contains(&process);
    world.until("the first to hold the lock", held).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(21);
    assert!(told.contains(&process), "{told}");
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap().replace('-', "_");
    assert!(told.contains(&format!("@{}", host.trim())), "{told}");
    // It may still be looking, and not be listening for requests to stop yet.
    terminate(&first);
    world.end(first).await;
}

#[tokio::test]
async fn state_is_for_its_owner_alone_and_holds_no_secret() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let mode =
        |path: &camino::Utf8Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.state()), 0o700);
    let secret = world.secret();
    let mut files = 0;
    for entry in world.state().read_dir_utf8().unwrap().flatten() {
        assert_eq!(mode(entry.path()), 0o600, "{}", entry.path());
        assert!(!fs_err::read_to_string(entry.path()).unwrap().contains(&secret));
        files += 1;
    }
    assert!(files >= 2, "journal and lock");
}

#[tokio::test]
async fn a_journal_with_lines_that_cannot_be_read_does_not_stop_a_run() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let whole = world.journal();
    let damaged = whole.replacen("step_started", "\u{0}torn\u{0}", 1) + "{\"record\":\"run_st";
    fs_err::write(world.state().join("journal.jsonl"), damaged).unwrap();
    world.forget_requests().await;
    let again = world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
    assert!(again.err.contains("lines that cannot be read"), "{again}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn with_its_state_deleted_a_run_sees_what_is_there() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    fs_err::remove_dir_all(world.state()).unwrap();
    world.forget_requests().await;
    let again = world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_journal_of_a_newer_program_is_not_touched() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let newer = world.journal().replacen("\"version\":1", "\"version\":99", 1);
    fs_err::write(world.state().join("journal.jsonl"), &newer).unwrap();
    let told = world.homelab(&["up", "--until", "image", "--yes"]).await.refused(10);
    assert!(told.contains("the journal has version 99"), "{told}");
    assert_eq!(world.journal(), newer);
}

#[tokio::test]
async fn a_run_that_never_reached_its_proxmox_binds_nothing_to_it() {
    let world = World::new().await;
    world.edit("endpoint: https://127.0.0.1", "endpoint: https://127.9.9.9");
    world.homelab(&["up", "--until", "image", "--yes"]).await.refused(14);
    world.edit("endpoint: https://127.9.9.9", "endpoint: https://127.0.0.1");
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    // From now on there is something to remember.
    world.edit("endpoint: https://127.0.0.1", "endpoint: https://127.9.9.9");
    let told = world.homelab(&["up", "--until", "image", "--yes"]).await.refused(20);
    assert!(told.contains("`--new-host` puts the journal aside"), "{told}");
}
