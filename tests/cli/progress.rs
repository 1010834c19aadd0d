//! What is seen of a run that takes its time.

use std::time::Duration;

use homelab::{
    engine::{Look, StepContext},
    error::Kind,
    plan::StepId,
};
use serde_json::{Value, json};

use crate::{
    ended::{hang_up, terminate},
    hurried::Operator,
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

async fn agent_was_started(world: &World) -> bool {
    let journal = world.journal();
    let ends = |line: &&str| line.contains("step_finished") && line.contains("\"done\"");
    journal.lines().filter(ends).any(|line| line.contains("machines/start/agent"))
}

#[tokio::test]
async fn a_run_whose_terminal_is_closed_stops_where_it_can_be_taken_up_again() {
    let world = World::new().await;
    let run = world.start(&["up", "--until", "machines", "--yes"]);
    world.until("the agent to run", agent_was_started).await;
    hang_up(&run);
    let ended = world.end(run).await;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(ended.err.contains("stopped on request; under way:"), "{ended}");
    assert!(ended.err.contains("agent machines/finish: it waited for "), "{ended}");
    assert!(world.journal().contains("lease_released"), "{ended}");
}

#[tokio::test]
async fn a_run_that_is_stopped_says_so_once_and_that_a_part_was_done() {
    for format in ["text", "json"] {
        let world = World::new().await;
        let run = world.start(&["up", "--until", "machines", "--yes", "-o", format]);
        world.until("the agent to run", agent_was_started).await;
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
        error: stopped on request; under way:
          a part of it was done
          hint: the same command goes on from here
        ");
    }
}

/// A script that only waits on a node may do so for minutes.
#[tokio::test]
async fn a_stop_leaves_what_only_waits_at_once_and_says_what_it_waited_for() {
    let world = World::new().await;
    let operator = Operator::new(&world, "one");
    let step = StepId("cluster/agent/agent".into());
    let context = StepContext::new(operator.run.clone(), step);
    let stop = operator.run.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let waiting = context.wait_for("k3s-agent to be ready", Duration::from_secs(300), || async {
        context.unless_stopped(std::future::pending::<homelab::error::Result<Look<()>>>()).await
    });
    let failure =
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap_err();
    assert_eq!(failure.kind, Kind::Interrupted);
    assert!(
        failure.chain().iter().any(|text| text.contains("it waited for k3s-agent to be ready")),
        "{:?}",
        failure.chain()
    );
}
