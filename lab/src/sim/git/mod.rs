//! The Git host of the world: one bare repository, served over SSH by real `git`.
//!
//! The deploy key may only read, the writer's key may push, as with the keys of a real host. What is asked for by
//! SSH passes the gate; Flux's controllers read by [`GitHost::tree`], which passes none, and must show what opens the
//! repository all the same.

mod repository;
mod session;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use camino::{Utf8Path, Utf8PathBuf};
use russh::keys::{PrivateKey, PublicKey};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub use self::repository::{Files, Repository};
use super::{gate::Gate, wire::Wire};

const USER: &str = "git";
const REPOSITORY: &str = "homelab.git";
/// The only branch.
pub const BRANCH: &str = "main";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Write,
}

/// What all connections share.
pub(super) struct Host {
    repository: Repository,
    key: PrivateKey,
    deploy: PublicKey,
    writer: PublicKey,
    gate: Gate,
    wire: Wire,
    /// Counts what was pushed.
    pushed: watch::Sender<u64>,
}

impl Host {
    fn right(&self, key: &PublicKey) -> Option<Right> {
        let is = |known: &PublicKey| known.key_data() == key.key_data();
        if is(&self.writer) {
            return Some(Right::Write);
        }
        is(&self.deploy).then_some(Right::Read)
    }
}

/// A Git host that answers; dropping it ends it and all of its connections.
pub struct GitHost {
    host: Arc<Host>,
    folder: Utf8PathBuf,
    address: SocketAddr,
    accept: JoinHandle<()>,
}

impl Drop for GitHost {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl GitHost {
    /// Makes an empty repository and its keys below `folder`, and listens.
    ///
    /// # Errors
    /// When the address is taken, or `git` or `ssh-keygen` is not on this computer.
    pub async fn start(
        gate: Gate,
        folder: Utf8PathBuf,
        address: SocketAddr,
        wire: Wire,
    ) -> io::Result<Self> {
        fs_err::create_dir_all(&folder)?;
        let repository = Repository::create(folder.join(REPOSITORY)).await?;
        let host = Host {
            repository,
            key: made(&folder.join("host")).await?,
            deploy: made(&folder.join("deploy")).await?.public_key().clone(),
            writer: made(&folder.join("writer")).await?.public_key().clone(),
            gate,
            wire,
            pushed: watch::Sender::new(0),
        };
        let host = Arc::new(host);
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let accept = tokio::spawn(accept(listener, host.clone()));
        let host = Self { host, folder, address, accept };
        fs_err::write(host.known_hosts(), host.known_host() + "\n")?;
        Ok(host)
    }

    /// Where it is cloned from.
    pub fn url(&self) -> String {
        format!("ssh://{USER}@{}/{REPOSITORY}", self.address)
    }

    /// The host's key, as `known_hosts` has it.
    pub fn known_host(&self) -> String {
        let key = self.host.key.public_key().to_openssh().unwrap_or_default();
        format!("[{}]:{} {}", self.address.ip(), self.address.port(), key.trim())
    }

    /// The same in a file.
    pub fn known_hosts(&self) -> Utf8PathBuf {
        self.folder.join("known_hosts")
    }

    /// The file with the private key that may read and nothing else.
    pub fn deploy_key(&self) -> Utf8PathBuf {
        self.folder.join("deploy")
    }

    /// The file with the private key that may push.
    pub fn writer_key(&self) -> Utf8PathBuf {
        self.folder.join("writer")
    }

    /// The repository itself, for who looks at what it became.
    pub fn repository(&self) -> &Repository {
        &self.host.repository
    }

    /// Tells of each push: a model waits for it, then looks.
    pub fn pushes(&self) -> watch::Receiver<u64> {
        self.host.pushed.subscribe()
    }

    /// What a clone with this key and these known hosts would come to, in the words of Flux's own client.
    ///
    /// # Errors
    /// Why it would fail.
    pub fn opens(&self, url: &str, identity: &str, known_hosts: &str) -> Result<(), String> {
        let unable = |why: String| Err(format!("unable to clone '{url}': {why}"));
        if url != self.url() {
            return unable("dial tcp: connection refused".to_owned());
        }
        let ours = self.known_host();
        if !known_hosts.lines().any(|line| line.trim() == ours) {
            return unable("ssh: handshake failed: knownhosts: key is unknown".to_owned());
        }
        let key = PrivateKey::from_openssh(identity);
        if key.is_ok_and(|key| self.host.right(key.public_key()).is_some()) {
            return Ok(());
        }
        let why = "unable to authenticate, attempted methods [none publickey], no supported methods remain";
        unable(format!("ssh: handshake failed: ssh: {why}"))
    }
}

/// The address of a world's Git host, beside its guests' own.
pub(super) fn address(network: u8, port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 64 + network, 255, 253), port))
}

/// A key pair without a passphrase.
async fn made(file: &Utf8Path) -> io::Result<PrivateKey> {
    let made = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file.as_str()])
        .status()
        .await?;
    if !made.success() {
        return Err(io::Error::other(format!("ssh-keygen made no key at {file}")));
    }
    PrivateKey::from_openssh(fs_err::read(file)?).map_err(io::Error::other)
}

async fn accept(listener: TcpListener, host: Arc<Host>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, host.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, host: Arc<Host>) {
    stream.set_nodelay(true).ok();
    let (mut near, far) = tokio::io::duplex(64 << 10);
    let (wire, session) = (host.wire.clone(), session::run(far, host));
    tokio::select! {
        _ = wire.carry(&mut stream, &mut near) => {}
        () = session => {}
    }
}

#[cfg(test)]
pub(super) mod tests;
