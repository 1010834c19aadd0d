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
};

/// Held for as long as it lives; the kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// The state folder of a cluster: `$XDG_STATE_HOME/homelab/<cluster>`, mode 0700.
pub fn state_folder(cluster: &str) -> Result<Utf8PathBuf> {
    let (state, home) = (environment::variable("XDG_STATE_HOME")?, environment::variable("HOME")?);
    let base = state_base(state, home).ok_or_else(|| {
        Failure::new(Kind::Runtime, "neither XDG_STATE_HOME nor HOME names a folder for state")
    })?;
    let folder = base.join("homelab").join(cluster);
    fs_err::create_dir_all(&folder)?;
    {
        use std::os::unix::fs::PermissionsExt;
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(folder)
}

/// Where programs keep state. A relative path in the environment is ignored, as the XDG base directory
/// specification wants it: what it means would depend on where the program was started.
fn state_base(state: Option<String>, home: Option<String>) -> Option<Utf8PathBuf> {
    let absolute =
        |path: Option<String>| path.map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    absolute(state).or_else(|| absolute(home).map(|home| home.join(".local/state")))
}

impl StateLock {
    /// Takes the lock, or says who holds it.
    pub fn take(folder: &Utf8Path) -> Result<Self> {
        let path = folder.join("lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|error| {
            Failure::new(Kind::Runtime, "the lock cannot be opened").at(&path).because(error)
        })?;
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
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let holder = Holder::this_process().name;
        writeln!(file, "{holder}, process {}, since {since}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_state_home_is_ignored() {
        let base = |state: &str| state_base(Some(state.to_owned()), Some("/home/me".to_owned()));
        assert_eq!(base("/var/state").unwrap(), "/var/state");
        assert_eq!(base("state").unwrap(), "/home/me/.local/state");
        assert_eq!(base("").unwrap(), "/home/me/.local/state");
        assert_eq!(state_base(None, None), None);
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
