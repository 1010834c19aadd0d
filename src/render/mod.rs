//! What a person or a program sees of a run: one stream of events, three ways to show it.
//!
//! stdout is for data (documents, JSON events), stderr for talk.

mod bars;
pub mod failure;
mod json;
pub mod junit;
mod lines;
pub(crate) mod log;
pub mod output;
pub mod plan;
pub mod program;
mod row;
mod table;
pub(crate) mod topology;
pub mod usage;
mod words;

use std::io::IsTerminal;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    cli::{Global, OutputFormat},
    error::Result,
    event::Event,
};
pub use failure::{fault, faults};
pub use plan::plan;
pub(crate) use table::table;
pub(crate) use words::steps;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A terminal: a line a node, the ladder above.
    Bars,
    /// A pipe or CI: a line an event.
    Lines,
    /// One JSON object a line, on stdout.
    Json,
    Quiet,
}

impl Mode {
    /// `streams`: whether stdout is for events, rather than for one document at the end.
    pub fn of(global: &Global, streams: bool) -> Self {
        match global.output {
            OutputFormat::Json if streams => Self::Json,
            _ if global.quiet => Self::Quiet,
            OutputFormat::Json => Self::Lines,
            // A log between the bars would tear them.
            OutputFormat::Text if std::io::stderr().is_terminal() && global.verbose == 0 => {
                Self::Bars
            }
            OutputFormat::Text => Self::Lines,
        }
    }
}

/// Shows events until the last one.
///
/// # Errors
/// When stdout did not take them all; they are read to the end all the same.
pub async fn show(mode: Mode, mut events: UnboundedReceiver<Event>) -> Result<()> {
    let mut renderer: Box<dyn Renderer> = match mode {
        Mode::Bars => Box::new(bars::Bars::new()),
        Mode::Lines => Box::new(lines::Lines::default()),
        Mode::Json => Box::new(json::Json::default()),
        Mode::Quiet => Box::new(Silent),
    };
    while let Some(event) = events.recv().await {
        match &event {
            Event::Closed => break,
            Event::Pause(cleared) => {
                renderer.pause();
                cleared.notify_one();
            }
            event => renderer.show(event),
        }
    }
    renderer.close()
}

trait Renderer: Send {
    fn show(&mut self, event: &Event);
    /// Makes room on the screen; the next event may draw again.
    fn pause(&mut self) {}
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

struct Silent;

impl Renderer for Silent {
    fn show(&mut self, _event: &Event) {}
}

/// Prints a JSON document on stdout.
pub fn document(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    output::line(text)
}
