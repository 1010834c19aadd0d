//! Somebody's own inventory, in a world instead of on their hosts.
//!
//! What it says of guests, of the cluster and of Proxmox's storages stays as it is. What leads out of the world does
//! not: addresses, keys, publishers, and each reference to a secret, so that nothing of the real ones is asked for.
//! `sections` lists them all. [`terrain`] is what the world has to have for it, [`translation`] what the world makes of it.

mod sections;
mod soundness;
mod terrain;
#[cfg(test)]
mod tests;
mod translation;

use std::net::Ipv4Addr;

use camino::Utf8Path;
use serde_json::Value;

use super::handwritten;

pub use self::{
    terrain::{Terrain, terrain},
    translation::Translation,
};

/// An inventory as it is written, with what its lock file says of versions.
#[derive(Clone, Debug)]
pub struct Own {
    document: Value,
}

/// Why an inventory can't be played.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{path}: {error}")]
    Syntax { path: String, error: Box<serde_saphyr::Error> },
    #[error("no world can be made for {path} (`homelab validate` tells all that is wrong with an inventory):\n{}", .faults.join("\n"))]
    Senseless { path: String, faults: Vec<String> },
}

impl Own {
    /// Reads an inventory, and the versions that `homelab.lock` beside it has where the inventory itself has none.
    ///
    /// # Errors
    /// When either can't be read, or the inventory lacks what a world is made by; then all of that is named.
    pub fn read(path: &Utf8Path) -> Result<Self, OwnError> {
        let mut own = Self { document: parse(path)? };
        own.is_sound(path)?;
        let lock = path.with_file_name("homelab.lock");
        if lock.exists() {
            own.fill_versions(&parse(&lock)?);
            own.is_sound(&lock)?;
        }
        Ok(own)
    }

    fn is_sound(&self, path: &Utf8Path) -> Result<(), OwnError> {
        match self.faults() {
            faults if faults.is_empty() => Ok(()),
            faults => Err(OwnError::Senseless { path: path.to_string(), faults }),
        }
    }

    /// The releases of the lock file, where the inventory leaves them to it.
    fn fill_versions(&mut self, lock: &Value) {
        let places = [(["tailnet", "tailscale"].as_slice(), "tailscale"), (&["k3s"], "k3s")];
        for (path, name) in places {
            let version = &lock[name]["version"];
            let release = path.iter().fold(&mut self.document, |value, key| &mut value[key]);
            if version.is_string() && release["version"].is_null() {
                release["version"] = version.clone();
            }
        }
    }

    /// Whether Flux is to run.
    pub fn has_gitops(&self) -> bool {
        !self.document["flux"].is_null()
    }

    /// The nodes with their addresses on the LAN.
    fn addresses(&self) -> Vec<Ipv4Addr> {
        let nodes = self.document["nodes"].as_object().into_iter().flatten();
        nodes.filter_map(|(_, node)| address(node)).collect()
    }
}

fn parse(path: &Utf8Path) -> Result<Value, OwnError> {
    let text = handwritten::read(path)?;
    serde_saphyr::from_str(&text)
        .map_err(|error| OwnError::Syntax { path: path.to_string(), error: Box::new(error) })
}

fn address(node: &Value) -> Option<Ipv4Addr> {
    node["address"].as_str()?.parse().ok()
}
