//! The end of a command that failed: what, where, why, what is known of the effect, what to do next.

use owo_colors::OwoColorize;
use serde::Serialize;

use super::{output, program};
use crate::{
    cli::OutputFormat,
    error::{Effect, Failure, Kind},
    inventory::{Fault, Faults, discretion::without_secrets},
};

#[derive(Serialize)]
struct Document {
    error: String,
    kind: Kind,
    exit_code: u8,
    place: Option<String>,
    effect: Effect,
    because: Vec<String>,
    hints: Vec<String>,
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
                error: shown(&failure.message),
                kind: failure.kind,
                exit_code: failure.kind.exit_code(),
                place: failure.place.as_deref().map(without_secrets),
                effect: failure.effect,
                because: match Faults::of(failure) {
                    Some(_) => Vec::new(),
                    None => {
                        failure.chain().iter().skip(1).map(|text| without_secrets(text)).collect()
                    }
                },
                hints: failure.hints.iter().map(|hint| shown(hint)).collect(),
                faults: Faults::of(failure).map(|found| faults(&found.0)),
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
    let mut text =
        format!("{} {}\n", "error:".red().bold(), aligned(&failure.to_string(), "error:"));
    for reason in failure.chain().into_iter().skip(1) {
        let reason = aligned(&reason, "  because:");
        text.push_str(&format!("  {} {reason}\n", "because:".dimmed()));
    }
    match failure.effect {
        Effect::None => {}
        Effect::Partial => text.push_str("  a part of it was done\n"),
        Effect::Unknown => text.push_str("  it may or may not have been done\n"),
    }
    for hint in &failure.hints {
        text.push_str(&format!("  {} {}\n", "hint:".cyan(), aligned(hint, "  hint:")));
    }
    shown(&text)
}

/// With whole commands, and without what has the form of a secret: what was typed or exported in a wrong
/// place is repeated by many messages.
pub(super) fn shown(text: &str) -> String {
    without_secrets(&program::completed(text))
}

/// A fault, or a warning, of the inventory as text.
pub fn fault(fault: &Fault) -> String {
    format!("{:#}", complete(fault))
}

/// Faults, or warnings, of the inventory as they may be printed as JSON.
pub fn faults(faults: &[Fault]) -> Faults {
    Faults(faults.iter().map(complete).collect())
}

/// Every field is named here, so that a new one cannot be forgotten. The file's own line stays what it is
/// but for secrets: a command in it is the file's.
fn complete(fault: &Fault) -> Fault {
    let Fault { severity, message, suggestion, file, line, column, length, source_line, field } =
        fault;
    Fault {
        severity: *severity,
        message: shown(message),
        suggestion: suggestion.as_deref().map(shown),
        file: without_secrets(file),
        line: *line,
        column: *column,
        length: *length,
        source_line: source_line.as_deref().map(without_secrets),
        field: without_secrets(field),
    }
}

/// A text whose further lines begin where its first one does, behind a label.
fn aligned(text: &str, label: &str) -> String {
    let margin = " ".repeat(label.len() + 1);
    text.lines().collect::<Vec<_>>().join(&format!("\n{margin}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Severity;

    #[test]
    fn each_line_of_a_message_begins_in_the_same_column() {
        let failure = Failure::new(Kind::Refused, "one\ntwo").hint("three\nfour");
        let plain = without_colours(&text(&failure));
        assert_eq!(plain, "error: one\n       two\n  hint: three\n        four\n");
    }

    #[test]
    fn no_part_of_a_fault_repeats_a_secret() {
        let secret = || "root@pam!up=hunter2".to_owned();
        let found = Fault {
            severity: Severity::Warning,
            message: secret(),
            suggestion: Some(secret()),
            file: secret(),
            line: 1,
            column: 1,
            length: 1,
            source_line: Some(secret()),
            field: secret(),
        };
        let told = fault(&found) + &serde_json::to_string(&faults(&[found])).unwrap();
        assert!(!told.contains("hunter2") && told.contains("root@pam!up=[redacted]"), "{told}");
    }

    /// Without the colours, which have no width.
    fn without_colours(text: &str) -> String {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
    }
}
