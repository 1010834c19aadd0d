//! Faults that are asked for.

use super::*;

#[tokio::test]
async fn a_dropped_reply_leaves_the_deed_done() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "drop_reply", "method": "POST", "path": "/pools" });
    world.door("POST", "/lab/faults", fault).await;
    let first = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(first.head, "");
    let second = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(second.status(), "HTTP/1.1 500 create pool failed: pool 'ours' already exists");
}

#[test]
fn a_fault_with_a_field_of_another_kind_is_refused() {
    let text = br#"{"kind":"drop_reply","seconds":3}"#;
    assert_eq!(
        crate::pve::Fault::parse(text).unwrap_err(),
        "a fault 'drop_reply' has no field 'seconds'"
    );
}

#[tokio::test]
async fn an_http_fault_strikes_the_nth_request_only() {
    let world = world(root_only()).await;
    let fault = json!({
        "kind": "http", "status": 596, "reason": "Connection timed out",
        "method": "GET", "path": "/version", "nth": 2,
    });
    world.door("POST", "/lab/faults", fault).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(world.root("GET", "/version", "").await.status().to_owned());
    }
    assert_eq!(seen, ["HTTP/1.1 200 OK", "HTTP/1.1 596 Connection timed out", "HTTP/1.1 200 OK"]);
}

#[tokio::test]
async fn a_reset_connection_does_nothing() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "reset", "percent": 50, "method": "POST", "path": "/pools" });
    world.door("POST", "/lab/faults", fault).await;
    assert_eq!(world.root("POST", "/pools", "poolid=ours").await.head, "");
    let pools = world.root("GET", "/pools", "").await;
    assert_eq!(pools.body["data"], json!([]));
}

#[tokio::test]
async fn a_task_fault_ends_the_task_as_asked() {
    let mut setup = root_only();
    setup.guests.push(bystander(100));
    let world = world(setup).await;
    let path = "/nodes/{node}/qemu/{vmid}/status/start";
    let fault = json!({ "kind": "task", "exit": "WARNINGS: 1", "path": path });
    world.door("POST", "/lab/faults", fault).await;
    let start = world.root("POST", "/nodes/pve1/qemu/100/status/start", "").await;
    let upid = start.body["data"].as_str().unwrap().to_owned();
    let status = loop {
        let status = world.root("GET", &format!("/nodes/pve1/tasks/{upid}/status"), "").await;
        if status.body["data"]["status"] == "stopped" {
            break status;
        }
    };
    assert_eq!(status.body["data"]["exitstatus"], "WARNINGS: 1");
    let current = world.root("GET", "/nodes/pve1/qemu/100/status/current", "").await;
    assert_eq!(current.body["data"]["status"], "running");
}

#[tokio::test]
async fn a_foreign_guest_appears_right_before_a_request() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "foreign", "vmid": 300, "path": "/cluster/nextid", "nth": 2 });
    world.door("POST", "/lab/faults", fault).await;
    let ask = "/cluster/nextid?vmid=300";
    assert_eq!(world.root("GET", ask, "").await.body["data"], "300");
    assert_eq!(world.root("GET", ask, "").await.body["errors"]["vmid"], "VM 300 already exists");
}

#[tokio::test]
async fn a_lock_refuses_changes_until_it_is_gone() {
    let mut setup = root_only();
    setup.guests.push(bystander(100));
    let world = world(setup).await;
    let fault = json!({ "kind": "lock", "vmid": 100, "lock": "backup", "seconds": 0.0 });
    world.door("POST", "/lab/faults", fault).await;
    let change = world.root("PUT", "/nodes/pve1/qemu/100/config", "cores=2").await;
    assert_eq!(change.status(), "HTTP/1.1 500 VM is locked (backup)");
}

#[tokio::test]
async fn a_backup_locks_its_guests_in_turn_and_its_task_names_the_only_one() {
    let mut setup = root_only();
    setup.guests.extend([bystander(100), bystander(101)]);
    let world = world(setup).await;
    let active = async || {
        let answer = world.root("GET", "/nodes/pve1/tasks?source=active", "").await;
        let tasks = answer.body["data"].as_array().unwrap().clone();
        tasks.iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (vmids, id) in [(json!([101]), "101"), (json!([101, 100]), "")] {
        let fault = json!({ "kind": "backup", "vmids": vmids, "seconds": 0.2 });
        world.door("POST", "/lab/faults", fault).await;
        assert_eq!(active().await, [id]);
        let change = world.root("PUT", "/nodes/pve1/qemu/101/config", "cores=2").await;
        assert_eq!(change.status(), "HTTP/1.1 500 VM is locked (backup)");
        while !active().await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let change = world.root("PUT", "/nodes/pve1/qemu/101/config", "cores=2").await;
        assert_eq!(change.status(), "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_daemon_that_is_down_refuses_protected_calls_only() {
    let world = world(root_only()).await;
    world.door("POST", "/lab/daemon", json!({ "up": false })).await;
    let protected = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(protected.status(), "HTTP/1.1 595 Connection refused");
    assert_eq!(world.root("GET", "/version", "").await.status(), "HTTP/1.1 200 OK");
}
