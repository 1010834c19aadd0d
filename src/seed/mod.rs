//! What a new guest reads at its first boot: a NoCloud seed on an ISO 9660 medium, made here.
//!
//! The medium is uploaded through the Proxmox API, so that neither SSH to the Proxmox host nor snippets
//! are needed. It holds one secret, the bootstrap host key, which is of no use once the guest's own key
//! has taken its place; no other secret is ever put there.

mod host_key;
mod iso;
mod render;

use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::OpenOptionsExt;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::{Access, Node},
    model::{ClusterId, Mac, NodeName, Nonce},
    secret::Secret,
};
pub use host_key::HostKey;

/// The label by which cloud-init finds the medium (`NoCloud`, "cidata").
pub const VOLUME_ID: &str = "cidata";

/// Everything that the seed of one guest is made from. The same parts give the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Seed<'a> {
    pub cluster: &'a ClusterId,
    pub node: &'a Node,
    pub access: &'a Access,
    pub nonce: &'a Nonce,
    /// The key that the guest shows until it has one of its own.
    pub host_key: &'a HostKey,
}

/// A seed on disk, ready to be uploaded; the file is the caller's to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFile {
    pub path: Utf8PathBuf,
    pub file_name: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl Seed<'_> {
    /// The medium's bytes.
    ///
    /// # Errors
    /// Never for sound parts: a template that does not render is a bug of ours.
    pub fn iso(&self) -> Result<Zeroizing<Vec<u8>>> {
        let (user, network, meta) = (self.user_data()?, self.network_config()?, self.meta_data()?);
        let files = [
            ("user-data", user.expose().as_bytes()),
            ("network-config", network.as_bytes()),
            ("meta-data", meta.as_bytes()),
        ];
        iso::image(VOLUME_ID, &files)
            .map(Zeroizing::new)
            .map_err(|error| Failure::new(Kind::Runtime, error.to_string()).at(&self.node.name))
    }

    /// Writes the medium into `directory`, readable by its owner alone.
    pub fn write(&self, directory: &Utf8Path) -> Result<SeedFile> {
        let image = self.iso()?;
        let name = SeedName::new(self.cluster, &self.node.name, self.nonce);
        let file_name = name.to_string();
        let path = directory.join(&file_name);
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path)?;
        file.write_all(&image)?;
        file.sync_all()?;
        Ok(SeedFile { path, file_name, sha256: hex::encode(Sha256::digest(&*image)) })
    }

    /// `user-data`: holds the host's private key.
    pub fn user_data(&self) -> Result<Secret> {
        render::user_data(self.node, self.access, self.host_key)
    }

    /// `network-config`, version 1.
    pub fn network_config(&self) -> Result<String> {
        render::network_config(self.node, Mac::of(self.cluster, &self.node.name))
    }

    /// `meta-data`: its instance id changes with the nonce, so that a new guest is a new instance.
    pub fn meta_data(&self) -> Result<String> {
        render::meta_data(self.node, self.nonce)
    }
}

/// The file name of a seed, from which it can be told whose it is: each run sweeps those left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedName {
    /// The first eight hexadecimal digits of the cluster id.
    pub cluster: String,
    pub node: NodeName,
    pub nonce: Nonce,
}

impl SeedName {
    pub fn new(cluster: &ClusterId, node: &NodeName, nonce: &Nonce) -> Self {
        Self { cluster: cluster.short(), node: node.clone(), nonce: nonce.clone() }
    }

    /// Reads a file name or the id of a volume (`local:iso/homelab-...iso`); `None` when it is no seed.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.rsplit('/').next()?.strip_prefix("homelab-")?.strip_suffix(".iso")?;
        let (cluster, rest) = name.split_once('-')?;
        let (node, nonce) = rest.rsplit_once('-')?;
        let is_id = cluster.len() == 8 && cluster.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(Self {
            cluster: cluster.to_owned(),
            node: node.parse().ok()?,
            nonce: Nonce::from_text(nonce)?,
        })
    }
}

impl std::fmt::Display for SeedName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "homelab-{}-{}-{}.iso", self.cluster, self.node, self.nonce)
    }
}

#[cfg(test)]
mod tests;
