//! The log of a run that was asked for: without secrets, as all else that is shown.

use std::io::{Result, Stderr, Write};

use crate::inventory::discretion::without_secrets;

/// Standard error. An event comes in one piece.
pub(crate) struct Log(Stderr);

impl Log {
    pub(crate) fn open() -> Self {
        Self(std::io::stderr())
    }
}

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> Result<usize> {
        self.0.write_all(without_secrets(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}
