//! The control planes by their own wire, and past it.

mod gate;
mod headscale;
mod joining;
mod official;
mod tailscale;

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Joining, NewKey, Plane, RegisterError, Registration, Release, Running, Settings, Tailnet, start,
};
use crate::sim::gate::Gate;

const NEWEST: Plane = Plane::Headscale(Release::V0_29);

/// A tailnet whose time stands until it is moved.
struct World {
    tailnet: Arc<Tailnet>,
    gate: Gate,
    time: Arc<Mutex<Timestamp>>,
}

impl World {
    fn new(plane: Plane) -> Self {
        Self::with(Settings::new(plane))
    }

    fn with(settings: Settings) -> Self {
        let time = Arc::new(Mutex::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let told = Arc::clone(&time);
        let clock: super::Clock = Arc::new(move || *told.lock().unwrap());
        let gate = Gate::default();
        let tailnet = Tailnet::new(gate.clone(), Settings { clock, ..settings });
        Self { tailnet, gate, time }
    }

    fn pass(&self, minutes: i64) {
        *self.time.lock().unwrap() += SignedDuration::from_mins(minutes);
    }

    /// A one-shot key for nodes.
    fn key(&self) -> super::Key {
        self.tailnet.add_key(NewKey {
            tags: vec!["tag:k3s".to_owned()],
            preauthorized: true,
            ..NewKey::default()
        })
    }

    fn ephemeral_key(&self) -> super::Key {
        self.tailnet.add_key(NewKey { ephemeral: true, reusable: true, ..NewKey::default() })
    }

    fn join(
        &self,
        key: &str,
        machine: &str,
        node_key: &str,
    ) -> Result<Registration, RegisterError> {
        let (machine, node_key) = (format!("mkey:{machine}"), format!("nodekey:{node_key}"));
        self.tailnet.register(&Joining {
            auth_key: key,
            hostname: "k3s-agent",
            machine: &machine,
            node_key: &node_key,
        })
    }
}

/// Who asks an API.
struct Client {
    server: Running,
    authorization: String,
    http: reqwest::Client,
}

impl Client {
    async fn new(world: &World) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let server = start(&world.tailnet, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let authorization = format!("Bearer {}", world.tailnet.issue_api_key());
        Self { server, authorization, http: reqwest::Client::new() }
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.server.endpoint());
        let request = self.http.request(method.parse().unwrap(), url);
        let request = request.header("authorization", &self.authorization);
        match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        }
    }

    /// Status and body; `null` for one that is no JSON.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.request(method, path, body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, Some(body)).await
    }
}

fn message(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

fn new_tailscale_key(tags: &[&str]) -> Value {
    json!({
        "capabilities": { "devices": { "create": {
            "reusable": false, "ephemeral": false, "preauthorized": true, "tags": tags,
        } } },
        "expirySeconds": 3600,
        "description": "homelab k3s-agent",
    })
}
