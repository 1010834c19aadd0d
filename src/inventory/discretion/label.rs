//! A name that stands before its value.

use super::name::{assigns_a_secret, is_ambiguous};

/// A name as it stands before its mark.
pub(super) struct Label<'a> {
    pub(super) text: &'a str,
    pub(super) is_quoted: bool,
    /// Whether a blank stands between it and the mark.
    pub(super) is_apart: bool,
    /// What stands right before it.
    before: Option<char>,
}

impl<'a> Label<'a> {
    /// The name at the end of a text.
    pub(super) fn before(text: &'a str) -> Self {
        let close = text.trim_end_matches([' ', '\t']);
        let whole = close.trim_end_matches(['"', '\'', '`', '\\', ']']);
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let before = whole.trim_end_matches(is_of_a_name);
        Self {
            text: &whole[before.len()..],
            is_quoted: close[whole.len()..].contains(['"', '\'']),
            is_apart: close.len() < text.len(),
            before: before.chars().next_back(),
        }
    }

    /// Whether what it names is a secret.
    pub(super) fn is_of_a_secret(&self) -> bool {
        assigns_a_secret(self.text)
    }

    /// Whether it names other things as well.
    pub(super) fn is_ambiguous(&self) -> bool {
        is_ambiguous(self.text)
    }

    /// Whether it is the header of HTTP, or the one for a proxy.
    pub(super) fn is_authorization(&self) -> bool {
        let header = "authorization";
        let from = self.text.len().saturating_sub(header.len());
        self.text[from..].eq_ignore_ascii_case(header)
    }

    /// Whether the quote behind the mark closes what began before the name: as in "give `token=`."
    pub(super) fn is_closed_by(&self, quote: Option<char>) -> bool {
        !self.is_quoted && quote.is_some() && quote == self.before
    }

    pub(super) fn follows(&self, marks: [char; 2]) -> bool {
        self.before.is_some_and(|before| marks.contains(&before))
    }
}
