//! A text for a program that we start and that wants a file's name: a secret that is in no folder, in no command
//! line and in no environment, and is gone with us however we end.

use std::{
    fs::{File, Permissions},
    io::{Result, Write},
    os::unix::fs::PermissionsExt,
};

/// A file that has no name of its own; it can be opened for as long as this lives.
pub(super) struct Handed {
    #[cfg(target_os = "linux")]
    file: File,
    #[cfg(not(target_os = "linux"))]
    file: tempfile::NamedTempFile,
}

#[cfg(target_os = "linux")]
impl Handed {
    pub(super) fn new(text: &str) -> Result<Self> {
        // No child inherits it: it opens it anew, by our own entry in /proc, which is ours alone.
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::memfd_create("homelab-handed", flags)?);
        // As ssh wants a key.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        Ok(Self { file })
    }

    /// Where it is read.
    pub(super) fn path(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// Elsewhere a file of mode 0600 that is deleted at the end.
#[cfg(not(target_os = "linux"))]
impl Handed {
    pub(super) fn new(text: &str) -> Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.flush()?;
        Ok(Self { file })
    }

    /// Where it is read.
    pub(super) fn path(&self) -> String {
        self.file.path().to_string_lossy().into_owned()
    }
}
