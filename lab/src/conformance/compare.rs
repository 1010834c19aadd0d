//! Holds answers against the recorded ones.
//!
//! An exchange matches when the status line is the same and the body is: for errors equal, for
//! successes of the same shape (keys and types, short scalars equal), both after masking what may
//! differ (times, UPIDs, digests, tickets, addresses, sizes, load). Exchanges are paired by
//! section, note, method, path, and how often that came before.

use std::{collections::HashMap, fmt, sync::LazyLock};

use camino::Utf8Path;
use indexmap::IndexMap;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::permutation::Permutation;

/// Keys whose values are free.
const FREE: &[&str] = &[
    "t",
    "n",
    "cpu",
    "mem",
    "disk",
    "maxdisk",
    "uptime",
    "pid",
    "netin",
    "netout",
    "diskread",
    "diskwrite",
    "starttime",
    "endtime",
    "used",
    "avail",
    "total",
    "size",
    "ctime",
    "digest",
    "loadavg",
    "pstart",
    "time",
    "expire",
    "ticket",
    "CSRFPreventionToken",
    "value",
];
/// Longer texts are only told to be texts.
const LONG: usize = 200;
/// Lists are compared by so many different entries.
const ENTRIES: usize = 6;

static MASKS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).expect("the pattern is fixed and valid");
    vec![
        (compile(r#"UPID:[^"\s\\]+"#), "UPID"),
        (compile(r#"PVE:[^"\s\\]+::[^"\s\\]+"#), "TICKET"),
        (compile(r"[0-9A-F]{8}:[A-Za-z0-9+/=]{20,}"), "CSRF"),
        (compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
        (compile(r"\b[0-9a-f]{40}\b"), "SHA1"),
        (compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
        (compile(r"\b(?:[0-9A-Fa-f]{2}:){5,31}[0-9A-Fa-f]{2}\b"), "HEX"),
        (compile(r"pveupload-[0-9a-f]+"), "pveupload"),
        // Those of HTTP's own headers name the day of the week and the month.
        (compile(r"\b[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT\b"), "DATE"),
        (compile(r"\d+(?:\.\d+)?"), "#"),
    ]
});

fn mask(text: &str) -> String {
    MASKS.iter().fold(text.to_owned(), |text, (pattern, word)| {
        pattern.replace_all(&text, *word).into_owned()
    })
}

#[derive(Deserialize)]
struct Exchange {
    section: String,
    note: String,
    request: Value,
    status_line: String,
    body: String,
}

/// What of an exchange must agree.
#[derive(Clone, Debug, PartialEq)]
struct Picture {
    status: String,
    body: Value,
}

impl Exchange {
    fn key(&self) -> (String, String, String, String) {
        let text = |name: &str| self.request[name].as_str().unwrap_or_default().to_owned();
        let path = text("path");
        let path = path.split('?').next().unwrap_or_default();
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        (self.section.clone(), self.note.clone(), text("method"), mask(&path))
    }

    /// The exchange under its other names, ids and sizes.
    fn permuted(mut self, permutation: &Permutation) -> Self {
        if let Some(path) = self.request["path"].as_str() {
            let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
            self.request["path"] = permutation.text(&path).into();
        }
        self.status_line = permutation.status_line(&self.status_line);
        self.body = permutation.body(&self.body);
        self
    }

    fn picture(&self) -> Picture {
        let status = self.status_line.clone();
        let body = match serde_json::from_str::<Value>(&self.body) {
            Err(_) => Value::String(mask(&self.body.chars().take(400).collect::<String>())),
            Ok(parsed) if format!("{status} ").contains(" 200 ") => shape(&parsed),
            Ok(parsed) => {
                let masked = mask(&parsed.to_string());
                serde_json::from_str(&masked).unwrap_or(Value::String(masked))
            }
        };
        Picture { status, body }
    }
}

fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !key.starts_with("pressure"))
            .map(|(key, value)| {
                let shaped = match value {
                    _ if FREE.contains(&key.as_str()) => "any".into(),
                    Value::String(text) if key == "content" => {
                        let mut parts: Vec<&str> = text.split(',').collect();
                        parts.sort_unstable();
                        json!(parts)
                    }
                    value => shape(value),
                };
                (key.clone(), shaped)
            })
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(items) => {
            let mut shapes: Vec<String> =
                items.iter().map(|item| sorted(&shape(item)).to_string()).collect();
            shapes.sort_unstable();
            shapes.dedup();
            shapes.truncate(ENTRIES);
            json!(["list", shapes])
        }
        Value::String(text) if text.chars().count() < LONG => mask(text).into(),
        Value::String(_) => "text".into(),
        Value::Number(number) if number.is_f64() => "float".into(),
        Value::Number(_) => "int".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => "NoneType".into(),
    }
}

/// Objects with their keys in order, so that they compare as text.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), sorted(value)))
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

type Key = ((String, String, String, String), usize);

fn load(
    file: &Utf8Path,
    permutation: Option<&Permutation>,
) -> std::io::Result<IndexMap<Key, Exchange>> {
    let mut seen: HashMap<_, usize> = HashMap::new();
    let mut found = IndexMap::new();
    for line in fs_err::read_to_string(file)?.lines().filter(|line| !line.is_empty()) {
        let exchange: Exchange = serde_json::from_str(line)
            .map_err(|error| std::io::Error::other(format!("{file}: {error}: {line:.80}")))?;
        let exchange = match permutation {
            Some(permutation) => exchange.permuted(permutation),
            None => exchange,
        };
        let key = exchange.key();
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        found.insert((key, *count), exchange);
    }
    Ok(found)
}

/// An exchange that does not match.
pub(super) struct Difference {
    pub(super) section: String,
    what: String,
    real: Picture,
    ours: Option<Picture>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "differs: {}", self.what)?;
        writeln!(formatter, "  real: {} {:.1500}", self.real.status, self.real.body.to_string())?;
        match &self.ours {
            Some(ours) => {
                write!(formatter, "  ours: {} {:.1500}", ours.status, ours.body.to_string())
            }
            None => write!(formatter, "  ours: no such exchange"),
        }
    }
}

