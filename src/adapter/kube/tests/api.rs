//! A Kubernetes API for tests: answers by method and path, and a record of what was asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use crate::adapter::kube::KubeCluster;

#[derive(Clone, Default)]
pub(super) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: HashMap<String, VecDeque<(u16, Value)>>,
    asked: Vec<(String, Value)>,
}

impl FakeApi {
    /// Answers of one call (`GET /path`) stand in line; the last of them stays.
    pub(super) fn answer(self, call: &str, status: u16, body: Value) -> Self {
        let mut state = self.0.lock().unwrap();
        state.answers.entry(call.to_owned()).or_default().push_back((status, body));
        drop(state);
        self
    }

    pub(super) fn refuse(self, call: &str, status: u16, message: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": message, "reason": "", "code": status,
        });
        self.answer(call, status, body)
    }

    pub(super) fn cluster(&self) -> KubeCluster {
        let state = Arc::clone(&self.0);
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = Arc::clone(&state);
            async move {
                let call = format!("{} {}", request.method(), request.uri().path());
                let asked = format!("{} {}", request.method(), request.uri());
                let body = request.into_body().collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let mut state = state.lock().unwrap();
                state.asked.push((asked, body));
                let Some(line) = state.answers.get_mut(&call) else {
                    return Err(format!("nothing is known of {call}"));
                };
                let front = line.front().cloned().unwrap();
                if line.len() > 1 {
                    line.pop_front();
                }
                let (status, body) = front;
                let body = Body::from(serde_json::to_vec(&body).unwrap());
                Ok(Response::builder().status(status).body(body).unwrap())
            }
        });
        let client = kube::Client::new(service, "default");
        KubeCluster::new(client, "k3s-server".parse().unwrap())
    }

    /// What was asked with a verb, with its body.
    pub(super) fn asked(&self, method: &str) -> Vec<(String, Value)> {
        let state = self.0.lock().unwrap();
        state.asked.iter().filter(|(call, _)| call.starts_with(method)).cloned().collect()
    }
}
