//! The two streams: stdout for data, stderr for talk. What `println!` would do here is panic.
//!
//! * A reader that went away (`homelab plan | head -1`) is no failure: it has read what it wanted. The
//!   rest is dropped, and the command ends with its own exit code.
//! * A stdout that cannot take the data, as on a full disk, is one: somebody counts on that data.
//! * Talk that cannot be written is dropped: no stream is left to say so on.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use crate::error::{Effect, Failure, Kind, Result};

/// Writes data on stdout, as it is.
///
/// # Errors
/// [`Kind::Runtime`] when stdout cannot take it; a closed pipe is none.
pub fn data(text: impl Display) -> Result<()> {
    judged(write(anstream::stdout().lock(), format_args!("{text}")))
}

/// Writes a line of data on stdout.
///
/// # Errors
/// As [`data`].
pub fn line(text: impl Display) -> Result<()> {
    judged(write(anstream::stdout().lock(), format_args!("{text}\n")))
}

/// Writes talk on stderr, as it is.
pub fn talk(text: impl Display) {
    let _ = write(anstream::stderr().lock(), format_args!("{text}"));
}

/// Writes a line of talk on stderr.
pub fn say(text: impl Display) {
    let _ = write(anstream::stderr().lock(), format_args!("{text}\n"));
}

fn write(mut stream: impl Write, text: std::fmt::Arguments<'_>) -> io::Result<()> {
    stream.write_all(text.to_string().as_bytes())?;
    stream.flush()
}

/// What an error of stdout means to a command.
///
/// # Errors
/// [`Kind::Runtime`] for all but a reader that went away.
pub fn judged(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Runtime, format!("stdout cannot be written: {error}"))
                .effect(Effect::None)
                .hint("what was to be printed is not there in full; make room, or write elsewhere"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
        assert!(judged(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let full = judged(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(full.kind, Kind::Runtime);
        assert!(full.to_string().starts_with("stdout cannot be written:"), "{full}");
    }
}
