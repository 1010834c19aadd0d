//! Machines that are made, killed in the making, and changed.

use serde_json::json;

use homelab::{
    model::{Marker, Vmid},
    ports::{CloneRequest, ContentKind, PowerState, Proxmox},
};

use crate::{
    ended::terminate,
    world::{BYSTANDER, Wish, World},
};

fn clones(changes: &[String]) -> Vec<&str> {
    changes.iter().filter(|line| line.contains("/clone")).map(String::as_str).collect()
}

#[tokio::test]
async fn a_run_killed_while_its_clones_are_made_goes_on_with_the_same_tasks() {
    let world = World::with(Wish { pace: 1.0, ..Wish::default() }).await;
    // The clones wait for their storage's lock, as they do behind somebody else's.
    let busy = json!({
        "method": "POST", "path": "/nodes/{node}/qemu/{vmid}/clone",
        "kind": "busy", "storage": "local-lvm", "seconds": 4.0,
    });
    world.fault(busy).await;
    let mut up = world.start(&["up", "--until", "machines", "--yes"]);
    world
        .until("both clones in the journal", async |world: &World| {
            let journal = world.journal();
            let begun = |line: &&str| line.contains("task_begun") && line.contains(":qmclone:");
            journal.lines().filter(begun).count() == 2
        })
        .await;
    up.kill().await.unwrap();
    let begun = world.changes().await;
    assert_eq!(clones(&begun).len(), 2, "{begun:?}");

    world.start_machines().await;
    let changes = world.changes().await;
    let mut clones = clones(&changes);
    clones.sort_unstable();
    assert_eq!(
        clones,
        [
            "POST /nodes/pve1/qemu/9000/clone newid=101",
            "POST /nodes/pve1/qemu/9000/clone newid=102",
        ]
    );
    let starts: Vec<_> = changes.iter().filter(|line| line.ends_with("/status/start")).collect();
    assert_eq!(starts.len(), 2, "{starts:?}");
    let bystander = format!("/qemu/{BYSTANDER}");
    assert!(!changes.iter().any(|line| line.contains(&bystander)), "{changes:?}");
}

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
    error: /state/homelab/test/journal.jsonl: the journal of `test` belongs to cluster 11111111-2222-4333-8444-555555555555, the inventory is of 99999999-2222-4333-8444-555555555555
      hint: an id that was changed: put the old `cluster.id` back; two clusters of one name: give this one another `cluster.name`
      hint: if the other one is gone for good: `homelab up --new-host` puts its journal aside
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_time_that_is_over_ends_the_run_with_124_and_says_how_to_go_on() {
    let world = World::with_machines().await;
    let up = ["up", "--until", "machines", "--yes", "--timeout", "2s"];
    let told = world.homelab(&up).await.refused(124);
    assert!(told.contains("the time given with --timeout was over"), "{told}");
    assert!(told.contains("the same command goes on from here"), "{told}");
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

#[tokio::test]
async fn what_needs_a_reboot_says_so_and_what_grows_does_not() {
    let world = World::with_machines().await;
    world.forget_requests().await;
    world.edit("disk: 6G", "disk: 7G");
    let plan = world.homelab(&["plan", "--until", "machines"]).await.well().out;
    assert!(plan.contains("scsi0: 6 GiB -> 7 GiB"), "{plan}");
    assert!(!plan.contains("[reboot]"), "{plan}");
    world.edit("cores: 1", "cores: 2");
    let plan = world.homelab(&["plan", "--until", "machines"]).await.well().out;
    assert!(plan.contains("cores: 1 -> 2") && plan.contains("[reboot]"), "{plan}");
    assert!(plan.contains("the highest price is reboot"), "{plan}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_node_that_left_the_inventory_is_told_and_deleted_only_when_that_is_asked_for() {
    let world = World::with_machines().await;
    world.forget_requests().await;
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let from = text.find("  agent:").unwrap();
    let agent = text[from..text.find("tailnet:").unwrap()].to_owned();
    world.edit(&agent, "");
    let plan = world.homelab(&["plan", "--until", "machines"]).await.well().out;
    assert!(plan.contains("agent (VMID 101) is ours and not in the inventory"), "{plan}");
    assert!(!plan.contains("[data loss]"), "{plan}");
    let plan = world.homelab(&["plan", "--until", "machines", "--prune"]).await.well().out;
    assert!(plan.contains("no longer in the inventory (--prune)"), "{plan}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_its_own_words_and_nothing_is_touched() {
    let world = World::with_machines().await;
    let id = "id: 11111111-2222-4333-8444-555555555555";
    let changes = [
        ("vmid: 101", "vmid: 105", "agent: it exists as VMID 101 on pve1, the inventory says 105"),
        ("disk: 6G", "disk: 5G", "scsi0 has 6 GiB, the inventory asks for 5 GiB: disks only grow"),
        (id, "id: 99999999-2222-4333-8444-555555555555", "belongs to cluster 11111111-"),
    ];
    for (from, to, words) in changes {
        world.edit(from, to);
        world.forget_requests().await;
        let told = world.homelab(&["up", "--yes"]).await.refused(20);
        assert!(told.contains(words), "{to}: {told}");
        assert!(world.changes().await.is_empty(), "{to}");
        world.edit(to, from);
    }
    // Without a journal the marker says whose the machines are.
    world.edit(id, "id: 99999999-2222-4333-8444-555555555555");
    let told = world.run(world.elsewhere(&["up", "--yes"])).await.refused(20);
    assert!(
        told.contains("its marker says cluster 11111111-2222-4333-8444-555555555555"),
        "{told}"
    );
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_disk_that_proxmox_could_not_free_with_its_guest_is_named_with_what_to_type() {
    let world = World::with_machines().await;
    let busy = json!({
        "method": "DELETE", "path": "/nodes/{node}/qemu/{vmid}",
        "kind": "busy", "storage": "local-lvm", "seconds": 60.0,
    });
    world.fault(busy).await;
    let told = world.homelab(&["destroy", "--node", "agent", "--yes"]).await.refused(17);
    assert!(told.contains("could not free its disk local-lvm:vm-101-disk-0"), "{told}");
    assert!(told.contains("as root on pve1: pvesm free local-lvm:vm-101-disk-0"), "{told}");
}

#[tokio::test]
async fn a_copy_that_somebody_made_of_a_guest_of_ours_is_theirs() {
    let world = World::with_machines().await;
    // Proxmox copies notes and tags with everything else, and makes up another UUID.
    let api = world.api();
    let config = api.guest_config("pve1", Vmid(102)).await.unwrap().unwrap();
    let request = CloneRequest {
        source: Vmid(102),
        target: Vmid(500),
        name: "experiment".into(),
        description: config.get("description").unwrap().into(),
        storage: Some("local-lvm".into()),
        pool: Some("homelab".into()),
        full: true,
    };
    api.clone_guest("pve1", &request).await.unwrap();
    let made = async |_: &World| {
        let copy = api.guest_config("pve1", Vmid(500)).await.ok().flatten();
        copy.is_some_and(|copy| copy.get("lock").is_none() && copy.get("tags").is_some())
    };
    world.until("the copy to be made", made).await;
    let plan = world.homelab(&["plan", "--until", "machines", "--prune"]).await.well().out;
    assert!(!plan.contains("500") && !plan.contains("[data loss]"), "{plan}");
    world.forget_requests().await;
    world.homelab(&["destroy", "--all", "--yes"]).await.well();
    let changes = world.changes().await;
    assert!(!changes.iter().any(|line| line.contains("/qemu/500")), "{changes:?}");
}

#[tokio::test]
async fn a_seed_that_vanished_before_its_guest_booted_is_made_anew_over_lost_replies() {
    let world = World::with_machines().await;
    let api = world.api();
    let seeds = async |_: &World| {
        let volumes = world.api().volumes("pve1", "local", ContentKind::Iso).await.unwrap();
        volumes.into_iter().map(|volume| volume.id).find(|id| id.contains("-agent-"))
    };
    let seed = seeds(&world).await.expect("the seed stays until first contact");
    api.stop("pve1", Vmid(101)).await.unwrap();
    let power = async |world: &World, wanted: PowerState| {
        let status = world.api().guest_status("pve1", Vmid(101)).await.unwrap().unwrap();
        status.power == wanted
    };
    world.until("the stop", async |world: &World| power(world, PowerState::Stopped).await).await;
    let before = api.guest_config("pve1", Vmid(101)).await.unwrap().unwrap();
    let former = Marker::find(before.get("description").unwrap()).unwrap().host_keys;
    api.delete_volume("pve1", &seed).await.unwrap();
    world.until("the seed to be gone", async |world: &World| seeds(world).await.is_none()).await;

    let plan = world.homelab(&["plan", "--until", "machines"]).await.well().out;
    assert!(plan.contains("its seed is gone from the storage"), "{plan}");
    // A person's edit in between, then two replies that are lost, and an upload that never came to be.
    let marking = ("PUT", "/nodes/pve1/qemu/101/config");
    let upload = ("POST", "/nodes/pve1/storage/local/upload");
    let changed = "checksum mismatch (file change by other user?)";
    for ((method, path), nth, what) in [
        (marking, 1, json!({"kind": "http", "status": 500, "reason": changed})),
        (marking, 2, json!({"kind": "drop_reply"})),
        (upload, 1, json!({"kind": "reset", "percent": 50})),
        (upload, 2, json!({"kind": "drop_reply"})),
    ] {
        let mut fault = json!({"method": method, "path": path, "nth": nth});
        fault.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        world.fault(fault).await;
    }
    let up = world.start(&["up", "--until", "machines", "--yes"]);
    world.until("the start", async |world: &World| power(world, PowerState::Running).await).await;
    terminate(&up);
    world.end(up).await;
    assert_eq!(seeds(&world).await, Some(seed));
    let after = api.guest_config("pve1", Vmid(101)).await.unwrap().unwrap();
    let keys = Marker::find(after.get("description").unwrap()).unwrap().host_keys;
    // It may have booted once: then it still shows the former one.
    assert_eq!(keys.len(), former.len() + 1);
    assert_eq!(keys[1..], former);
}

#[tokio::test]
async fn a_template_that_the_inventory_does_not_name_any_more_is_named_and_left_alone() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    world.edit("template: 9000", "template: 9001");
    world.forget_requests().await;
    let told = world.homelab(&["destroy", "--all", "--yes"]).await.well();
    assert!(told.err.contains("template 9000 on pve1 carries this cluster's marker"), "{told}");
    assert!(told.err.contains("set `image.template: 9000`"), "{told}");
    let changes = world.changes().await;
    assert!(!changes.iter().any(|line| line.contains("/qemu/9000")), "{changes:?}");
}

#[tokio::test]
async fn a_clone_that_failed_over_an_orphaned_volume_is_not_told_as_a_vmid_that_was_taken() {
    let world = World::new().await;
    let orphan = "clone failed: lvcreate 'pve/vm-102-disk-0' error: Logical Volume \"vm-102-disk-0\" already exists in volume group \"pve\"";
    world
        .fault(json!({
            "method": "POST", "path": "/nodes/{node}/qemu/{vmid}/clone",
            "kind": "task", "exit": orphan, "instead": true,
        }))
        .await;
    let up = ["up", "--until", "machines", "--node", "server", "--yes"];
    let told = world.homelab(&up).await.refused(17);
    assert!(told.contains("already exists in volume group"), "{told}");
    assert!(!told.contains("somebody else"), "{told}");
    assert!(!world.journal().contains("guest_dropped"));
}

#[tokio::test]
async fn a_vmid_that_was_taken_a_moment_earlier_is_not_called_our_dead_clone() {
    let world = World::new().await;
    let taken = json!({
        "method": "POST", "path": "/nodes/{node}/qemu/{vmid}/clone", "kind": "foreign", "vmid": 102,
    });
    world.fault(taken).await;
    let up = ["up", "--until", "machines", "--node", "server", "--yes"];
    let told = world.homelab(&up).await.refused(20);
    assert!(told.contains("was taken by somebody else a moment earlier"), "{told}");
    assert!(!told.contains("qm destroy"), "{told}");
    assert!(world.journal().contains("guest_dropped"));
}

#[tokio::test]
async fn a_seed_that_vanishes_right_before_the_first_start_is_told_and_made_anew_by_the_next_run() {
    let world = World::new().await;
    // A backup begins right before it: long enough for somebody to clear the storage.
    let backup = json!({
        "method": "POST", "path": "/nodes/pve1/qemu/101/status/start", "kind": "backup",
        "vmids": [101], "seconds": 4.0,
    });
    world.fault(backup).await;
    let up = ["up", "--until", "machines", "--node", "agent", "--yes"];
    let run = world.start(&up);
    let asked = async |world: &World| {
        world.changes().await.iter().any(|line| line.ends_with("/qemu/101/status/start"))
    };
    world.until("the start, which meets a lock", asked).await;
    let seed = seed_of(&world, "agent").await.expect("it lies there");
    world.api().delete_volume("pve1", &seed).await.unwrap();
    let told = world.end(run).await.refused(17);
    let told = told.replace(&seed, "SEED");
    insta::assert_snapshot!(told.split_once("error:").unwrap().1, @"
    agent: its seed SEED was taken off the storage before it started for the first time
     because: pve1: task qmstart 101 failed: volume 'SEED' does not exist
     a part of it was done
     hint: the next `homelab up` makes the seed anew, and starts it
    ");

    let again = world.start(&up);
    world.until("the start", async |world: &World| runs(world, 101).await).await;
    terminate(&again);
    world.end(again).await;
    assert_eq!(seed_of(&world, "agent").await, Some(seed));
}

#[tokio::test]
async fn the_seed_of_a_making_that_failed_is_swept_by_the_next_run() {
    let world = World::new().await;
    let taken = json!({
        "method": "POST", "path": "/nodes/{node}/qemu/{vmid}/clone", "kind": "foreign", "vmid": 101,
    });
    world.fault(taken).await;
    let up = ["up", "--until", "machines", "--node", "agent", "--yes"];
    let told = world.homelab(&up).await.refused(20);
    assert!(told.contains("swept by the next `homelab up`"), "{told}");
    let left = seed_of(&world, "agent").await.expect("it was uploaded before the clone");
    world.edit("vmid: 101", "vmid: 111");
    let run = world.start(&up);
    world.until("the start", async |world: &World| runs(world, 111).await).await;
    terminate(&run);
    world.end(run).await;
    let now = seed_of(&world, "agent").await;
    assert!(now.as_ref().is_some_and(|seed| *seed != left), "{now:?}, not {left}");
    let changes = world.changes().await;
    let swept = |line: &&String| line.starts_with("DELETE ") && line.ends_with(&left);
    assert_eq!(changes.iter().filter(swept).count(), 1, "{left}: {changes:?}");
}

async fn runs(world: &World, vmid: u32) -> bool {
    // Before it is there, the token may not look.
    let status = world.api().guest_status("pve1", Vmid(vmid)).await.ok().flatten();
    status.is_some_and(|status| status.power == PowerState::Running)
}

/// The first seed of a node on its storage.
async fn seed_of(world: &World, node: &str) -> Option<String> {
    let volumes = world.api().volumes("pve1", "local", ContentKind::Iso).await.unwrap();
    let named = format!("-{node}-");
    volumes.into_iter().map(|volume| volume.id).find(|id| id.contains(&named))
}

#[tokio::test]
async fn a_deletion_that_met_a_busy_lock_is_followed_by_the_one_that_did_not() {
    let world = World::with_machines().await;
    let busy = json!({
        "kind": "task", "instead": true, "method": "DELETE", "path": "/nodes/{node}/qemu/{vmid}",
        "exit": "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout",
    });
    world.fault(busy).await;
    let destroyed = world.homelab(&["destroy", "--yes"]).await.well();
    assert!(destroyed.err.contains("met a busy lock"), "{destroyed}");
    let again = world.homelab(&["destroy", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
}
