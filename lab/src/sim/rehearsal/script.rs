//! What goes wrong, and where: a YAML file.

use camino::Utf8Path;
use serde::Deserialize;

use crate::sim::{
    gate::{Effect, System},
    handwritten,
};

/// One thing that goes wrong. It acts on effects that fit, from the `nth` on, `times` times.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of effect, as a report names it; `*` stands for anything.
    pub at: String,
    /// Whom it is asked of; anybody unless said.
    #[serde(default)]
    pub system: Option<System>,
    /// What it is about: a VMID, a node, an object; anything unless said.
    #[serde(default)]
    pub about: Option<String>,
    /// From which on, counted from 1.
    #[serde(default = "one")]
    pub nth: usize,
    /// How often; 0 is always.
    #[serde(default = "one")]
    pub times: usize,
    #[serde(rename = "do")]
    pub harm: Harm,
    /// Of a refusal: an HTTP status, or a script's exit status. 503, or 1, unless said.
    #[serde(default)]
    pub status: Option<u16>,
    /// Of a refusal: its words.
    #[serde(default)]
    pub message: Option<String>,
    /// Of a delay.
    #[serde(default)]
    pub seconds: Option<f64>,
}

/// What is done to an effect.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// The connection ends before it is done.
    LoseRequest,
    /// It is done, and its answer is lost.
    LoseAnswer,
    /// It is not done, and answered with a failure.
    Refuse,
    /// It is done later.
    Delay,
    /// The command is killed before it is done, and begins anew.
    Kill,
    /// The command is killed when it was done, and begins anew.
    KillAfter,
}

fn one() -> usize {
    1
}

/// Why a script can't be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{path}: {error}")]
    Syntax { path: String, error: Box<serde_saphyr::Error> },
    #[error("{path}:\n{}", .faults.join("\n"))]
    Senseless { path: String, faults: Vec<String> },
}

/// Reads a script whole.
///
/// # Errors
/// When it can't be read, is no list of faults, or one of them makes no sense; then all such are named.
pub fn read(path: &Utf8Path) -> Result<Vec<Fault>, ScriptError> {
    let text = handwritten::read(path)?;
    parse(path.as_str(), &text)
}

fn parse(path: &str, text: &str) -> Result<Vec<Fault>, ScriptError> {
    let faults: Vec<Fault> = serde_saphyr::from_str(text)
        .map_err(|error| ScriptError::Syntax { path: path.to_owned(), error: Box::new(error) })?;
    let numbered = (1..).zip(&faults);
    let senseless: Vec<String> = numbered
        .flat_map(|(number, fault)| {
            fault.senseless().into_iter().map(move |text| format!("  fault {number}: {text}"))
        })
        .collect();
    match senseless.is_empty() {
        true => Ok(faults),
        false => Err(ScriptError::Senseless { path: path.to_owned(), faults: senseless }),
    }
}

impl Fault {
    fn senseless(&self) -> Vec<String> {
        let refusal = self.harm == Harm::Refuse;
        let checks = [
            (self.nth == 0, "`nth` is counted from 1"),
            (self.status.is_some() && !refusal, "`status` is for `do: refuse` alone"),
            (
                self.status.is_some_and(|status| {
                    !(1..=255).contains(&status) && !(400..=599).contains(&status)
                }),
                "`status` is an HTTP status from 400 to 599, or a script's exit status from 1 to 255",
            ),
            (self.message.is_some() && !refusal, "`message` is for `do: refuse` alone"),
            (
                self.seconds.is_some() != (self.harm == Harm::Delay),
                "`seconds` goes with `do: delay`, and with that alone",
            ),
            (
                self.seconds.is_some_and(|seconds| !(0.0..=3600.0).contains(&seconds)),
                "`seconds` is between 0 and 3600",
            ),
            (
                matches!(self.harm, Harm::Kill | Harm::KillAfter) && self.times != 1,
                "a command is killed once a fault: `times` is 1",
            ),
        ];
        let faults = checks.into_iter().filter(|(wrong, _)| *wrong);
        faults.map(|(_, text)| text.to_owned()).collect()
    }

    /// Whether it may act on that effect.
    pub fn fits(&self, effect: &Effect) -> bool {
        self.system.is_none_or(|system| system == effect.system)
            && self.about.as_ref().is_none_or(|about| *about == effect.about)
            && matches(&self.at, &effect.kind)
    }

    /// As a report names it.
    pub fn name(&self) -> String {
        let about = self.about.as_ref().map(|about| format!(" of {about}"));
        let harm = match self.harm {
            Harm::LoseRequest => "the request is lost",
            Harm::LoseAnswer => "the answer is lost",
            Harm::Refuse => "refused",
            Harm::Delay => "late",
            Harm::Kill => "the command is killed before",
            Harm::KillAfter => "the command is killed after",
        };
        format!("`{}`{}: {harm}", self.at, about.unwrap_or_default())
    }
}

/// Whether a text is of that form; `*` stands for anything.
fn matches(form: &str, text: &str) -> bool {
    let mut parts = form.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (form, text, fits) in [
            ("POST /clone", "POST /clone", true),
            ("POST /clone", "POST /clone/x", false),
            ("POST *", "POST /clone", true),
            ("*clone", "POST /clone", true),
            ("POST */{vmid}/*", "POST /nodes/{node}/qemu/{vmid}/clone", true),
            ("POST */{vmid}/*", "PUT /nodes/{node}/qemu/{vmid}/clone", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(form, text), fits, "{form} {text}");
        }
    }

    #[test]
    fn a_script_is_read_with_what_is_not_said() {
        let faults = parse("faults.yaml", "- at: exec *\n  do: lose-answer\n").unwrap();
        assert_eq!((faults[0].nth, faults[0].times, faults[0].harm), (1, 1, Harm::LoseAnswer));
    }

    #[test]
    fn all_that_makes_no_sense_is_named() {
        let text = "- {at: x, do: kill, times: 0, status: 5}\n- {at: y, do: delay}\n";
        let error = parse("faults.yaml", text).unwrap_err().to_string();
        assert_eq!(
            error,
            "faults.yaml:\n  fault 1: `status` is for `do: refuse` alone\n  fault 1: a command is killed once a fault: `times` is 1\n  fault 2: `seconds` goes with `do: delay`, and with that alone"
        );
    }

    #[test]
    fn what_is_no_script_is_told_with_its_place() {
        for text in
            ["- {at: x, do: explode}", "- {do: kill}", "at: x", "- {at: x, do: kill, on: 1}"]
        {
            let error = parse("faults.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with("faults.yaml: ") && error.contains("line 1"), "{error}");
        }
    }
}
