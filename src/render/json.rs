//! One JSON object a line on stdout, with the version of the form in each.

use serde::Serialize;

use super::Renderer;
use crate::event::{EVENT_VERSION, Event};

pub(super) struct Json;

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    time: jiff::Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

impl Renderer for Json {
    fn show(&mut self, event: &Event) {
        let line = Line { version: EVENT_VERSION, time: jiff::Timestamp::now(), event };
        match serde_json::to_string(&line) {
            Ok(text) => anstream::println!("{text}"),
            Err(error) => tracing::error!(%error, "an event cannot be printed"),
        }
    }
}
