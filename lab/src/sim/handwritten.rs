//! Files that a person wrote for a world.

use std::io::{Error, Read as _, Result};

use camino::Utf8Path;

/// In bytes; nobody writes more by hand.
const LARGEST: u64 = 1 << 20;

/// The text of a plain file.
///
/// # Errors
/// When it can't be read, is no text, or is anything but a plain file of a size that a person writes.
pub(super) fn read(path: &Utf8Path) -> Result<String> {
    // Before it is opened: that alone waits for ever for whoever writes into a pipe, and a device is read for ever.
    let found = fs_err::metadata(path)?;
    if !found.is_file() || found.len() > LARGEST {
        return Err(Error::other(format!(
            "{path} must be a plain file of {LARGEST} bytes at most"
        )));
    }
    let mut text = String::new();
    let file = fs_err::File::open(path)?;
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::other(format!("{path}: {error}")))?;
    Ok(text)
}
