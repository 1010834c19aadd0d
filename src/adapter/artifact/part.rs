//! A file that is not whole yet: its bytes, and what the server said about the version that they are of.

use std::{
    fs::{File, TryLockError},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{Failure, Kind, Result};

/// A part, for as long as it lives ours alone.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: Utf8PathBuf,
    /// Beside it: the validator.
    note: Utf8PathBuf,
    /// Of another process's making while this one runs: it is not kept.
    shared: bool,
}

impl Part {
    /// The part that an earlier attempt, maybe an earlier run, left; or a new one.
    pub(super) fn open(folder: &Utf8Path, sha256: &str) -> Result<Self> {
        let path = folder.join(format!("{sha256}.part"));
        if let Some(part) = Self::at(path, false)? {
            return Ok(part);
        }
        // Another process fetches the same: neither may write into the other's.
        let path = folder.join(format!("{sha256}.part.{}", std::process::id()));
        Self::at(path.clone(), true)?
            .ok_or_else(|| Failure::new(Kind::Runtime, "another process writes there").at(path))
    }

    fn at(path: Utf8PathBuf, shared: bool) -> Result<Option<Self>> {
        let file = File::options().read(true).append(true).create(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Renamed to its place by another process while we waited to look: that is not ours to write to.
        let same = path.metadata().is_ok_and(|named| {
            file.metadata()
                .is_ok_and(|opened| (named.dev(), named.ino()) == (opened.dev(), opened.ino()))
        });
        if !same {
            return Ok(None);
        }
        let note = path.with_file_name(format!("{}.version", path.file_name().unwrap_or_default()));
        Ok(Some(Self { file, path, note, shared }))
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub(super) fn length(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// What the server said of the version that the bytes are of.
    pub(super) fn validator(&self) -> Option<String> {
        fs_err::read_to_string(&self.note).ok().filter(|text| !text.is_empty())
    }

    /// Of the bytes that come now. Written before them: bytes of an unknown version are of no use.
    pub(super) fn remember(&mut self, validator: Option<String>) -> Result<()> {
        Ok(fs_err::write(&self.note, validator.unwrap_or_default())?)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all(bytes)?)
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> Result<()> {
        // The note first: without it nothing is gone on with.
        let _ = fs_err::remove_file(&self.note);
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        Ok(())
    }

    /// Puts it in its place; called when its hash was found to be right.
    pub(super) fn become_whole(self, target: &Utf8Path) -> Result<()> {
        self.file.sync_all()?;
        fs_err::rename(&self.path, target)?;
        let _ = fs_err::remove_file(&self.note);
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<()> {
        let _ = fs_err::remove_file(&self.note);
        Ok(fs_err::remove_file(&self.path)?)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.shared {
            // Gone already where it became whole.
            let _ = self.remove();
        }
    }
}
