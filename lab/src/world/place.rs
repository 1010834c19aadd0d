//! The folder of a world: `$XDG_STATE_HOME/homelab-lab/NAME/`.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::WorldError;

/// A world's name and folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub folder: Utf8PathBuf,
}

/// How a world is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) name: String,
    /// The MTU of the bridge, in bytes.
    pub(crate) link_mtu: u16,
}

/// The process whose death is the world's, as the host numbers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keeper {
    pub(crate) process: u32,
    /// Clock ticks after the host's boot; tells it from a later process with the same number.
    pub(crate) started: u64,
}

impl Place {
    /// The place of the world `name`.
    ///
    /// # Errors
    /// When neither `XDG_STATE_HOME` nor `HOME` is set.
    pub fn named(name: &str) -> Result<Self, WorldError> {
        Ok(Self { name: name.to_owned(), folder: worlds()?.join(name) })
    }

    /// Every place with a folder.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn all() -> Result<Vec<Self>, WorldError> {
        let Ok(entries) = worlds()?.read_dir_utf8() else { return Ok(Vec::new()) };
        Ok(entries
            .flatten()
            .map(|entry| Self { name: entry.file_name().to_owned(), folder: entry.path().into() })
            .collect())
    }

    pub(crate) fn from_folder(folder: Utf8PathBuf) -> Self {
        Self { name: folder.file_name().unwrap_or_default().to_owned(), folder }
    }

    pub fn log(&self) -> Utf8PathBuf {
        self.folder.join("lab.log")
    }

    pub(crate) fn keeper(&self) -> Utf8PathBuf {
        self.folder.join("keeper.json")
    }

    pub(crate) fn options(&self) -> Utf8PathBuf {
        self.folder.join("options.json")
    }

    pub(crate) fn supplies(&self) -> Utf8PathBuf {
        self.folder.join("supplies.json")
    }

    /// Written when everything answers: the environment for commands in the world.
    pub(crate) fn ready(&self) -> Utf8PathBuf {
        self.folder.join("ready.json")
    }

    /// The world's group in every cgroup hierarchy.
    pub(crate) fn cgroup(&self) -> Utf8PathBuf {
        format!("homelab-lab-{}", self.name).into()
    }
}

fn worlds() -> Result<Utf8PathBuf, WorldError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let state = match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => Utf8PathBuf::from(state),
        (None, Some(home)) => Utf8PathBuf::from(home).join(".local/state"),
        (None, None) => return Err(WorldError::NoHome),
    };
    Ok(state.join("homelab-lab"))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write(path: &Utf8Path, content: &str) -> Result<(), WorldError> {
    let part = path.with_extension("part");
    fs_err::write(&part, "")?;
    fs_err::set_permissions(&part, Permissions::from_mode(0o600))?;
    fs_err::write(&part, content)?;
    fs_err::rename(&part, path)?;
    Ok(())
}

pub(crate) fn write_json(path: &Utf8Path, value: &impl Serialize) -> Result<(), WorldError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| WorldError::Json { path: path.to_owned(), source })?;
    write(path, &text)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Utf8Path) -> Result<T, WorldError> {
    serde_json::from_str(&fs_err::read_to_string(path)?)
        .map_err(|source| WorldError::Json { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_for_the_owners_eyes_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("options.json");
        write_json(&path, &Options { name: "lab".into(), link_mtu: 1500 }).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_json::<Options>(&path).unwrap().link_mtu, 1500);
    }
}
