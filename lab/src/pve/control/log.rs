//! The request log: what was asked of the emulator, and what it answered.

use std::sync::Mutex;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::{
    pve::{
        endpoint::Method,
        http::wire::{Head, Reply},
        server::Server,
        state::lock,
    },
    sim::gate::{Effect, System},
};

/// Parameters whose values never stand in the log.
const SECRETS: &[&str] =
    &["password", "cipassword", "confirmation-password", "secret", "tfa-challenge", "otp", "keys"];

/// One request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1.
    pub(crate) number: u64,
    /// Seconds since 1970, of the emulator's clock.
    pub(crate) time: i64,
    pub(crate) method: String,
    /// Relative to the API's root: `/nodes/pve1/qemu`.
    pub(crate) path: String,
    /// The endpoint's path: `/nodes/{node}/qemu`.
    pub(crate) endpoint: Option<&'static str>,
    pub(crate) caller: Option<String>,
    /// Without those of the path; secrets are redacted.
    pub(crate) parameters: IndexMap<String, Value>,
    /// POST, PUT and DELETE but logging in: what a run with nothing to do must not send.
    pub(crate) mutating: bool,
    /// `None` when no reply was sent.
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<String>,
    /// The UPID that the call answered.
    pub(crate) task: Option<String>,
    /// The faults that acted on the request.
    pub(crate) fault: Vec<String>,
    pub(crate) milliseconds: u64,
    #[serde(skip)]
    started: Option<std::time::Instant>,
}

impl Entry {
    pub(crate) fn begin(server: &Server, head: &Head) -> Self {
        let path = relative(&head.path());
        let method = Method::parse(&head.method);
        let endpoint = method
            .and_then(|method| server.router.find(method, &path))
            .map(|(endpoint, _)| endpoint.path);
        let mutating = matches!(method, Some(Method::Post | Method::Put | Method::Delete))
            && path != "/access/ticket";
        Self {
            number: 0,
            time: server.state.clock.now(),
            method: head.method.clone(),
            path,
            endpoint,
            caller: None,
            parameters: IndexMap::new(),
            mutating,
            status: None,
            reason: None,
            task: None,
            fault: Vec::new(),
            milliseconds: 0,
            started: Some(std::time::Instant::now()),
        }
    }

    /// The request as the world's gate sees it.
    pub(crate) fn effect(&self) -> Effect {
        let mut parts = self.path.split('/');
        let vmid = parts.find(|part| *part == "qemu").and_then(|_| parts.next());
        Effect {
            system: System::Proxmox,
            kind: format!("{} {}", self.method, self.endpoint.unwrap_or("elsewhere")),
            about: vmid.unwrap_or_default().to_owned(),
            mutating: self.mutating,
        }
    }

    /// Notes the parameters, secrets redacted.
    pub(crate) fn parameters(&mut self, parameters: &IndexMap<String, Value>) {
        for (name, value) in parameters {
            let shown = if SECRETS.contains(&name.as_str()) {
                Value::String("[redacted]".to_owned())
            } else {
                value.clone()
            };
            self.parameters.insert(name.clone(), shown);
        }
    }

    pub(crate) fn end(mut self, _server: &Server, reply: Option<&Reply>) -> Self {
        if let Some(started) = self.started {
            let elapsed = started.elapsed().as_millis();
            self.milliseconds = u64::try_from(elapsed).unwrap_or(u64::MAX);
        }
        if let Some(reply) = reply {
            self.status = Some(reply.status);
            self.reason = reply.message.lines().next().map(str::to_owned);
            self.task = serde_json::from_slice::<Value>(&reply.body)
                .ok()
                .and_then(|body| body["data"].as_str().map(str::to_owned))
                .filter(|data| data.starts_with("UPID:"));
        }
        self
    }
}

/// The part of a path behind `/api2/<format>`.
pub(crate) fn relative(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["api2", _, rest @ ..] => format!("/{}", rest.join("/")),
        _ => path.to_owned(),
    }
}

/// All requests since the start, or since the log was cleared.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<Entry>>,
}

impl Log {
    pub(crate) fn push(&self, mut entry: Entry) {
        let mut entries = lock(&self.entries);
        entry.number = entries.last().map_or(1, |last| last.number + 1);
        entries.push(entry);
    }

    /// The entries with a higher number.
    pub(crate) fn since(&self, number: u64) -> Vec<Entry> {
        lock(&self.entries).iter().filter(|entry| entry.number > number).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.entries).clear();
    }
}
