//! What a person or a program sees of a run: one stream of events, three ways to show it.
//!
//! stdout is for data (documents, JSON events), stderr for talk.

mod bars;
pub mod failure;
mod json;
mod lines;
mod plan;
mod words;

use std::io::IsTerminal;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    cli::{Global, OutputFormat},
    error::Result,
    event::Event,
};
pub use plan::plan;

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
    pub fn of(global: &Global) -> Self {
        match global.output {
            OutputFormat::Json => Self::Json,
            OutputFormat::Text if global.quiet => Self::Quiet,
            // A log between the bars would tear them.
            OutputFormat::Text if std::io::stderr().is_terminal() && global.verbose == 0 => {
                Self::Bars
            }
            OutputFormat::Text => Self::Lines,
        }
    }
}

/// Shows events until the last one.
pub async fn show(mode: Mode, mut events: UnboundedReceiver<Event>) {
    let mut renderer: Box<dyn Renderer> = match mode {
        Mode::Bars => Box::new(bars::Bars::new()),
        Mode::Lines => Box::new(lines::Lines::default()),
        Mode::Json => Box::new(json::Json),
        Mode::Quiet => return,
    };
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Closed) {
            break;
        }
        renderer.show(&event);
    }
    renderer.close();
}

trait Renderer: Send {
    fn show(&mut self, event: &Event);
    fn close(&mut self) {}
}

/// Prints a JSON document on stdout.
pub fn document(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    anstream::println!("{text}");
    Ok(())
}
