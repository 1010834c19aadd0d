//! A world as a value: a sweep goes on from the same moment as often as it likes.
//!
//! The servers stay: they keep their ports and certificates, so that an inventory and what a run noted of its world
//! stay true. What they remember, the guests and all files become what they were. Worlds with a Git host have
//! controllers that act by themselves, and no snapshots.
//!
//! * [`tree`]: a folder as a value.

mod tree;

use std::{collections::BTreeMap, io, time::Duration};

use sha2::{Digest, Sha256};

pub use self::tree::Tree;
use super::{hypervisor, kubernetes, tailnet, world::World};
use crate::pve::Memory;

/// How long a task of Proxmox, and an effect of a client that is gone, may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything of a world at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    proxmox: Memory,
    hypervisor: hypervisor::Memory,
    tailnet: tailnet::Memory,
    kubernetes: kubernetes::Memory,
    networks: BTreeMap<String, u32>,
    /// Guests' folders and Proxmox's storages.
    files: Tree,
    identity: [u8; 32],
}

/// Two are equal when nothing happened between them that could be seen.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.files == other.files
    }
}

impl Eq for Snapshot {}

/// What stays as it is: stand-ins for programs.
const STAYS: [&str; 1] = ["programs"];

impl World {
    /// Waits until no effect is being done, no task runs and no guest boots, but no longer than this; whether that came.
    pub async fn settles_within(&self, patience: Duration) -> bool {
        let quiet = async {
            self.gate.quiet().await;
            self.proxmox().server().idle_tasks().await;
            self.hypervisor.settled().await;
        };
        tokio::time::timeout(patience, quiet).await.is_ok()
    }

    /// The world as it is now. Nothing may go on in it meanwhile, but what may be cut off as by a power failure.
    /// Files that were not touched since an earlier snapshot are taken from there.
    ///
    /// # Errors
    /// When it has a Git host, and when its files can't be read.
    pub async fn snapshot(&self, earlier: Option<&Snapshot>) -> io::Result<Snapshot> {
        if self.git().is_some() {
            return Err(io::Error::other("a world with a Git host has no snapshots"));
        }
        let files = Tree::read(self.folder(), &STAYS, earlier.map(|earlier| &earlier.files))?;
        let proxmox = self.proxmox().server().memory();
        let (hypervisor, tailnet) = (self.hypervisor.memory(), self.tailnet.memory());
        let (kubernetes, networks) =
            (self.kubernetes.memory(), self.surroundings().cluster.memory());
        let identity = format!(
            "{} {hypervisor:?} {tailnet:?} {} {networks:?}",
            proxmox.identity(),
            kubernetes.revision()
        );
        let identity = Sha256::digest(identity).into();
        Ok(Snapshot { proxmox, hypervisor, tailnet, kubernetes, networks, files, identity })
    }

    /// Becomes what it was. Clients must be gone; what they left behind ends first.
    ///
    /// # Errors
    /// When that does not end, and when files or addresses can't be had.
    pub async fn rewind(&self, to: &Snapshot) -> io::Result<()> {
        if !self.settles_within(PATIENCE).await {
            return Err(io::Error::other("the world does not settle"));
        }
        self.hypervisor.stop_all();
        to.files.write(self.folder(), &STAYS)?;
        self.proxmox().server().remember(&to.proxmox);
        self.tailnet.remember(&to.tailnet);
        self.kubernetes.remember(&to.kubernetes);
        self.surroundings().cluster.remember(&to.networks);
        self.hypervisor.remember(&to.hypervisor).await?;
        self.forget();
        Ok(())
    }
}
