//! One run at a time on one state folder.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::Holder;
use crate::{
    environment,
    error::{Failure, Kind, Result},
    named_file,
};

/// Held for as long as it lives; the kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// The state folder of a cluster: `$XDG_STATE_HOME/homelab/<cluster>`, mode 0700.
pub fn state_folder(cluster: &str) -> Result<Utf8PathBuf> {
    let base = environment::base_folder("XDG_STATE_HOME", ".local/state")?;
    let folder = base.join("homelab").join(cluster);
    let unusable = |error: std::io::Error| {
        Failure::new(Kind::Runtime, "the state folder can't be made")
            .at(&folder)
            .because(error)
            .hint("XDG_STATE_HOME can name another place")
    };
    fs_err::create_dir_all(&folder).map_err(unusable)?;
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o700);
        fs_err::set_permissions(&folder, mode).map_err(unusable)?;
    }
    Ok(folder)
}

impl StateLock {
    /// Takes the lock, or says who holds it.
    pub fn take(folder: &Utf8Path) -> Result<Self> {
        let path = folder.join("lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let unusable = |error: std::io::Error| {
            Failure::new(Kind::Runtime, "the lock can't be taken")
                .at(&path)
                .because(error)
                .hint("the file system must have room, be writable and know locks; XDG_STATE_HOME can name another place")
        };
        if let Some(found) = instead(&path) {
            return Err(Failure::new(Kind::Runtime, format!("the lock is {found}"))
                .at(&path)
                .hint(
                    "delete it: a new one is made, and while no `homelab` runs it holds nothing",
                ));
        }
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // What it says is a help, not a proof.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let who = if holder.is_empty() { "another run" } else { holder };
                return Err(Failure::new(Kind::Locked, format!("the cluster is held by {who}"))
                    .at(&path)
                    .hint("wait for it to end; a run that died has let go of the lock already"));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        sign(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// What stands in a lock's place that is none. A pipe or a device can be locked, too, but says nothing of who
/// holds it.
fn instead(path: &Utf8Path) -> Option<String> {
    match fs_err::metadata(path) {
        Ok(found) if found.is_file() => None,
        Ok(found) => Some(format!("{}, not a regular file", named_file::called(found.file_type()))),
        Err(_) => {
            let target = named_file::led_to(path)?;
            Some(format!("a link to `{target}`, where nothing is"))
        }
    }
}

/// Writes down who holds the lock.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let holder = Holder::this_process().name;
    writeln!(file, "{holder}, process {}, since {since}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_no_file_is_refused_with_what_it_is_and_what_to_do() {
        let (pipe, path) = named_file::tests::pipe();
        fs_err::rename(&path, pipe.path().join("lock")).unwrap();
        let new = || tempfile::tempdir().unwrap();
        let (device, folder, link) = (new(), new(), new());
        fs_err::os::unix::fs::symlink("/dev/null", device.path().join("lock")).unwrap();
        fs_err::create_dir(folder.path().join("lock")).unwrap();
        fs_err::os::unix::fs::symlink("/nowhere/lock", link.path().join("lock")).unwrap();
        let mut told = Vec::new();
        for folder in [pipe.path(), device.path(), folder.path(), link.path()] {
            let folder = Utf8Path::from_path(folder).unwrap();
            let failure = StateLock::take(folder).unwrap_err();
            assert_eq!(failure.place.as_deref(), Some(folder.join("lock").as_str()));
            told.push(format!("{}\n  {}", failure.message, failure.hints.join("\n  ")));
        }
        insta::assert_snapshot!(told.join("\n"), @"
        the lock is a pipe, not a regular file
          delete it: a new one is made, and while no `homelab` runs it holds nothing
        the lock is a device, not a regular file
          delete it: a new one is made, and while no `homelab` runs it holds nothing
        the lock is a folder, not a regular file
          delete it: a new one is made, and while no `homelab` runs it holds nothing
        the lock is a link to `/nowhere/lock`, where nothing is
          delete it: a new one is made, and while no `homelab` runs it holds nothing
        ");
    }

    #[test]
    fn a_lock_that_cannot_be_written_says_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("gone");
        let failure = StateLock::take(&path).unwrap_err();
        assert_eq!(failure.to_string(), format!("{path}/lock: the lock can't be taken"));
        assert!(!failure.hints.is_empty());
    }

    #[test]
    fn a_second_run_is_refused_and_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let held = StateLock::take(path).unwrap();
        let refused = StateLock::take(path).unwrap_err();
        assert_eq!(refused.kind.exit_code(), 21);
        assert!(refused.message.contains(&format!("process {}", std::process::id())));
        drop(held);
        assert!(StateLock::take(path).is_ok());
    }
}