/// Matched exchanges by section, in the order of the recording.
pub(super) struct Report {
    /// Matched, and all.
    pub(super) sections: IndexMap<String, (u32, u32)>,
    pub(super) differences: Vec<Difference>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut matched, mut all) = (0, 0);
        for (section, (good, every)) in &self.sections {
            let share = f64::from(*good) * 100.0 / f64::from((*every).max(1));
            writeln!(formatter, "section {section}: matched {good} of {every} ({share:.1} %)")?;
            matched += good;
            all += every;
        }
        writeln!(formatter, "matched {matched} of {all}")
    }
}

/// Compares two files of exchanges. What is expected of answers under other names is the recording
/// under the same ones.
///
/// # Errors
/// When a file can't be read or a line in it is no exchange.
pub(super) fn compare(
    recording: &Utf8Path,
    answers: &Utf8Path,
    permutation: Option<&Permutation>,
) -> std::io::Result<Report> {
    let real = load(recording, permutation)?;
    let ours = load(answers, None)?;
    let mut report = Report { sections: IndexMap::new(), differences: Vec::new() };
    for (key, exchange) in &real {
        let (good, every) = report.sections.entry(exchange.section.clone()).or_default();
        *every += 1;
        let wanted = exchange.picture();
        let got = ours.get(key).map(Exchange::picture);
        let leak = permutation
            .zip(ours.get(key))
            .and_then(|(permutation, answer)| permutation.leak(&answer.body));
        if got.as_ref() == Some(&wanted) && leak.is_none() {
            *good += 1;
        } else {
            let ((section, note, method, path), count) = key;
            let tells = leak.map(|leak| format!(", tells of {leak}")).unwrap_or_default();
            report.differences.push(Difference {
                section: section.clone(),
                what: format!("[{section}] {note} | {method} {path} #{count}{tells}"),
                real: wanted,
                ours: got,
            });
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_differ_is_masked() {
        assert_eq!(mask("VM 100 at 1.5 by UPID:pve1:0:1:x:"), "VM # at # by UPID");
        assert_eq!(mask("BC:24:11:37:9C:40"), "HEX");
        let sunday = mask("Date: Sun, 29 Nov 2026 11:15:57 GMT\r\nPragma: no-cache");
        assert_eq!(sunday, mask("Date: Mon, 01 Feb 2027 00:03:12 GMT\r\nPragma: no-cache"));
    }

    #[test]
    fn lists_compare_by_their_different_entries_in_any_order() {
        let one = shape(&json!([{ "b": 1, "a": "x" }, { "a": "y", "b": 2 }]));
        let other =
            shape(&json!([{ "a": "y", "b": 7 }, { "a": "x", "b": 1 }, { "a": "x", "b": 3 }]));
        assert_eq!(one, other);
        assert_ne!(one, shape(&json!([{ "a": "x", "b": "1" }])));
    }
}
