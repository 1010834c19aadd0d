//! `-o json`: documents on stdout, failures as one object on stderr.

use serde_json::Value;

use crate::{ended::Ended, world::World};

fn document(ended: Ended) -> Value {
    let ended = ended.well();
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

fn failure(ended: &Ended) -> Value {
    let last = ended.err.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

#[tokio::test]
async fn every_document_is_json_when_that_is_asked_for() {
    let world = World::new().await;
    for arguments in [
        &["version"][..],
        &["completions", "bash"],
        &["man", "man1"],
        &["validate"],
        &["schema"],
        &["config", "show"],
        &["config", "show", "--origin"],
        &["lock"],
        &["render"],
        &["render", "probe"],
        &["init", "proxmox-role"],
        &["init", "tailnet-policy"],
        &["plan", "--until", "image"],
        &["status"],
    ] {
        let json = [arguments, &["-o", "json"]].concat();
        let value = document(world.homelab(&json).await);
        assert!(value.is_object() || value.is_array(), "{arguments:?}: {value}");
    }
    let version = document(world.homelab(&["-o", "json", "version"]).await);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let init = ["init", "-c", "new.yaml", "-o", "json", "--endpoint", "https://pve.example:8006"];
    let init = document(world.homelab(&init).await);
    assert_eq!(init["inventory"], "new.yaml");
    assert!(init["next"].as_array().unwrap().len() > 5, "{init}");
}

#[tokio::test]
async fn faults_of_the_inventory_are_objects_with_their_place() {
    let world = World::new().await;
    world.edit("  cores: 1", "  coers: 1");
    world.edit("role: agent", "role: agnet");
    let ended = world.homelab(&["validate", "-o", "json"]).await;
    assert_eq!(ended.code, Some(15), "{ended}");
    let told = failure(&ended);
    assert_eq!(told["kind"], "inventory");
    assert_eq!(told["exit_code"], 15);
    let faults = told["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{told}");
    assert_eq!(faults[0]["file"], "homelab.yaml");
    assert_eq!(faults[0]["line"], 29);
    assert_eq!(faults[0]["column"], 3);
    assert_eq!(faults[0]["path"], "defaults.coers");
    assert_eq!(faults[0]["message"], "unknown field `coers` in `defaults`");
    assert_eq!(faults[0]["help"], "did you mean `cores`?");
}

#[tokio::test]
async fn a_wrong_command_line_is_a_usage_failure_in_json_too() {
    let world = World::new().await;
    for arguments in [
        &["plan", "--form", "image", "-o", "json"][..],
        &["--output=json", "plna"],
        &["up", "--node", "Not A Name", "-ojson"],
    ] {
        let ended = world.homelab(arguments).await;
        assert_eq!(ended.code, Some(64), "{ended}");
        let told = failure(&ended);
        assert_eq!(told["kind"], "usage", "{told}");
        assert!(!told["error"].as_str().unwrap().is_empty(), "{told}");
        assert!(ended.out.is_empty(), "{ended}");
    }
}

#[tokio::test]
async fn a_run_that_fails_while_it_looks_ends_its_events() {
    let world = World::new().await;
    world.edit("disks: local-lvm", "disks: ceph");
    let ended = world.homelab(&["up", "--until", "image", "--yes", "-o", "json"]).await;
    assert_eq!(ended.code, Some(20), "{ended}");
    let events: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "run_finished", "{ended}");
    assert_eq!(last["command"], "up");
    assert_eq!(last["outcome"]["result"], "failed");
    assert_eq!(last["exit_code"], 20);
}

#[tokio::test]
async fn the_last_event_of_a_run_has_the_code_that_the_program_ends_with() {
    let world = World::new().await;
    for (arguments, code) in [
        (&["up", "--until", "image", "--yes"][..], 0),
        (&["up", "--until", "image", "--yes"], 0),
        (&["up", "--until", "machines", "--yes", "--timeout", "2s"], 124),
        (&["destroy", "--yes"], 0),
    ] {
        let ended = world.homelab(&[arguments, &["-o", "json"]].concat()).await;
        assert_eq!(ended.code, Some(code), "{ended}");
        let last: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "run_finished", "{ended}");
        assert_eq!(last["exit_code"], code, "{ended}");
    }
}
