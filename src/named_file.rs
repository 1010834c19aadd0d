//! Files that a person names. They may be anything: a device that never ends, a pipe that nobody writes into.

use std::{
    io::{Error, ErrorKind, Read, Result},
    os::unix::fs::FileTypeExt,
    path::Path,
};

use fs_err::{File, OpenOptions, os::unix::fs::OpenOptionsExt};
use rustix::fs::OFlags;

/// A key or a certificate that is larger is something else.
pub const KEY: u64 = 1 << 20;
/// An inventory or a manifest that is larger is something else.
pub const DOCUMENT: u64 = 16 << 20;

/// Opens a regular file, and nothing else.
///
/// # Errors
/// Those of the operating system; and one that says what it is instead.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    let file = without_waiting(path.as_ref())?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    Err(not_regular(path.as_ref(), kind))
}

/// Whether a path may be written over: only what is a regular file, or not there, is. A file that is renamed
/// onto a device takes its place.
///
/// # Errors
/// One that says what it is instead.
pub fn is_replaceable(path: impl AsRef<Path>) -> Result<()> {
    match fs_err::metadata(&path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) => Err(not_regular(path.as_ref(), found.file_type())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens what can be read, be it a pipe: `-c <(...)`. One that nobody writes into ends at once.
///
/// # Errors
/// Those of the operating system; and for a folder.
pub fn open_any(path: impl AsRef<Path>) -> Result<File> {
    let file = without_waiting(path.as_ref())?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(not_regular(path.as_ref(), kind));
    }
    // Whoever writes into a pipe is waited for.
    let flags = rustix::fs::fcntl_getfl(&file)? - OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&file, flags)?;
    Ok(file)
}

/// What a regular file holds.
///
/// # Errors
/// As [`open`]; and for more than `limit` bytes.
pub fn bytes(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>> {
    bounded(open(&path)?, limit)
}

/// The text of a regular file.
///
/// # Errors
/// As [`bytes`]; and for what is no UTF-8.
pub fn text(path: impl AsRef<Path>, limit: u64) -> Result<String> {
    decoded(bytes(&path, limit)?, path.as_ref())
}

/// The text of what can be read, be it a pipe.
///
/// # Errors
/// As [`open_any`]; for more than `limit` bytes; for what is no UTF-8; for a pipe that nothing came out of.
pub fn text_of_any(path: impl AsRef<Path>, limit: u64) -> Result<String> {
    let path = path.as_ref();
    let file = open_any(path)?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    let bytes = bounded(file, limit)?;
    if is_pipe && bytes.is_empty() {
        let message = format!("nothing came out of the pipe `{}`", path.display());
        return Err(Error::new(ErrorKind::UnexpectedEof, message));
    }
    decoded(bytes, path)
}

/// Opening a pipe otherwise waits for somebody who writes.
fn without_waiting(path: &Path) -> Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// What an open file holds.
///
/// # Errors
/// Those of the operating system; and for more than `limit` bytes.
pub fn bounded(file: File, limit: u64) -> Result<Vec<u8>> {
    let name = file.path().display().to_string();
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let size = if limit < 1 << 20 { limit >> 10 } else { limit >> 20 };
        let unit = if limit < 1 << 20 { "KiB" } else { "MiB" };
        let message = format!("`{name}` is larger than {size} {unit}");
        return Err(Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

fn decoded(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let (line, column) = place_behind(&String::from_utf8_lossy(sound));
        let message =
            format!("`{}` is no UTF-8 text: line {line}, column {column}", path.display());
        Error::new(ErrorKind::InvalidData, message)
    })
}

/// Line and column, from 1 and in characters, of what follows a text.
fn place_behind(text: &str) -> (usize, usize) {
    let line = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() + 1, line.chars().count() + 1)
}

fn not_regular(path: &Path, kind: std::fs::FileType) -> Error {
    let message = format!("`{}` is {}, not a regular file", path.display(), called(kind));
    Error::new(ErrorKind::InvalidInput, message)
}

/// What no regular file is, with its article.
pub fn called(kind: std::fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Where a link leads.
pub fn led_to(path: impl AsRef<Path>) -> Option<String> {
    fs_err::read_link(path).ok().map(|target| target.display().to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    /// A pipe with a name in a new folder.
    pub(crate) fn pipe() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("pipe")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path.as_std_path(),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        (folder, path)
    }

    fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let (folder, pipe) = pipe();
        assert_eq!(refused(text(&pipe, KEY)), format!("`{pipe}` is a pipe, not a regular file"));
        assert_eq!(refused(text("/dev/zero", KEY)), "`/dev/zero` is a device, not a regular file");
        is_replaceable("/dev/null").unwrap_err();
        is_replaceable(folder.path().join("new")).unwrap();
        let told = refused(text(folder.path(), KEY));
        assert!(told.ends_with("is a folder, not a regular file"), "{told}");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_where_it_may_be_one() {
        let (_folder, pipe) = pipe();
        let told = format!("nothing came out of the pipe `{pipe}`");
        assert_eq!(refused(text_of_any(&pipe, KEY)), told);
        // It opens the pipe, and writes only then.
        let script = "exec 3>\"$0\"; sleep 0.1; printf late >&3";
        let mut writer =
            std::process::Command::new("sh").args(["-c", script, pipe.as_str()]).spawn().unwrap();
        // Until the writer waits at the other end.
        let read = std::iter::from_fn(|| Some(text_of_any(&pipe, KEY))).find_map(Result::ok);
        assert_eq!(read.as_deref(), Some("late"));
        assert!(writer.wait().unwrap().success());
    }

    #[test]
    fn the_limit_counts_bytes_and_never_makes_a_text_look_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        // What is read of it ends inside a character.
        fs_err::write(&path, "ä".repeat((1 << 19) + 1)).unwrap();
        assert!(refused(text(&path, KEY)).ends_with("is larger than 1 MiB"));
        assert!(refused(text_of_any("/dev/zero", KEY)).ends_with("is larger than 1 MiB"));
        fs_err::write(&path, "ä".repeat(1 << 19)).unwrap();
        assert_eq!(text(&path, KEY).unwrap().len() as u64, KEY);
        fs_err::write(&path, b"one\nt\xc3\xa4\xff\n").unwrap();
        assert!(refused(text(&path, KEY)).ends_with("is no UTF-8 text: line 2, column 3"));
    }
}
