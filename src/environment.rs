//! The environment's variables, which may hold any bytes.

use crate::error::{Failure, Kind, Result};

/// The text of a variable; `None` where it is not set.
///
/// # Errors
/// [`Kind::Usage`] when it is no UTF-8: it would otherwise count for nothing, in silence.
pub fn variable(name: &str) -> Result<Option<String>> {
    std::env::var_os(name).map(|value| text(name, value)).transpose()
}

fn text(name: &str, value: std::ffi::OsString) -> Result<String> {
    // What it holds may be a secret.
    value.into_string().map_err(|_| {
        Failure::new(
            Kind::Usage,
            format!("what the environment variable {name} holds is no UTF-8 text"),
        )
        .hint(format!("set it anew, or `unset {name}`"))
    })
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_refused_and_not_repeated() {
        let failure = text("TOKEN", OsString::from_vec(b"hunter2\xff".to_vec())).unwrap_err();
        assert_eq!(failure.message, "what the environment variable TOKEN holds is no UTF-8 text");
        assert_eq!(text("TOKEN", "x".into()).unwrap(), "x");
    }
}
