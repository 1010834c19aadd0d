//! Files that scripts write, and files that are pushed.

use std::{io, os::unix::fs::PermissionsExt};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::{desk::Desk, sent::Sent};
use crate::sim::guest::{Answer, Guest};

/// The status with which a receiver says that the bytes differ.
const ALTERED: u8 = 65;

/// In lower-case hexadecimal.
pub(super) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// As `sha256sum` says it; `None` where there is no such file.
pub(super) fn sha256_of(path: &Utf8Path) -> Option<String> {
    fs_err::read(path).ok().map(sha256)
}

/// Whole or not at all, as a rename is.
pub(super) fn write(path: &Utf8Path, mode: u32, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let next = format!("{path}.homelab-next");
    fs_err::write(&next, content)?;
    set_mode(Utf8Path::new(&next), mode)?;
    fs_err::rename(next, path)
}

pub(super) fn set_mode(path: &Utf8Path, mode: u32) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// `rm -f`.
pub(super) fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Each `write_file PATH MODE CONTENT` of the script (`templates/lib/files.sh`); the paths of those that had
/// to be written.
pub(super) fn write_files(desk: &Desk<'_>) -> Result<Vec<String>, Answer> {
    let mut changes = Vec::new();
    for call in desk.script.calls(&["write_file"]) {
        let [_, path, mode, content, ..] = call else {
            return desk.known(None, "content for a file");
        };
        let mode = desk.known(u32::from_str_radix(mode, 8).ok(), "mode for a file")?;
        let place = desk.place(path);
        if fs_err::read(&place).is_ok_and(|found| found == content.as_bytes()) {
            set_mode(&place, mode)?;
            continue;
        }
        write(&place, mode, content.as_bytes())?;
        changes.push(path.clone());
    }
    Ok(changes)
}

/// A line each.
pub(super) fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A file that is pushed, as its receiver's command line says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    path: String,
    sha256: String,
    mode: u32,
}

impl Pushed {
    /// `None` for any other command line.
    pub(super) fn read(line: &str) -> Option<Self> {
        let line = Sent::read(line);
        let receiver = line.behind("-c", |_| true)?;
        let receiver = Sent::read(receiver);
        let mode = receiver.call(&["chmod"])?.get(1)?;
        Some(Self {
            path: receiver.value("target")?.to_owned(),
            sha256: receiver.behind("!=", |words| words[0] == "if")?.to_owned(),
            mode: u32::from_str_radix(mode, 8).ok()?,
        })
        .filter(|_| receiver.has(&["mv", "-f", "--", "$part", "$target"]))
    }

    pub(super) fn write(&self, guest: &Guest, bytes: &[u8]) -> Answer {
        let seen = sha256(bytes);
        if seen != self.sha256 {
            return Answer { status: ALTERED, ..Answer::said(format!("{seen}\n")) };
        }
        let place = guest.root().join(self.path.trim_start_matches('/'));
        match write(&place, self.mode, bytes) {
            Ok(()) => Answer::default(),
            Err(error) => error.into(),
        }
    }
}
