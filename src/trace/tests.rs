//! Spans as they are written, of a subscriber of their own.

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde_json::Value;
use tracing::{Instrument, trace_span};
use tracing_subscriber::layer::SubscriberExt;

use super::{Recorder, TARGET};
use crate::secret::Secret;

struct Written {
    _folder: tempfile::TempDir,
    path: Utf8PathBuf,
    recorder: Arc<Recorder>,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("up.json")).unwrap();
        let recorder = Arc::new(Recorder::new(&path).unwrap());
        Self { _folder: folder, path, recorder }
    }

    fn while_recording(&self, work: impl FnOnce()) {
        let subscriber = tracing_subscriber::registry().with(self.recorder.clone().layer());
        tracing::subscriber::with_default(subscriber, work);
    }

    fn entries(&self) -> Vec<Value> {
        serde_json::from_str(&fs_err::read_to_string(&self.path).unwrap()).unwrap()
    }

    /// Track, kind, name and arguments of each span.
    fn told(&self) -> String {
        let entries = self.entries();
        let track = |entry: &Value| {
            let named = entries
                .iter()
                .find(|named| named["name"] == "thread_name" && named["tid"] == entry["tid"]);
            named.unwrap()["args"]["name"].as_str().unwrap().to_owned()
        };
        let spans = entries.iter().filter(|entry| entry["ph"] == "X");
        spans
            .map(|span| {
                let (kind, name) = (&span["cat"], &span["name"]);
                format!("{}: {} {} {}", track(span), kind.as_str().unwrap(), name, span["args"])
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Whether the spans of each track nest.
fn nest(entries: &[Value]) -> bool {
    let number = |span: &Value, name: &str| span[name].as_u64().unwrap();
    let spans: Vec<(u64, u64, u64)> = entries
        .iter()
        .filter(|entry| entry["ph"] == "X")
        .map(|span| {
            let from = number(span, "ts");
            (number(span, "tid"), from, from + number(span, "dur"))
        })
        .collect();
    let apart = |a: &(u64, u64, u64), b: &(u64, u64, u64)| {
        let within = |a: &(u64, u64, u64), b: &(u64, u64, u64)| a.1 >= b.1 && a.2 <= b.2;
        a.0 != b.0 || a.2 <= b.1 || b.2 <= a.1 || within(a, b) || within(b, a)
    };
    spans.iter().all(|a| spans.iter().all(|b| apart(a, b)))
}

#[test]
fn steps_lie_on_their_nodes_track_with_their_waits_and_calls_in_them() {
    let written = Written::new();
    written.while_recording(|| {
        let step = trace_span!(
            target: TARGET, "step", what = "machines/finish/agent", node = "agent",
            outcome = tracing::field::Empty
        );
        step.in_scope(|| {
            let wait = trace_span!(
                target: TARGET, "wait", what = "SSH", seen = tracing::field::Empty
            );
            wait.in_scope(|| {
                trace_span!(target: TARGET, "ssh", what = "probe", node = "agent").in_scope(|| ());
                tracing::trace_span!("of_somebody_else").in_scope(|| ());
            });
            wait.record("seen", "nobody answers");
        });
        step.record("outcome", "done");
        trace_span!(target: TARGET, "proxmox", what = "GET /version").in_scope(|| ());
    });
    written.recorder.end().unwrap();
    insta::assert_snapshot!(written.told(), @r#"
    agent: ssh "probe" {}
    agent: wait "SSH" {"seen":"nobody answers"}
    cluster: proxmox "GET /version" {}
    agent: step "machines/finish/agent" {"outcome":"done"}
    "#);
    assert!(nest(&written.entries()));
}

#[test]
fn what_runs_side_by_side_or_is_unfinished_still_nests() {
    let written = Written::new();
    written.while_recording(|| {
        let span = |what: &str| trace_span!(target: TARGET, "step", what, node = "agent");
        let whole = span("whole");
        let (one, other) = whole.in_scope(|| (span("one"), span("other")));
        let part = other.in_scope(|| span("part of the other"));
        drop(whole);
        drop(one);
        drop(part);
        let unfinished = other.in_scope(|| span("unfinished"));
        written.recorder.end().unwrap();
        drop((other, unfinished));
        drop(span("after the end"));
    });
    let mut told: Vec<String> = written.told().lines().map(str::to_owned).collect();
    // What is left at the end ends at once, in no order.
    told.sort_unstable();
    insta::assert_snapshot!(told.join("\n"), @r#"
    agent (2): step "other" {"unfinished":true}
    agent (2): step "part of the other" {}
    agent (2): step "unfinished" {"unfinished":true}
    agent: step "one" {}
    agent: step "whole" {"unfinished":true}
    "#);
    assert!(nest(&written.entries()));
}

#[test]
fn no_secret_is_written_whoever_repeats_it() {
    let written = Written::new();
    let secret = Secret::new("correct-horse-battery");
    written.while_recording(|| {
        let said = format!("the server says {}", secret.expose());
        let span = trace_span!(
            target: TARGET, "wait", what = said, node = "https://me:hunter2@agent", seen = "password=hunter2"
        );
        drop(span);
        // Those of futures, too, which end where they are dropped.
        drop(async {}.instrument(trace_span!(target: TARGET, "ssh", what = secret.expose())));
    });
    written.recorder.end().unwrap();
    let text = fs_err::read_to_string(&written.path).unwrap();
    assert!(!text.contains("hunter2") && !text.contains(secret.expose()), "{text}");
    assert_eq!(written.entries().iter().filter(|entry| entry["ph"] == "X").count(), 2);
}
