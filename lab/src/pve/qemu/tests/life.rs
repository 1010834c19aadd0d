//! What a guest's configuration and its power do to each other.

use super::*;

async fn running(lab: &Lab) {
    let body = json!({ "vmid": 100, "memory": "256", "scsi0": "local-lvm:1", "cores": 1 });
    lab.done(Post, "/qemu", body).await;
    lab.done(Post, "/qemu/100/status/start", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cores_of_a_running_guest_wait_for_its_next_start() {
    let lab = Lab::new().await;
    running(&lab).await;
    lab.call(Put, "/qemu/100/config", json!({ "cores": 4 })).await.unwrap();
    assert_eq!(lab.get("/qemu/100/config").await["cores"], 4);
    let current = lab.call(Get, "/qemu/100/config", json!({ "current": 1 })).await.unwrap();
    assert_eq!(current["cores"], 1);
    let pending = lab.get("/qemu/100/pending").await;
    assert!(
        pending.as_array().unwrap().contains(&json!({ "key": "cores", "value": 1, "pending": 4 }))
    );
    assert_eq!(lab.paper.spec(100).unwrap().cores, 1);
    lab.done(Post, "/qemu/100/status/reboot", json!({})).await;
    assert_eq!(lab.paper.spec(100).unwrap().cores, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_change_can_be_taken_back() {
    let lab = Lab::new().await;
    running(&lab).await;
    lab.call(Put, "/qemu/100/config", json!({ "cores": 4 })).await.unwrap();
    lab.call(Put, "/qemu/100/config", json!({ "revert": "cores" })).await.unwrap();
    assert_eq!(lab.get("/qemu/100/config").await["cores"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_guest_hears_of_a_grown_disk() {
    let lab = Lab::new().await;
    running(&lab).await;
    lab.done(Put, "/qemu/100/resize", json!({ "disk": "scsi0", "size": "+1G" })).await;
    assert_eq!(lab.paper.spec(100).unwrap().disks[0].bytes, 2 << 30);
    let shrink = json!({ "disk": "scsi0", "size": "1G" });
    assert_eq!(
        lab.task(Put, "/qemu/100/resize", shrink).await.status,
        "shrinking disks is not supported"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_powers_itself_off_is_stopped() {
    let lab = Lab::new().await;
    running(&lab).await;
    let current = lab.get("/qemu/100/status/current").await;
    assert_eq!(current["status"], "running");
    assert!(current["pid"].is_number() && current["uptime"].is_number());
    lab.paper.power_off_from_inside(100);
    assert_eq!(lab.get("/qemu/100/status/current").await["status"], "stopped");
    lab.done(Post, "/qemu/100/status/start", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_ignores_the_button_is_stopped_by_force_only() {
    let lab = Lab::new().await;
    running(&lab).await;
    lab.paper.set_heed_power_button(false);
    let timeout = json!({ "timeout": 1 });
    assert_eq!(
        lab.task(Post, "/qemu/100/status/shutdown", timeout).await.status,
        "VM quit/powerdown failed - got timeout"
    );
    lab.done(Post, "/qemu/100/status/shutdown", json!({ "timeout": 1, "forceStop": 1 })).await;
    assert_eq!(lab.get("/qemu/100/status/current").await["status"], "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_shutdown_unless_it_overrules_it() {
    let lab = Lab::new().await;
    running(&lab).await;
    lab.paper.set_heed_power_button(false);
    let shutdown =
        lab.call(Post, "/qemu/100/status/shutdown", json!({ "timeout": 3600 })).await.unwrap();
    // Its task has begun by then, and holds the guest.
    lab.paper.pressed().await;
    let stop = lab.task(Post, "/qemu/100/status/stop", json!({})).await;
    assert!(stop.status.ends_with("got timeout"), "{}", stop.status);
    lab.done(Post, "/qemu/100/status/stop", json!({ "overrule-shutdown": 1 })).await;
    assert_eq!(lab.ended(&shutdown).await.status, "received interrupt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_what_someone_else_changed_is_refused() {
    let lab = Lab::new().await;
    lab.done(Post, "/qemu", json!({ "vmid": 100 })).await;
    let digest = lab.get("/qemu/100/config").await["digest"].clone();
    lab.call(Put, "/qemu/100/config", json!({ "cores": 2, "digest": digest })).await.unwrap();
    assert_eq!(
        lab.refused(Put, "/qemu/100/config", json!({ "cores": 3, "digest": digest })).await,
        "checksum mismatch (file change by other user?)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_not_destroyed_while_it_runs_or_is_protected() {
    let lab = Lab::new().await;
    running(&lab).await;
    assert_eq!(
        lab.refused(Delete, "/qemu/100", json!({})).await,
        "VM 100 is running - destroy failed"
    );
    lab.done(Post, "/qemu/100/status/stop", json!({})).await;
    lab.call(Put, "/qemu/100/config", json!({ "protection": 1 })).await.unwrap();
    assert_eq!(
        lab.refused(Delete, "/qemu/100", json!({})).await,
        "can't remove VM 100 - protection mode enabled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_medium_or_bridge_is_gone_does_not_start() {
    let lab = Lab::new().await;
    lab.file(Content::Iso, "seed.iso", 4096, b"seed");
    let body = json!({ "vmid": 100, "ide2": "local:iso/seed.iso,media=cdrom" });
    lab.done(Post, "/qemu", body).await;
    lab.done(Delete, "/storage/local/content/local:iso/seed.iso", json!({})).await;
    assert_eq!(
        lab.task(Post, "/qemu/100/status/start", json!({})).await.status,
        "volume 'local:iso/seed.iso' does not exist"
    );
    lab.done(Post, "/qemu", json!({ "vmid": 101, "net0": "virtio,bridge=vmbr77" })).await;
    assert_eq!(
        lab.task(Post, "/qemu/101/status/start", json!({})).await.status,
        "bridge 'vmbr77' does not exist"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_the_bytes_back() {
    let lab = Lab::new().await;
    lab.file(Content::Import, "debian.raw", 8 << 20, b"before");
    let disk = "local-lvm:0,import-from=local:import/debian.raw";
    lab.done(Post, "/qemu", json!({ "vmid": 100, "scsi0": disk })).await;
    lab.done(Post, "/qemu/100/snapshot", json!({ "snapname": "s1" })).await;
    let id = VolumeId::new("local-lvm", "vm-100-disk-0");
    let (place, volume) = lab.state().storage.locate("pve1", &id).unwrap();
    std::fs::File::options()
        .write(true)
        .open(place.file(&volume))
        .unwrap()
        .write_all_at(b"after!", 0)
        .unwrap();
    assert_eq!(lab.disk_begins(100, "scsi0", 6).await, b"after!");
    lab.done(Post, "/qemu/100/snapshot/s1/rollback", json!({})).await;
    assert_eq!(lab.disk_begins(100, "scsi0", 6).await, b"before");
    lab.done(Delete, "/qemu/100/snapshot/s1", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_creation_leaves_neither_guest_nor_volumes() {
    let lab = Lab::new().await;
    let body = json!({ "vmid": 100, "scsi0": "local-lvm:1",
        "scsi1": "local-lvm:vm-100-disk-7" });
    let ended = lab.task(Post, "/qemu", body).await;
    assert_eq!(ended.status, "unable to create VM 100 - no such logical volume pve/vm-100-disk-7");
    assert!(lab.state().qemu.find(100).is_none());
    let place = lab.state().storage.on_node("pve1", "local-lvm").unwrap();
    assert_eq!(place.images(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_asked_only_where_it_is_in_force() {
    let lab = Lab::new().await;
    running(&lab).await;
    assert_eq!(
        lab.refused(Post, "/qemu/100/agent/ping", json!({})).await,
        "No QEMU guest agent configured"
    );
    lab.call(Put, "/qemu/100/config", json!({ "agent": "1" })).await.unwrap();
    assert_eq!(
        lab.refused(Post, "/qemu/100/agent/ping", json!({})).await,
        "No QEMU guest agent configured"
    );
    lab.done(Post, "/qemu/100/status/reboot", json!({})).await;
    let answer = lab.call(Post, "/qemu/100/agent/ping", json!({})).await.unwrap();
    assert_eq!(answer, json!({ "result": {} }));
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_and_tasks_outlive_the_emulator() {
    let lab = Lab::new().await;
    lab.done(Post, "/qemu", json!({ "vmid": 100, "scsi0": "local-lvm:1" })).await;
    let again = super::super::Table::new(&lab.state().config);
    assert_eq!(again.find(100), lab.state().qemu.find(100));
    let tasks = crate::pve::task::Table::new(&lab.state().config).youngest_first();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].status().as_deref(), Some("OK"));
    assert_eq!(tasks[0].upid().kind, "qmcreate");
}
