//! How a call fails: the status line, the message and the errors by parameter.

use http::StatusCode;
use indexmap::IndexMap;

/// A refused or failed call.
///
/// Proxmox sends the first line of `message` as the HTTP reason phrase and the whole of it in the
/// body; `errors` is there for status 400 only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// Ends with a line feed where the real server's `die` text does.
    pub(crate) message: String,
    pub(crate) errors: IndexMap<String, String>,
}

impl ApiError {
    /// What Perl's `die "text\n"` becomes: status 500. The text comes without its line feed.
    pub(crate) fn failure(text: impl std::fmt::Display) -> Self {
        Self::with_status(500, format!("{text}\n"))
    }

    pub(crate) fn with_status(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: IndexMap::new() }
    }

    /// A refused parameter: status 400, `Parameter verification failed.`
    pub(crate) fn parameter(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::parameters([(name.into(), text.into())])
    }

    pub(crate) fn parameters(errors: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            status: 400,
            message: "Parameter verification failed.\n".to_owned(),
            errors: errors.into_iter().collect(),
        }
    }

    /// A missing privilege: status 403, `Permission check failed (what)`.
    pub(crate) fn forbidden(what: impl std::fmt::Display) -> Self {
        Self::with_status(403, format!("Permission check failed ({what})\n"))
    }

    /// A missing privilege that nobody names: status 403, `Permission check failed`.
    pub(crate) fn forbidden_plainly() -> Self {
        Self::with_status(403, "Permission check failed\n")
    }

    /// The error as it leaves a locked section of Proxmox: `<what>: <text>`, status 500.
    pub(crate) fn within(self, what: &str) -> Self {
        let mut text = String::new();
        if self.status != 500 {
            text.push_str(&format!("{} ", self.status));
        }
        text.push_str(self.message.trim_end());
        for (name, error) in &self.errors {
            text.push_str(&format!("\n{name}: {error}"));
        }
        Self::failure(format!("{what}: {text}"))
    }

    /// The text as a task's exit status shows it: without the last line feed, others as spaces.
    pub(crate) fn exit_status(&self) -> String {
        self.message.trim_end().replace('\n', " ")
    }

    /// The reason phrase of the status line: the first line of the message.
    pub(crate) fn reason(&self) -> String {
        let line = self.message.lines().next().unwrap_or_default();
        if line.is_empty() {
            StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default()
                .to_owned()
        } else {
            line.to_owned()
        }
    }
}
