//! Guests that somebody put under high availability (PVE-34).

use serde_json::{Value, json};

use crate::{ended::terminate, world::World};

const AGENT: u32 = 101;

/// Machines that run, one of them under high availability.
async fn managed() -> World {
    let world = World::with_machines().await;
    let resource = json!({ "sid": format!("vm:{AGENT}"), "state": "started" });
    world.as_root("POST", "/cluster/ha/resources", resource).await;
    world
}

fn starts(world: &World) -> usize {
    let done = |line: &&str| line.contains("step_finished") && line.contains("\"done\"");
    let journal = world.journal();
    journal.lines().filter(done).filter(|line| line.contains("\"machines/start/agent\"")).count()
}

#[tokio::test]
async fn a_guest_under_high_availability_counts_as_started_when_it_runs() {
    let world = World::with_machines().await;
    let stop = format!("/nodes/pve1/qemu/{AGENT}/status/stop");
    world.as_root("POST", &stop, Value::Null).await;
    let resource = json!({ "sid": format!("vm:{AGENT}"), "state": "stopped" });
    world.as_root("POST", "/cluster/ha/resources", resource).await;
    let before = starts(&world);
    let up = world.start(&["up", "--until", "machines", "--yes"]);
    world.until("its start to be done", async |world| starts(world) > before).await;
    let status = format!("/nodes/pve1/qemu/{AGENT}/status/current");
    assert_eq!(world.as_root("GET", &status, Value::Null).await["status"], "running");
    terminate(&up);
    let ended = world.end(up).await;
    assert!(ended.err.contains("high availability to start VM 101"), "{ended}");
}

#[tokio::test]
async fn a_guest_under_high_availability_is_deleted_when_its_manager_has_stopped_it() {
    let world = managed().await;
    world.homelab(&["destroy", "--yes"]).await.well();
    let again = world.homelab(&["destroy", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
}
