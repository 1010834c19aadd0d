//! stdout and stderr of the lab's commands. A reader that went away (`homelab-lab status | head -1`) is no reason
//! to end otherwise, and `println!` would panic: what cannot be written is dropped.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
};

/// A line of data.
pub fn line(text: impl Display) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// Data as it is.
pub fn text(text: impl Display) {
    let _ = write!(stdout().lock(), "{text}");
}

/// A line of talk.
pub fn say(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}
