//! The end of a command that failed: what, where, why, what is known of the effect, what to do next.

use std::borrow::Cow;

use owo_colors::OwoColorize;
use serde::Serialize;

use super::{output, program::completed};
use crate::{
    cli::OutputFormat,
    error::{Effect, Failure, Kind},
    inventory::{Fault, Faults},
};

#[derive(Serialize)]
struct Document<'a> {
    error: Cow<'a, str>,
    kind: Kind,
    exit_code: u8,
    place: Option<&'a str>,
    effect: Effect,
    because: Vec<String>,
    hints: Vec<Cow<'a, str>>,
    /// Of an inventory or lock file: each fault with its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Faults>,
}

/// Prints a failure on stderr, as text or as one JSON document.
pub fn print(failure: &Failure, format: OutputFormat) {
    match format {
        OutputFormat::Text => output::talk(text(failure)),
        OutputFormat::Json => {
            let document = Document {
                error: completed(&failure.message),
                kind: failure.kind,
                exit_code: failure.kind.exit_code(),
                place: failure.place.as_deref(),
                effect: failure.effect,
                because: match Faults::of(failure) {
                    Some(_) => Vec::new(),
                    None => failure.chain().into_iter().skip(1).collect(),
                },
                hints: failure.hints.iter().map(|hint| completed(hint)).collect(),
                faults: Faults::of(failure)
                    .map(|faults| Faults(faults.0.iter().map(complete).collect())),
            };
            match serde_json::to_string(&document) {
                Ok(line) => output::say(line),
                Err(_) => output::talk(text(failure)),
            }
        }
    }
}

/// The failure as text.
pub fn text(failure: &Failure) -> String {
    // The inventory's faults come with their own places, lines and carets.
    if let Some(faults) = Faults::of(failure) {
        let texts: Vec<String> = faults.0.iter().map(fault).collect();
        return format!("{}\n", texts.join("\n\n"));
    }
    let mut text = format!("{} {failure}\n", "error:".red().bold());
    for reason in failure.chain().into_iter().skip(1) {
        text.push_str(&format!("  {} {reason}\n", "because:".dimmed()));
    }
    match failure.effect {
        Effect::None => {}
        Effect::Partial => text.push_str("  a part of it was done\n"),
        Effect::Unknown => text.push_str("  it may or may not have been done\n"),
    }
    for hint in &failure.hints {
        text.push_str(&format!("  {} {hint}\n", "hint:".cyan()));
    }
    completed(&text).into_owned()
}

/// A fault, or a warning, of the inventory as text.
pub fn fault(fault: &Fault) -> String {
    format!("{:#}", complete(fault))
}

/// The file's own line stays what it is.
fn complete(fault: &Fault) -> Fault {
    Fault {
        message: completed(&fault.message).into_owned(),
        suggestion: fault.suggestion.as_deref().map(|text| completed(text).into_owned()),
        ..fault.clone()
    }
}
