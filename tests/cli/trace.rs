//! `--trace`: what took how long, as other programs read it.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{ended::terminate, world::World};

fn spans(world: &World) -> Vec<Value> {
    let text = fs_err::read_to_string(world.path("trace.json")).unwrap();
    assert!(!text.contains(&world.secret()), "the secret is written down");
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    entries.into_iter().filter(|entry| entry["ph"] == "X").collect()
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found = spans.iter().find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

fn is_within(part: &Value, whole: &Value) -> bool {
    let number = |span: &Value, name: &str| span[name].as_u64().unwrap();
    let end = |span: &Value| number(span, "ts") + number(span, "dur");
    part["tid"] == whole["tid"]
        && number(part, "ts") >= number(whole, "ts")
        && end(part) <= end(whole)
}

#[tokio::test]
async fn a_run_leaves_its_steps_with_the_calls_that_they_made() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes", "--trace", "trace.json"]).await.well();
    let spans = spans(&world);
    let step = named(&spans, "image/template/pve1");
    assert_eq!(step["args"]["outcome"], "done");
    let post = named(&spans, "POST /nodes/{}/qemu");
    assert!(is_within(post, step), "{post} is no part of {step}");
    named(&spans, "look at the world");
}

#[tokio::test]
async fn a_run_that_fails_or_is_stopped_leaves_one_too() {
    let world = World::with_machines().await;
    let mut up = world.command(&["up", "--until", "machines", "--yes", "--trace", "trace.json"]);
    let mut up = up.spawn().unwrap();
    let mut said = BufReader::new(up.stderr.take().unwrap()).lines();
    while !said.next_line().await.unwrap().expect("nothing was waited for").contains("waiting for")
    {
    }
    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
    let spans = spans(&world);
    let waits: Vec<_> = spans.iter().filter(|span| span["cat"] == "wait").collect();
    assert!(!waits.is_empty(), "{spans:#?}");
    for wait in waits {
        assert!(wait["name"].as_str().unwrap().starts_with("wait for "), "{wait}");
        assert!(wait["args"]["seen"].is_string(), "{wait}");
    }
}

#[tokio::test]
async fn a_trace_is_never_written_over_anything_else() {
    let world = World::new().await;
    let told = world.homelab(&["plan", "--trace", "homelab.yaml"]).await.refused(20);
    insta::assert_snapshot!(told, @"
    error: homelab.yaml: it is no trace of homelab's, and is not overwritten by one
      hint: name a file that is not there yet, or an older trace
    ");
}
