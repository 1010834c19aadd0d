//! Secrets as a type: what prints, compares or serialises one shows nothing of it.

pub(crate) mod known;

use std::fmt;

use zeroize::Zeroizing;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// A secret text. `Debug` and `Display` print `[redacted]`; there is no `Serialize`. Where others repeat
/// it, it is redacted by its value.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A text that is a secret as a whole.
    pub fn new(text: impl Into<String>) -> Self {
        let secret = Self::document(text);
        known::note(secret.expose());
        secret
    }

    /// A text that holds secrets among other things, such as a script: what of it is none may be repeated.
    pub fn document(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself: for a header, a file of mode 0600 or standard input, never for argv or a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "hunter2");
    }
}
