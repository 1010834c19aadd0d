//! What is seen of a run that takes its time.

use serde_json::{Value, json};

use crate::{
    ended::terminate,
    world::{Wish, World},
};

#[tokio::test]
async fn a_wait_tells_what_it_waits_for_and_what_the_tasks_log_says() {
    let world = World::with(Wish { pace: 1.0, ..Wish::default() }).await;
    let busy = json!({
        "method": "POST", "path": "/nodes/{node}/qemu",
        "kind": "busy", "storage": "local-lvm", "seconds": 3.0,
    });
    world.fault(busy).await;
    let up = ["up", "--until", "image", "--yes", "-o", "json"];
    let said = world.homelab(&up).await.well();
    let events: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let wait = of("waiting");
    assert!(!wait.is_empty(), "{said}");
    assert!(wait[0]["wanted"].as_str().unwrap().starts_with("task "), "{}", wait[0]);
    assert!(wait[0]["seconds_left"].as_u64().is_some(), "{}", wait[0]);
    // The emulator's log says so while it waits for the storage's lock.
    let lines = of("output");
    assert!(!lines.is_empty(), "no line of the task's log was shown: {said}");
    for event in of("progress") {
        assert_eq!((&event["total"], &event["unit"]), (&json!(100), &json!("%")), "{event}");
    }
}

#[tokio::test]
async fn a_proxmox_that_does_not_answer_is_waited_for_aloud() {
    let world = World::new().await.without_proxmox().await;
    let ended = world.homelab(&["plan"]).await;
    assert_eq!(ended.code, Some(14), "{ended}");
    assert!(ended.err.contains("asking again in"), "{ended}");
    assert!(ended.err.contains("(try 2 of 5)"), "{ended}");
    let told = ended.err.matches("asking again in").count();
    assert!((1..=8).contains(&told), "said {told} times: {ended}");
    let up = world.homelab(&["up", "--yes", "-o", "json"]).await;
    assert!(up.out.contains("\"event\":\"reconnecting\""), "{up}");
}

#[tokio::test]
async fn a_run_that_is_stopped_says_so_once_and_that_a_part_was_done() {
    for format in ["text", "json"] {
        let world = World::new().await;
        let run = world.start(&["up", "--until", "machines", "--yes", "-o", format]);
        let started = async |world: &World| {
            let journal = world.journal();
            let ends = |line: &&str| line.contains("step_finished") && line.contains("\"done\"");
            journal.lines().filter(ends).any(|line| line.contains("machines/start/agent"))
        };
        world.until("the agent to run", started).await;
        terminate(&run);
        let ended = world.end(run).await;
        assert_eq!(ended.code, Some(130), "{ended}");
        if format == "json" {
            let told: Value = serde_json::from_str(ended.err.lines().last().unwrap()).unwrap();
            assert_eq!(told["effect"], "partial", "{ended}");
            continue;
        }
        let end = ended.err.split_once("exits at once\n").unwrap().1;
        let end: Vec<&str> = end.lines().filter(|line| !line.contains("machines/")).collect();
        insta::assert_snapshot!(end.join("\n"), @"
        error: stopped on request
          a part of it was done
          hint: the same command goes on from here
        ");
    }
}
