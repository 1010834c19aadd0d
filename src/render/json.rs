//! One JSON object a line on stdout, with the version of the form in each.

use serde::Serialize;

use super::{Renderer, output};
use crate::{
    error::Result,
    event::{EVENT_VERSION, Event},
};

/// After the first event that stdout did not take, none is printed: half a line would be garbage.
#[derive(Default)]
pub(super) struct Json {
    printed: Option<Result<()>>,
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    time: jiff::Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

impl Renderer for Json {
    fn show(&mut self, event: &Event) {
        if matches!(self.printed, Some(Err(_))) {
            return;
        }
        let line = Line { version: EVENT_VERSION, time: jiff::Timestamp::now(), event };
        match serde_json::to_string(&line) {
            Ok(text) => self.printed = Some(output::line(text)),
            Err(error) => tracing::error!(%error, "an event cannot be printed"),
        }
    }

    fn close(&mut self) -> Result<()> {
        self.printed.take().unwrap_or(Ok(()))
    }
}
