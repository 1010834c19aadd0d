//! From spans to entries of the file.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use camino::Utf8Path;
use serde_json::{Map, Value, json};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::{
    TARGET,
    file::TraceFile,
    track::{SpanId, Tracks},
};
use crate::{error::Result, inventory::discretion::without_secrets_in};

/// The record of a process.
#[derive(Debug)]
pub(crate) struct Recorder {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: TraceFile,
    tracks: Tracks,
    open: HashMap<SpanId, Open>,
    ended: bool,
}

/// A span that goes on.
#[derive(Debug)]
struct Open {
    kind: &'static str,
    fields: Map<String, Value>,
    /// Microseconds since the record began.
    from: u64,
    track: usize,
}

impl Recorder {
    /// A record in a file.
    ///
    /// # Errors
    /// When the file is something else, or cannot be written.
    pub(crate) fn new(path: &Utf8Path) -> Result<Self> {
        let file = TraceFile::create(path)?;
        let (tracks, open) = (Tracks::default(), HashMap::new());
        let state = Mutex::new(State { file, tracks, open, ended: false });
        Ok(Self { begun: Instant::now(), state })
    }

    /// Ends it: what goes on has lasted until now, and nothing more is recorded.
    ///
    /// # Errors
    /// When the file did not take all of it.
    pub(crate) fn end(&self) -> Result<()> {
        self.change(|state, now| {
            let left: Vec<SpanId> = state.open.keys().copied().collect();
            for id in left {
                if let Some(open) = state.open.get_mut(&id) {
                    open.fields.insert("unfinished".into(), true.into());
                }
                state.close(id, now);
            }
            state.ended = true;
            state.file.broken().map_or(Ok(()), Err)
        })
    }

    /// The part of a subscriber that records.
    pub(crate) fn layer<S>(self: std::sync::Arc<Self>) -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        Listening(self).with_filter(Ours)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State, u64) -> T) -> T {
        // A panic elsewhere must not take the record with it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Only now: who comes later on a track must not have begun earlier.
        let now = self.now();
        change(&mut state, now)
    }
}

impl State {
    fn open(&mut self, id: SpanId, parent: Option<SpanId>, mut span: Open) {
        if self.ended {
            return;
        }
        let node = span.fields.get("node").and_then(Value::as_str);
        // What is done for a node lies with what it is part of.
        let inherited = parent.and_then(|parent| self.open.get(&parent)).map(|open| open.track);
        let inherited = inherited.and_then(|track| self.tracks.name(track).0.map(str::to_owned));
        let node = node.map(str::to_owned).or(inherited);
        let place = self.tracks.open(id, node.as_deref(), parent);
        if place.new {
            self.name_track(place.track);
        }
        span.track = place.track;
        self.open.insert(id, span);
    }

    fn name_track(&mut self, track: usize) {
        let (node, number) = self.tracks.name(track);
        let name = match (node.unwrap_or("cluster"), number) {
            (name, 1) => name.to_owned(),
            (name, number) => format!("{name} ({number})"),
        };
        for (name, args) in [
            ("thread_name", json!({"name": name})),
            ("thread_sort_index", json!({"sort_index": track + 1})),
        ] {
            let entry = json!({"name": name, "ph": "M", "pid": 1, "tid": track + 1, "args": args});
            self.file.add(&without_secrets_in(entry));
        }
    }

    fn close(&mut self, id: SpanId, now: u64) {
        self.tracks.close(id);
        let Some(Open { kind, mut fields, from, track }) = self.open.remove(&id) else {
            return;
        };
        fields.remove("node");
        let name = fields.remove("what").unwrap_or_else(|| kind.into());
        let entry = json!({
            "name": name, "cat": kind, "ph": "X", "ts": from, "dur": now.saturating_sub(from),
            "pid": 1, "tid": track + 1, "args": fields,
        });
        self.file.add(&without_secrets_in(entry));
    }
}

/// Spans that are recorded, and nothing else.
struct Ours;

impl<S> Filter<S> for Ours {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.is_span() && metadata.target() == TARGET
    }
}

struct Listening(std::sync::Arc<Recorder>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listening {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let kind = attributes.metadata().name();
        let parent =
            context.span(id).and_then(|span| span.parent()).map(|span| span.id().into_u64());
        let span = Open { kind, fields: fields.0, from: 0, track: 0 };
        self.0.change(|state, from| state.open(id.into_u64(), parent, Open { from, ..span }));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.0.change(|state, _| {
            if let Some(open) = state.open.get_mut(&id.into_u64()) {
                open.fields.extend(fields.0);
            }
        });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.0.change(|state, now| state.close(id.into_u64(), now));
    }
}

/// A span's fields as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
