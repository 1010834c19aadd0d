//! Machines that are made, killed in the making, and changed.

use crate::world::{BYSTANDER, World};

#[tokio::test]
async fn a_smaller_disk_is_refused_with_the_reason() {
    let world = World::with_machines().await;
    world.forget_requests().await;
    world.edit("disk: 6G", "disk: 5G");
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: server (VMID 102): scsi0 has 6 GiB, the inventory asks for 5 GiB: disks only grow
    agent (VMID 101): scsi0 has 6 GiB, the inventory asks for 5 GiB: disks only grow
      hint: set the size back in the inventory; to have a smaller disk, rebuild the node
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn the_clusters_id_cannot_be_changed() {
    let world = World::with_machines().await;
    world.forget_requests().await;
    world.edit("11111111-", "99999999-");
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: /state/homelab/test/journal.jsonl: the journal of `test` was written for another cluster id
      hint: if the host was reinstalled or renamed: `homelab up --new-host` archives the journal
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_time_that_is_over_ends_the_run_with_124_and_says_how_to_go_on() {
    let world = World::with_machines().await;
    let up = ["up", "--until", "machines", "--yes", "--timeout", "2s"];
    let told = world.homelab(&up).await.refused(124);
    assert!(told.contains("the time given with --timeout was over"), "{told}");
    assert!(told.contains("`homelab up` goes on from here"), "{told}");
}

#[tokio::test]
async fn destroy_removes_what_is_ours_and_nothing_else_and_then_has_nothing_to_do() {
    let world = World::with_machines().await;
    world.forget_requests().await;
    world.homelab(&["destroy", "--all", "--yes"]).await.well();
    let mut changes = world.changes().await;
    let bystander = format!("/qemu/{BYSTANDER}");
    assert!(!changes.iter().any(|line| line.contains(&bystander)), "{changes:?}");
    changes.retain(|line| line.starts_with("DELETE /nodes/pve1/qemu/"));
    changes.sort_unstable();
    assert_eq!(
        changes,
        [
            "DELETE /nodes/pve1/qemu/101",
            "DELETE /nodes/pve1/qemu/102",
            "DELETE /nodes/pve1/qemu/9000",
        ]
    );
    world.forget_requests().await;
    let again = world.homelab(&["destroy", "--all", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
    assert!(world.changes().await.is_empty());
}
