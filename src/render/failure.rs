//! The end of a command that failed: what, where, why, what is known of the effect, what to do next.

use owo_colors::OwoColorize;
use serde::Serialize;

use super::output;
use crate::{
    cli::OutputFormat,
    error::{Effect, Failure, Kind},
    inventory::Faults,
};

#[derive(Serialize)]
struct Document<'a> {
    error: &'a str,
    kind: Kind,
    exit_code: u8,
    place: Option<&'a str>,
    effect: Effect,
    because: Vec<String>,
    hints: &'a [String],
    /// Of an inventory or lock file: each fault with its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<&'a Faults>,
}

/// Prints a failure on stderr, as text or as one JSON document.
pub fn print(failure: &Failure, format: OutputFormat) {
    match format {
        OutputFormat::Text => output::talk(text(failure)),
        OutputFormat::Json => {
            let document = Document {
                error: &failure.message,
                kind: failure.kind,
                exit_code: failure.kind.exit_code(),
                place: failure.place.as_deref(),
                effect: failure.effect,
                because: match Faults::of(failure) {
                    Some(_) => Vec::new(),
                    None => failure.chain().into_iter().skip(1).collect(),
                },
                hints: &failure.hints,
                faults: Faults::of(failure),
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
        return format!("{}\n", faults.to_string().trim_end());
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
    text
}
