//! A guest's sshd: the host key that the guest has on its disk, its users' keys, real `sh` below its folder or
//! answers in process.

mod command;
mod forward;
mod handler;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use russh::{
    keys::PrivateKey,
    server::{Config, run_stream},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub use self::forward::{Opening, Roads, Stream};
use self::handler::Handler;
use super::{answers::Guests, gate::Gate, guest::Guest, tools::Tools, wire::Wire};

/// What the servers of a world share.
#[derive(Clone)]
pub struct Site {
    pub tools: Arc<Tools>,
    pub gate: Gate,
    pub roads: Arc<dyn Roads>,
    pub wire: Wire,
    /// Who runs what is sent.
    pub guests: Guests,
}

/// A guest's sshd; dropping it ends it and all of its connections.
pub struct Sshd {
    accept: JoinHandle<()>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Sshd {
    /// Listens at the guest's address.
    ///
    /// # Errors
    /// When the address is taken, or is none of this computer's.
    pub async fn start(address: SocketAddr, guest: Arc<Guest>, site: Site) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let accept = tokio::spawn(async move {
            // Dropped with this task, and its connections with it.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                connections.spawn(serve(stream, guest.clone(), site.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { accept })
    }
}

async fn serve(stream: TcpStream, guest: Arc<Guest>, site: Site) {
    stream.set_nodelay(true).ok();
    // Read for each connection: a key that was put in place counts from the next one on.
    let Ok(key) = host_key(&guest) else { return };
    let config = Config {
        keys: vec![key],
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    };
    site.gate.connected(&guest.state().node_name);
    let (cut, wire) = (CancellationToken::new(), site.wire.clone());
    let (mut near, far) = tokio::io::duplex(64 << 10);
    let handler = Handler::new(guest, site, cut.clone());
    let session = async {
        if let Ok(session) = run_stream(Arc::new(config), far, handler).await {
            session.await.ok();
        }
    };
    let mut stream = stream;
    tokio::select! {
        _ = wire.carry(&mut stream, &mut near) => {}
        () = session => {}
        () = cut.cancelled() => {}
    }
}

fn host_key(guest: &Guest) -> io::Result<PrivateKey> {
    let file = guest.root().join("etc/ssh/ssh_host_ed25519_key");
    let text = fs_err::read(file)?;
    PrivateKey::from_openssh(&text).map_err(io::Error::other)
}
