//! The environment's variables, which may hold any bytes.

use std::{cell::OnceCell, ffi::OsString};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{Failure, Kind, Result};

/// The text of a variable; `None` where it is not set.
///
/// # Errors
/// [`Kind::Usage`] when it is no UTF-8: it would otherwise count for nothing, in silence.
pub fn variable(name: &str) -> Result<Option<String>> {
    std::env::var_os(name).map(|value| text(name, value)).transpose()
}

/// The folder for one kind of a program's files: what the variable names, or a folder below the home folder.
/// A relative path counts for nothing, as the XDG base directory specification wants it: what it means would
/// depend on where the program was started.
///
/// # Errors
/// As [`variable`], of what is needed alone; and where neither names a folder.
pub fn base_folder(name: &str, below_home: &str) -> Result<Utf8PathBuf> {
    base_folder_in(|name| std::env::var_os(name), name, below_home)
}

fn base_folder_in(
    get: impl Fn(&str) -> Option<OsString>,
    name: &str,
    below_home: &str,
) -> Result<Utf8PathBuf> {
    let folder = |name: &str| -> Result<Option<Utf8PathBuf>> {
        let value = get(name).map(|value| text(name, value)).transpose()?;
        Ok(value.map(Utf8PathBuf::from).filter(|path| path.is_absolute()))
    };
    if let Some(named) = folder(name)? {
        return Ok(named);
    }
    folder("HOME")?.map(|home| home.join(below_home)).ok_or_else(|| {
        Failure::new(Kind::Runtime, format!("neither {name} nor HOME names a folder")).hint(
            format!("set one of them to an absolute path: {name} is ~/{below_home} unless set"),
        )
    })
}

/// The home folder, asked for when a path is first said to begin there.
#[derive(Debug, Default)]
pub struct Home(OnceCell<Result<Option<Utf8PathBuf>>>);

impl Home {
    /// The folder, where it is known.
    pub fn folder(&self) -> Option<&Utf8Path> {
        let found = self.0.get_or_init(|| Ok(variable("HOME")?.map(Utf8PathBuf::from)));
        found.as_ref().ok()?.as_deref()
    }

    /// Why it could not be had, where it was asked for.
    pub fn failure(self) -> Option<Failure> {
        self.0.into_inner()?.err()
    }
}

fn text(name: &str, value: OsString) -> Result<String> {
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
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_refused_and_not_repeated() {
        let failure = text("TOKEN", OsString::from_vec(b"hunter2\xff".to_vec())).unwrap_err();
        assert_eq!(failure.message, "what the environment variable TOKEN holds is no UTF-8 text");
        assert_eq!(text("TOKEN", "x".into()).unwrap(), "x");
    }

    fn state(state: &[u8], home: &[u8]) -> Result<Utf8PathBuf> {
        let get = |name: &str| {
            let value = if name == "HOME" { home } else { state };
            (!value.is_empty()).then(|| OsString::from_vec(value.to_vec()))
        };
        base_folder_in(get, "XDG_STATE_HOME", ".local/state")
    }

    #[test]
    fn a_relative_base_folder_is_ignored() {
        assert_eq!(state(b"/var/state", b"/home/me").unwrap(), "/var/state");
        assert_eq!(state(b"state", b"/home/me").unwrap(), "/home/me/.local/state");
        assert_eq!(state(b"", b"/home/me").unwrap(), "/home/me/.local/state");
        let failure = state(b"", b"").unwrap_err();
        assert_eq!(failure.message, "neither XDG_STATE_HOME nor HOME names a folder");
    }

    #[test]
    fn a_home_folder_that_is_no_text_matters_only_where_it_is_needed() {
        assert_eq!(state(b"/var/state", b"/home/\xff").unwrap(), "/var/state");
        let failure = state(b"", b"/home/\xff").unwrap_err();
        assert_eq!(failure.message, "what the environment variable HOME holds is no UTF-8 text");
    }
}
