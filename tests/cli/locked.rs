//! Guests that somebody else works on: a lock is waited out while a task is at work, and never taken away.

use serde_json::{Value, json};

use crate::{ended::Ended, world::World};

/// A backup of guests that begins right before a request.
async fn backup_before(world: &World, vmids: &[u32], method: &str, path: &str) {
    let fault =
        json!({"kind": "backup", "vmids": vmids, "seconds": 1.5, "method": method, "path": path});
    world.fault(fault).await;
}

/// What was waited for that is a lock, and what was seen of it.
fn waits(ended: &Ended) -> Vec<(String, String)> {
    let events = ended.out.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events
        .filter(|event| event["event"] == "waiting")
        .map(|event| (text(&event, "wanted"), text(&event, "seen")))
        .filter(|(wanted, _)| wanted.contains("lock"))
        .collect()
}

#[tokio::test]
async fn a_guest_under_backup_is_waited_for_before_it_is_configured_grown_and_started() {
    for (method, path) in [
        ("PUT", "/nodes/pve1/qemu/101/config"),
        ("PUT", "/nodes/pve1/qemu/101/resize"),
        ("POST", "/nodes/pve1/qemu/101/status/start"),
    ] {
        let world = World::new().await;
        backup_before(&world, &[101], method, path).await;
        if let Err(ended) = world.try_to_start_machines().await {
            panic!("{method} {path}: {ended}");
        }
    }
}

#[tokio::test]
async fn a_template_under_backup_is_waited_for_before_it_is_cloned() {
    let world = World::new().await;
    backup_before(&world, &[9000], "POST", "/nodes/pve1/qemu/9000/clone").await;
    if let Err(ended) = world.try_to_start_machines().await {
        panic!("{ended}");
    }
}

#[tokio::test]
async fn a_backup_of_many_guests_may_be_about_any_of_them_and_the_wait_is_told() {
    let world = World::with_machines().await;
    backup_before(&world, &[101, 104], "DELETE", "/nodes/pve1/qemu/101").await;
    let ended = world.homelab(&["destroy", "--yes", "-o", "json"]).await.well();
    let waits = waits(&ended);
    let (wanted, seen) = waits.first().expect("a lock was waited for");
    assert_eq!(wanted, "lock `backup` of VM 101 on pve1 to go");
    assert!(seen.starts_with("UPID:pve1:") && seen.ends_with(":vzdump::root@pam: runs"), "{seen}");
}

#[tokio::test]
async fn a_guest_that_is_somebody_elses_when_its_lock_is_gone_is_not_deleted() {
    let world = World::with_machines().await;
    let delete = "/nodes/pve1/qemu/101";
    backup_before(&world, &[101], "DELETE", delete).await;
    let destroy = world.start(&["destroy", "--yes", "--node", "agent"]);
    world
        .until("the refused deletion", async |world: &World| {
            world.changes().await.iter().any(|line| line == &format!("DELETE {delete}"))
        })
        .await;
    let notes = json!({"description": "somebody's", "skiplock": 1});
    world.as_root("PUT", &format!("{delete}/config"), notes).await;
    let told = world.end(destroy).await.refused(20);
    assert!(told.contains("does not carry the marker of agent"), "{told}");
}

#[tokio::test]
async fn a_lock_that_nobody_works_under_is_told_and_left() {
    let world = World::with_machines().await;
    world.as_root("POST", "/nodes/pve1/qemu/101/status/stop", json!({})).await;
    world.forget_requests().await;
    let start = "/nodes/pve1/qemu/101/status/start";
    let lock = json!({"kind": "lock", "vmid": 101, "lock": "backup", "seconds": 0.0,
        "method": "POST", "path": start});
    world.fault(lock).await;
    let told = world.homelab(&["up", "--until", "machines", "--node", "agent", "--yes"]).await;
    let told = told.refused(17);
    assert!(told.contains("VM is locked (backup), and no task on pve1 works on it"), "{told}");
    assert!(told.contains("`qm unlock 101`"), "{told}");
    assert!(told.contains("can damage"), "{told}");
    let changes = world.changes().await;
    let starts = changes.iter().filter(|line| line.ends_with(start)).count();
    assert_eq!(starts, 1, "it is not asked again: {changes:#?}");
}

#[tokio::test]
async fn a_template_that_is_locked_is_a_template() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let lock = json!({"kind": "lock", "vmid": 9000, "lock": "backup", "seconds": 0.0});
    world.fault(lock).await;
    let plan = world.homelab(&["plan", "--until", "image", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, Some(0), "{plan}");
}

/// A clone of ours that died half way is a guest that was never configured; this one was, and may hold anything.
#[tokio::test]
async fn a_whole_guest_with_the_lock_of_a_clone_is_never_said_to_be_destroyed() {
    let world = World::with_machines().await;
    world.fault(json!({"kind": "lock", "vmid": 101, "lock": "clone", "seconds": 0.0})).await;
    let told = world.homelab(&["destroy", "--yes"]).await.refused(17);
    assert!(told.contains("VM is locked (clone)") && told.contains("qm unlock 101"), "{told}");
    assert!(!told.contains("qm destroy"), "{told}");
    assert!(!told.contains("half"), "{told}");
}
