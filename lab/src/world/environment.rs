//! What commands in the world find in their environment, and the files that it points at.
//!
//! The files stand at the same path in every world ([`FILES`]), so that an inventory can name them.

use camino::Utf8Path;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{
    WorldError, mirror,
    place::{Place, write},
    segment::{FILES, GATEWAY},
    supplies::Supplies,
};
use crate::machines::run;

/// Everything that `exec` and `real` set for a command.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) variables: IndexMap<String, String>,
}

impl Environment {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// A variable that was set before; nothing if it was not.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.variables.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Sets a variable, and `NAME_FILE` to a file with the value, for who prefers secrets so.
    pub(crate) fn set_secret(&mut self, name: &str, value: &str) -> Result<(), WorldError> {
        let file = Utf8Path::new(FILES).join(name.to_lowercase().replace('_', "-"));
        write(&file, value)?;
        self.set(name, value);
        self.set(&format!("{name}_FILE"), file);
        Ok(())
    }
}

/// Writes the files that don't depend on a service, and says where they are.
pub(crate) async fn prepare(place: &Place, supplies: &Supplies) -> Result<Environment, WorldError> {
    let files = Utf8Path::new(FILES);
    let mut environment = Environment::default();

    let lock = files.join("homelab.lock");
    write(&lock, &supplies.lock_file())?;
    environment.set("HOMELAB_LOCK", lock);

    let key = files.join("ssh/id_ed25519");
    fs_err::create_dir_all(files.join("ssh"))?;
    let comment = format!("operator of the lab {}", place.name);
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f", key.as_str()])
        .await?;
    let public = fs_err::read_to_string(format!("{key}.pub"))?;
    environment.set("HOMELAB_SSH_PUBLIC_KEY", public.trim());
    environment.set("HOMELAB_SSH_KEY", key);

    // What the product remembers of a world goes with it.
    environment.set("XDG_STATE_HOME", place.folder.join("operator"));
    environment.set("HOMELAB_LAB_NAME", &place.name);
    environment.set("HOMELAB_LAB_FOLDER", place.folder.as_str());
    environment.set("HOMELAB_LAB_GATEWAY", GATEWAY);
    environment.set("HOMELAB_LAB_MIRROR", mirror::url("").trim_end_matches('/'));
    environment.set("HOMELAB_LAB_IMAGE", supplies.image.file.as_str());
    environment.set("HOMELAB_LAB_CGROUP", place.cgroup());
    Ok(environment)
}
