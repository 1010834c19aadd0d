//! What is wrong with a file: where, what, and what was probably meant.

use std::{fmt, sync::Arc};

use owo_colors::{OwoColorize, Style};
use serde::Serialize;

use super::{discretion::shown_line, overrides::Origin, path::FieldPath};
use crate::error::{Failure, Kind};

/// A file's name and text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Where each line begins: there may be a fault on each.
    lines: Arc<[usize]>,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        // To YAML a carriage return ends a line, too, alone or with the newline behind it.
        let is_end = |at: usize| text.as_bytes()[at] == b'\n' || !text[at + 1..].starts_with('\n');
        let ends =
            text.match_indices(['\n', '\r']).filter(|(at, _)| is_end(*at)).map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { name: name.into(), text: text.into(), lines }
    }

    /// A line by its number, from 1.
    pub(crate) fn line(&self, number: usize) -> Option<&str> {
        let begin = *self.lines.get(number.checked_sub(1)?)?;
        // Behind the last line's end there is no line.
        let rest = Some(&self.text[begin..]).filter(|rest| !rest.is_empty())?;
        rest.split(['\n', '\r']).next()
    }
}

/// Line and column from 1, and the length, all in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

impl Place {
    pub(crate) const START: Self = Self { line: 1, column: 1, length: 1 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One fault, or one warning, of an inventory or lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub severity: Severity,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead, or what to do.
    #[serde(rename = "help")]
    pub suggestion: Option<String>,
    pub file: String,
    /// From 1; 0 where it is not of a file.
    pub line: usize,
    /// From 1, in characters; 0 where it is not of a file.
    pub column: usize,
    /// How much is wrong, in characters, on that line.
    pub length: usize,
    /// The line itself; absent where it could show a secret.
    pub source_line: Option<String>,
    /// The field, `nodes.k3s-server.vmid`; empty for the whole file.
    #[serde(rename = "path")]
    pub field: String,
}

impl Fault {
    pub(crate) fn new(source: &Source, place: Place, message: String) -> Self {
        Self {
            severity: Severity::Error,
            message,
            suggestion: None,
            file: source.name.to_string(),
            line: place.line,
            column: place.column,
            length: place.length,
            source_line: source.line(place.line).and_then(shown_line),
            field: String::new(),
        }
    }

    /// A fault of what wins over the file: a flag, or a variable of the environment.
    pub(crate) fn outside(origin: &Origin, message: String) -> Self {
        Self {
            severity: Severity::Error,
            message,
            suggestion: None,
            file: origin.to_string(),
            line: 0,
            column: 0,
            length: 0,
            source_line: None,
            field: String::new(),
        }
    }

    pub(crate) fn on(mut self, path: &FieldPath) -> Self {
        self.field = path.to_string();
        self
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    pub(crate) fn suggest_if(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion.or(self.suggestion);
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Leaves out what stands under the key that this fault points at: a secret may.
    pub(crate) fn without_value(mut self) -> Self {
        self.source_line = self.source_line.take().and_then(|line| {
            let key: String = line.chars().take(self.column - 1 + self.length).collect();
            // Only where nothing else stands before it on the line.
            let first = key.chars().take(self.column - 1).all(|c| c == ' ' || c == '-');
            first.then(|| format!("{key}: [redacted]"))
        });
        self
    }

    /// Leaves the source line out: a secret may stand on it.
    pub(crate) fn without_source(mut self) -> Self {
        self.source_line = None;
        self
    }
}

impl fmt::Display for Fault {
    /// Several lines, in the manner of rustc; in colour where `{:#}` asks for it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coloured = formatter.alternate();
        let paint = |style: Style, text: &str| match coloured {
            true => text.style(style).to_string(),
            false => text.to_owned(),
        };
        let (severity, style) = match self.severity {
            Severity::Error => ("error:", Style::new().red().bold()),
            Severity::Warning => ("warning:", Style::new().yellow().bold()),
        };
        let frame = |text: &str| paint(Style::new().blue(), text);
        write!(formatter, "{} {}", paint(style, severity), self.message)?;
        let number = self.line.to_string();
        let gutter = number.len();
        write!(formatter, "\n{:gutter$}{} {}", "", frame("-->"), self.file)?;
        if self.line > 0 {
            write!(formatter, ":{}:{}", self.line, self.column)?;
        }
        if let Some(line) = &self.source_line {
            let (line, before, carets) = self.underlined(line);
            let carets = paint(style, &"^".repeat(carets));
            write!(formatter, "\n{:gutter$} {}", "", frame("|"))?;
            write!(formatter, "\n{} {} {line}", frame(&number), frame("|"))?;
            write!(formatter, "\n{:gutter$} {} {:before$}{carets}", "", frame("|"), "")?;
        }
        if let Some(suggestion) = &self.suggestion {
            let help = paint(Style::new().cyan(), "help:");
            write!(formatter, "\n{:gutter$} {} {help} {suggestion}", "", frame("="))?;
        }
        Ok(())
    }
}

impl Fault {
    /// The line, made printable, with how many blanks and carets go below it.
    fn underlined(&self, line: &str) -> (String, usize, usize) {
        let printable: String = line
            .trim_end()
            .chars()
            .take(160)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        let length = printable.chars().count();
        let before = (self.column - 1).min(length);
        let carets = self.length.min(length.saturating_sub(before)).max(1);
        (printable, before, carets)
    }
}

/// All that is wrong with an inventory, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    pub(crate) fn sorted(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|left, right| {
            (&left.file, left.line, left.column).cmp(&(&right.file, right.line, right.column))
        });
        faults.dedup();
        Self(faults)
    }

    /// The faults behind a failure of [`crate::inventory::load`], for output as JSON.
    pub fn of(failure: &Failure) -> Option<&Self> {
        failure.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Faults {
    /// All of them, a blank line between.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        formatter.write_str(&texts.join("\n\n"))
    }
}

impl std::error::Error for Faults {}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        let count = faults.0.len();
        let file = faults.0.first().map(|fault| fault.file.clone()).unwrap_or_default();
        let plural = if count == 1 { "fault" } else { "faults" };
        Self::new(Kind::Inventory, format!("the inventory has {count} {plural}"))
            .at(file)
            .because(faults)
    }
}
