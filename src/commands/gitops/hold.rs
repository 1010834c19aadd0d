//! One command at a time on a key, and on a tree: of two that write, one's writing would be lost.

use std::{fs::File, os::unix::fs::MetadataExt};

use camino::Utf8Path;
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use crate::error::{Failure, Kind, Result};

/// Held for as long as it lives; the kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Hold(#[expect(dead_code, reason = "the lock is the open file")] Option<File>);

impl Hold {
    /// Holds the file of a key; nothing where there is none.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] when another holds it.
    pub(super) fn key(path: &Utf8Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::new(Kind::Runtime, "the age key can't be locked").at(path).because(error)
        };
        loop {
            // NFS locks what is open for writing alone.
            let open = open(path, true).or_else(|_| open(path, false));
            let Some(file) = found(open).map_err(failed)? else { return Ok(Self(None)) };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(held(&file, path)),
                Err(error) => return Err(failed(error.into())),
            }
            // Another may have put a new file in its place before it let go.
            let (ours, there) = (file.metadata().map_err(failed)?, std::fs::metadata(path));
            let same =
                |there: std::fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
            if there.is_ok_and(same) {
                return Ok(Self(Some(file)));
            }
        }
    }

    /// Holds the folder of a tree; nothing where there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::key`].
    pub(super) fn tree(folder: &Utf8Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::new(Kind::Runtime, "the tree can't be locked").at(folder).because(error)
        };
        let Some(file) = found(open(folder, false)).map_err(failed)? else {
            return Ok(Self(None));
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(held(&file, folder)),
            // A file system that locks no folders is still one to work on.
            _ => Ok(Self(Some(file))),
        }
    }
}

fn open(path: &Utf8Path, write: bool) -> std::io::Result<File> {
    // A pipe would otherwise be waited for.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    options.read(true).write(write).open(path)
}

fn found(opened: std::io::Result<File>) -> std::io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn held(file: &File, path: &Utf8Path) -> Failure {
    let who = file.metadata().ok().and_then(|found| holder(found.ino()));
    let who = who.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    Failure::new(Kind::Locked, format!("{who} works on it"))
        .at(path)
        .hint("wait for it to end; one that died has let go of it already")
}

/// Who holds the lock of a file, as the kernel lists it: a help, not a proof.
fn holder(inode: u64) -> Option<String> {
    let locks = fs_err::read_to_string("/proc/locks").ok()?;
    let end = format!(":{inode}");
    let line = locks.lines().find(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        fields.get(1) == Some(&"FLOCK") && fields.get(5).is_some_and(|file| file.ends_with(&end))
    })?;
    line.split_ascii_whitespace().nth(4).map(str::to_owned)
}
