//! Watching: each change as a line of JSON.
//!
//! Simplified: bookmarks come only after the initial events that were asked for.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::Stream;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::{sync::watch::Receiver, time::Instant};

use super::{
    Kubernetes,
    failure::Failure,
    request::Request,
    resource::Resource,
    selector::Selector,
    store::{Change, State},
    write::versioned,
};

/// A watch that somebody reads.
pub(super) struct Watch {
    kubernetes: Arc<Kubernetes>,
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    /// Up to here everything is said, or in `ready`.
    revision: u64,
    ready: VecDeque<Bytes>,
    changed: Receiver<u64>,
    end: Option<Instant>,
    over: bool,
}

impl Watch {
    /// Begins with what is there, or after the version that the request names.
    ///
    /// # Errors
    /// 400 for a selector or a version that cannot be read.
    pub(super) fn begin(
        kubernetes: &Arc<Kubernetes>,
        resource: Arc<Resource>,
        namespace: Option<String>,
        request: &Request,
    ) -> Result<Self, Failure> {
        let (labels, fields) = (request.query("labelSelector"), request.query("fieldSelector"));
        let selector = Selector::read(&resource, labels, fields)?;
        let version = request.query("resourceVersion");
        let initial = request.is_set("sendInitialEvents");
        let seconds = request.query("timeoutSeconds").parse().ok();
        let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut watch = Self {
            kubernetes: Arc::clone(kubernetes),
            resource,
            namespace,
            selector,
            revision: 0,
            ready: VecDeque::new(),
            changed: kubernetes.changes(),
            end,
            over: false,
        };
        if initial || matches!(version, "" | "0") {
            let state = kubernetes.state();
            watch.start(&state, initial && request.is_set("allowWatchBookmarks"));
        } else {
            watch.revision = version.parse().map_err(|_| {
                Failure::bad_request(format!("invalid resource version {version:?}"))
            })?;
        }
        Ok(watch)
    }

    fn start(&mut self, state: &State, bookmark: bool) {
        self.revision = state.revision();
        let version = self.resource.api_version();
        for (_, object) in state.objects(&self.resource, self.namespace.as_deref()) {
            if self.selector.matches(object) {
                self.ready.push_back(line("ADDED", &versioned(object, &version)));
            }
        }
        if bookmark {
            let object = json!({
                "kind": self.resource.kind,
                "apiVersion": version,
                "metadata": {
                    "resourceVersion": self.revision.to_string(),
                    "annotations": { "k8s.io/initial-events-end": "true" },
                },
            });
            self.ready.push_back(line("BOOKMARK", &object));
        }
    }

    /// Its events, until it ends.
    pub(super) fn stream(self) -> impl Stream<Item = Bytes> + Send {
        futures::stream::unfold(self, Self::next)
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some((line, self));
            }
            if self.over {
                return None;
            }
            // Noted before looking: a change in between wakes at once.
            self.changed.borrow_and_update();
            self.look();
            if !self.ready.is_empty() {
                continue;
            }
            let end = self.end;
            let ended = async move {
                match end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.changed.changed() => self.over = changed.is_err(),
                () = ended => self.over = true,
            }
        }
    }

    fn look(&mut self) {
        let kubernetes = Arc::clone(&self.kubernetes);
        let state = kubernetes.state();
        match state.changes_since(self.revision) {
            Ok(changes) => {
                let lines: Vec<Bytes> = changes.filter_map(|change| self.event(change)).collect();
                self.ready.extend(lines);
                self.revision = self.revision.max(state.revision());
            }
            Err(failure) => {
                self.ready.push_back(line("ERROR", &failure.body()));
                self.over = true;
            }
        }
    }

    fn event(&self, change: &Change) -> Option<Bytes> {
        if !change.key.is_of(&self.resource, self.namespace.as_deref()) {
            return None;
        }
        let selected = |object: &&Arc<Value>| self.selector.matches(object);
        let before = change.before.as_ref().filter(selected);
        let after = change.after.as_ref().filter(selected);
        let version = self.resource.api_version();
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(line("ADDED", &versioned(after, &version))),
            (Some(_), Some(after)) => Some(line("MODIFIED", &versioned(after, &version))),
            (Some(before), None) => {
                let mut object = versioned(before, &version);
                object["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                Some(line("DELETED", &object))
            }
        }
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}
