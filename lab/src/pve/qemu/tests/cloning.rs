//! Clones: what is there while they are made, and what is left when they end early.

use std::time::Duration;

use super::*;

/// A stopped guest with a disk of 64 MiB, of which a limited clone takes about two seconds.
async fn big_source(lab: &Lab) {
    lab.file(Content::Import, "big.raw", 64 << 20, b"big");
    let disk = "local-lvm:0,import-from=local:import/big.raw";
    lab.done(Post, "/qemu", json!({ "vmid": 100, "scsi0": disk })).await;
}

async fn slow_clone(lab: &Lab) -> Value {
    let body = json!({ "newid": 200, "full": 1, "description": "marker", "bwlimit": 32 << 10 });
    let upid = lab.call(Post, "/qemu/100/clone", body).await.unwrap();
    while lab.state().qemu.find(200).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    upid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_locked_and_has_no_description_until_its_first_disk_is_there() {
    let lab = Lab::new().await;
    big_source(&lab).await;
    let upid = slow_clone(&lab).await;
    assert!(upid.as_str().unwrap().contains(":qmclone:100:"), "the source's VMID: {upid}");
    let config = lab.get("/qemu/200/config").await;
    assert_eq!(config["lock"], "clone");
    assert_eq!(config["description"], Value::Null);
    assert_eq!(config["scsi0"], Value::Null);
    assert_eq!(lab.get("/qemu/200/status/current").await["lock"], "clone");
    assert_eq!(
        lab.refused(Put, "/qemu/200/config", json!({ "cores": 2 })).await,
        "VM is locked (clone)"
    );
    let start = lab.task(Post, "/qemu/200/status/start", json!({})).await;
    assert!(start.status.ends_with("lock-200.conf' - got timeout"), "{}", start.status);
    assert_eq!(lab.ended(&upid).await.status, "OK");
    let config = lab.get("/qemu/200/config").await;
    assert_eq!(config["description"], "marker");
    assert_eq!(config["lock"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_source_is_cloned_side_by_side_but_not_changed_meanwhile() {
    let lab = Lab::new().await;
    big_source(&lab).await;
    let upid = slow_clone(&lab).await;
    let text = lab.refused(Put, "/qemu/100/config", json!({ "description": "x" })).await;
    assert_eq!(text, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
    lab.done(Post, "/qemu/100/clone", json!({ "newid": 201, "full": 1 })).await;
    assert_eq!(lab.ended(&upid).await.status, "OK");
    lab.call(Put, "/qemu/100/config", json!({ "description": "x" })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_is_stopped_leaves_nothing() {
    let lab = Lab::new().await;
    big_source(&lab).await;
    let upid = slow_clone(&lab).await;
    let path = format!("/tasks/{}", upid.as_str().unwrap());
    lab.call(Delete, &path, json!({})).await.unwrap();
    let ended = lab.ended(&upid).await;
    assert!(ended.status.starts_with("clone failed: copy failed:"), "{}", ended.status);
    assert!(ended.status.ends_with("failed: interrupted by signal"), "{}", ended.status);
    assert!(lab.state().qemu.find(200).is_none());
    let place = lab.state().storage.on_node("pve1", "local-lvm").unwrap();
    assert!(place.images().iter().all(|image| image.volume.vmid != Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_being_cloned_to_is_taken_already() {
    let lab = Lab::new().await;
    big_source(&lab).await;
    let upid = slow_clone(&lab).await;
    assert_eq!(
        lab.refused(Post, "/qemu/100/clone", json!({ "newid": 200, "full": 1 })).await,
        "unable to create VM 200: config file already exists"
    );
    assert_eq!(lab.ended(&upid).await.status, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_creations_and_clones_of_one_id_exactly_one_wins() {
    // Who waits for the lock of a VMID has time for it on a busy computer, too.
    let lab = Lab::paced(0.2).await;
    lab.template().await;
    let clone = || lab.call(Post, "/qemu/9000/clone", json!({ "newid": 300, "full": 1 }));
    let (one, other) = tokio::join!(clone(), clone());
    let mut ends = Vec::new();
    for answer in [one, other] {
        ends.push(match answer {
            Ok(upid) => lab.ended(&upid).await.status,
            Err(error) => error.exit_status(),
        });
    }
    assert_eq!(ends.iter().filter(|end| *end == "OK").count(), 1, "{ends:?}");
    let lost = ends.iter().find(|end| *end != "OK").unwrap();
    // Who loses waits a second for the winner's lock (here a fiftieth of it). Whether the copy is made
    // by then is the disk's affair: before, it is the lock that is missed, after, the file is there.
    let texts = [
        "unable to create VM 300: config file already exists",
        "can't lock file '/var/lock/qemu-server/lock-300.conf' - got timeout",
    ];
    assert!(texts.contains(&lost.as_str()), "{lost}");
    let create = || lab.call(Post, "/qemu", json!({ "vmid": 301 }));
    let (one, other) = tokio::join!(create(), create());
    let errors: Vec<String> =
        [one, other].into_iter().filter_map(Result::err).map(|e| e.exit_status()).collect();
    assert_eq!(errors, ["unable to create VM 301 - VM 301 already exists on node 'pve1'"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_has_identities_of_its_own() {
    let lab = Lab::new().await;
    lab.template().await;
    lab.done(Post, "/qemu/9000/clone", json!({ "newid": 300, "full": 1 })).await;
    let (source, clone) = (lab.get("/qemu/9000/config").await, lab.get("/qemu/300/config").await);
    for key in ["net0", "smbios1", "vmgenid", "scsi0"] {
        assert_ne!(source[key], clone[key], "{key}");
    }
    assert_eq!(clone["name"], "Copy-of-VM-golden");
    assert_eq!(clone["template"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_clones_need_a_base_and_hold_it_in_a_directory() {
    let lab = Lab::new().await;
    lab.file(Content::Import, "debian.raw", 8 << 20, b"boot");
    let disk = "dirstore:0,import-from=local:import/debian.raw,format=qcow2";
    lab.done(Post, "/qemu", json!({ "vmid": 330, "scsi0": disk })).await;
    assert_eq!(
        lab.refused(Post, "/qemu/330/clone", json!({ "newid": 331, "full": 0 })).await,
        "Linked clone feature is not supported for 'dirstore:330/vm-330-disk-0.qcow2' (scsi0)"
    );
    lab.done(Post, "/qemu/330/template", json!({})).await;
    lab.done(Post, "/qemu/330/clone", json!({ "newid": 331 })).await;
    assert_eq!(
        lab.get("/qemu/331/config").await["scsi0"],
        "dirstore:330/base-330-disk-0.qcow2/331/vm-331-disk-0.qcow2,size=8M"
    );
    assert_eq!(lab.disk_begins(331, "scsi0", 4).await, b"boot");
    assert_eq!(
        lab.task(Delete, "/qemu/330", json!({})).await.status,
        "base volume 'dirstore:330/base-330-disk-0.qcow2' is still in use by linked cloned"
    );
    lab.done(Delete, "/qemu/331", json!({})).await;
    lab.done(Delete, "/qemu/330", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_clones_that_race_for_a_vmid_one_is_made_and_the_others_say_why_not() {
    let lab = Lab::new().await;
    lab.template().await;
    let clone = || lab.call(Post, "/qemu/9000/clone", json!({ "newid": 101, "full": 1 }));
    let (first, second, third) = tokio::join!(clone(), clone(), clone());
    let mut ends = Vec::new();
    for begun in [first, second, third] {
        // Refused at once, or in its task: that depends on who comes when.
        ends.push(match begun {
            Ok(upid) => lab.ended(&upid).await.status,
            Err(refused) => refused.exit_status(),
        });
    }
    ends.sort();
    let taken = "unable to create VM 101: config file already exists";
    assert_eq!(ends, ["OK", taken, taken]);
    let late = lab.refused(Post, "/qemu/9000/clone", json!({ "newid": 101, "full": 1 })).await;
    assert_eq!(late, taken);
}
