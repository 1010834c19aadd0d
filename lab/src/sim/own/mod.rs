//! Somebody's own inventory, in a world instead of on their hosts.
//!
//! What it says of guests, of the cluster and of Proxmox's storages stays as it is. What leads out of the world does
//! not: addresses, keys, publishers, and each reference to a secret, so that nothing of the real ones is asked for.
//! [`terrain`] is what the world has to have for it, [`translation`] what the world makes of it.

mod terrain;
#[cfg(test)]
mod tests;
mod translation;

use std::{io::Read as _, net::Ipv4Addr};

use camino::Utf8Path;
use serde_json::Value;

pub use self::{
    terrain::{Terrain, terrain},
    translation::Translation,
};

/// In bytes; nobody writes more by hand.
const LARGEST: u64 = 1 << 20;

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
    #[error("{path} is no inventory (`homelab --config {path} validate` tells all that is wrong with it):\n{}", .faults.join("\n"))]
    Senseless { path: String, faults: Vec<String> },
}

impl Own {
    /// Reads an inventory, and the versions that `homelab.lock` beside it has where the inventory itself has none.
    ///
    /// # Errors
    /// When either can't be read, or the inventory lacks what a world is made by; then all of that is named.
    pub fn read(path: &Utf8Path) -> Result<Self, OwnError> {
        let mut own = Self { document: parse(path)? };
        let faults = own.faults();
        if !faults.is_empty() {
            return Err(OwnError::Senseless { path: path.to_string(), faults });
        }
        let lock = path.with_file_name("homelab.lock");
        if lock.exists() {
            own.fill_versions(&parse(&lock)?);
        }
        Ok(own)
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

    fn faults(&self) -> Vec<String> {
        let needed = ["/cluster", "/proxmox", "/image", "/network", "/nodes", "/tailnet"];
        let other =
            ["/access", "/defaults", "/k3s", "/longhorn", "/flux", "/gitops", "/tailnet/tailscale"];
        let mut faults = Vec::new();
        for pointer in needed.into_iter().chain(other) {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            match self.document.pointer(pointer) {
                Some(Value::Object(_)) => {}
                None | Some(Value::Null) if other.contains(&pointer) => {}
                None | Some(Value::Null) => faults.push(format!("  it has no section `{name}`")),
                Some(_) => faults.push(format!("  `{name}` is not made of keys and values")),
            }
        }
        for (name, node) in self.document["nodes"].as_object().into_iter().flatten() {
            if address(node).is_none() {
                faults.push(format!("  nodes.{name} has no `address`, such as 192.168.1.101"));
            }
            if node["vmid"].as_u64().is_none() {
                faults.push(format!("  nodes.{name} has no `vmid`, such as 101"));
            }
        }
        faults
    }
}

fn parse(path: &Utf8Path) -> Result<Value, OwnError> {
    let file = fs_err::File::open(path)?;
    // A device or a pipe would be read for ever.
    if !file.metadata()?.is_file() || file.metadata()?.len() > LARGEST {
        let why = format!("{path} must be a plain file of {LARGEST} bytes at most");
        return Err(std::io::Error::other(why).into());
    }
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| std::io::Error::other(format!("{path}: {error}")))?;
    serde_saphyr::from_str(&text)
        .map_err(|error| OwnError::Syntax { path: path.to_string(), error: Box::new(error) })
}

fn address(node: &Value) -> Option<Ipv4Addr> {
    node["address"].as_str()?.parse().ok()
}
