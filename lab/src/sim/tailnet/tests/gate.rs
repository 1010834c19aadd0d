//! Each request passes the gate, and what comes to harm there comes to it in the API's own way.

use std::sync::Arc;

use serde_json::json;

use super::{Client, NEWEST, World, message, new_tailscale_key};
use crate::sim::{
    gate::{Effect, Moment, Ruling, System, Verdict, Warden},
    tailnet::Plane,
};

/// Rules alike on everything at one moment.
struct Always(Moment, Verdict);

impl Warden for Always {
    fn rule<'a>(&'a self, _: u64, moment: Moment, _: &'a Effect) -> Ruling<'a> {
        let verdict = if moment == self.0 { self.1.clone() } else { Verdict::Pass };
        Box::pin(async move { verdict })
    }
}

const KEYS: &str = "/api/v2/tailnet/-/keys";

#[tokio::test]
async fn effects_of_one_kind_are_equal_whatever_they_are_about() {
    let world = World::new(NEWEST);
    let client = Client::new(&world).await;
    client.ask("DELETE", "/api/v1/node/7", None).await;
    client.post("/api/v1/preauthkey/expire", json!({ "id": "3" })).await;
    client.get("/version").await;
    let effect = |kind: &str, about: &str, mutating| Effect {
        system: System::Tailnet,
        kind: kind.to_owned(),
        about: about.to_owned(),
        mutating,
    };
    let wanted = [
        effect("DELETE /api/v1/node/{node}", "7", true),
        effect("POST /api/v1/preauthkey/expire", "3", true),
        effect("GET /version", "", false),
    ];
    assert_eq!(world.gate.log(), wanted);
}

#[tokio::test]
async fn a_key_is_about_its_description_and_a_token_changes_nothing() {
    let world = World::new(Plane::Tailscale);
    let client = Client::new(&world).await;
    client.post(KEYS, new_tailscale_key(&["tag:k3s"])).await;
    client.post("/api/v2/oauth/token", json!({})).await;
    let log = world.gate.log();
    let [key, token] = &log[..] else { panic!("two were asked for") };
    assert_eq!(
        (key.kind.as_str(), key.about.as_str()),
        ("POST /api/v2/tailnet/{tailnet}/keys", "homelab k3s-agent")
    );
    assert!(key.mutating && !token.mutating);
}

#[tokio::test]
async fn what_is_dropped_before_is_not_done_and_what_is_dropped_after_is() {
    let world = World::new(Plane::Tailscale);
    let client = Client::new(&world).await;
    for (moment, made) in [(Moment::Before, 0), (Moment::After, 1)] {
        world.gate.set_warden(Some(Arc::new(Always(moment, Verdict::Drop))));
        let request = client.request("POST", KEYS, Some(new_tailscale_key(&["tag:k3s"])));
        assert!(request.send().await.is_err(), "{moment:?} was answered");
        assert_eq!(world.tailnet.keys().len(), made, "{moment:?}");
    }
}

#[tokio::test]
async fn a_refusal_speaks_the_dialect_and_is_not_done_when_it_comes_before() {
    let refusal = Verdict::Refuse { status: 503, message: "later".to_owned() };
    for (plane, wanted) in [
        (NEWEST, json!({ "code": 14, "message": "later", "details": [] })),
        (Plane::Tailscale, json!({ "message": "later" })),
    ] {
        let world = World::new(plane);
        let device = world.join(&world.key().secret, "1", "1").unwrap().device;
        let client = Client::new(&world).await;
        world.gate.set_warden(Some(Arc::new(Always(Moment::Before, refusal.clone()))));
        let path = match plane {
            Plane::Headscale(_) => format!("/api/v1/node/{device}"),
            Plane::Tailscale => format!("/api/v2/device/{device}"),
        };
        let answer = client.ask("DELETE", &path, None).await;
        assert_eq!(message(&answer), (503, "later"));
        assert_eq!(answer.1, wanted);
        assert!(world.tailnet.device(&device).is_some());
        world.gate.set_warden(None);
        assert_eq!(client.ask("DELETE", &path, None).await.0, 200);
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_answers_nobody() {
    let world = World::new(NEWEST);
    let client = Client::new(&world).await;
    assert_eq!(client.get("/health").await.0, 200);
    let Client { server, http, .. } = client;
    let url = format!("{}/health", server.endpoint());
    drop(server);
    let waited = async { while http.get(&url).send().await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), waited).await.expect("it ends");
}
