//! A reader that went away.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Stdio};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_went_away_changes_nothing_of_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in
        [(&["down", "--name", "nowhere"][..], 0), (&["artifacts", "--list"][..], 0)]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_homelab-lab"))
            .args(arguments)
            .env("HOME", folder.path())
            .env("XDG_CACHE_HOME", folder.path())
            .stdout(closed())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
