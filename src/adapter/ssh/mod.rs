//! SSH to the nodes, by russh: one connection a host, channels multiplexed over it.
//!
//! Owns: which host is believed ([`PinnedKeys`]), who we are ([`Credentials`]), what is run and copied.
//! Never does: trust on first use, read or write a person's `known_hosts`, retry a script.

mod credentials;
mod execute;
mod host;
mod pinned;
mod push;
mod session;
pub mod system;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tracing::Instrument;

pub use credentials::Credentials;
pub use host::SshHost;
pub use pinned::PinnedKeys;

use self::session::{Session, SessionError};
use crate::{
    ports::{Connector, HostError, HostTarget},
    trace,
};

/// How long one address may take to accept a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long version and key exchange may take: a guest that boots on a busy host is slow at it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a login may take; PAM and a resolver that does not answer are part of it.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects by SSH with the operator's key.
#[derive(Clone, Debug)]
pub struct SshConnector {
    credentials: Arc<Credentials>,
}

/// Why one address gave no host.
enum Refusal {
    /// Nobody who speaks SSH is there: the next address may be better.
    Silent(String),
    /// Somebody else is there.
    Stranger { shown: String },
    /// It is the right host, so the other addresses would say the same.
    Final(HostError),
}

impl SshConnector {
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials: Arc::new(credentials) }
    }

    async fn attempt(
        &self,
        target: &HostTarget,
        address: IpAddr,
        pinned: &PinnedKeys,
    ) -> Result<SshHost, Refusal> {
        let stream = open_socket(address, target.port).await.map_err(Refusal::Silent)?;
        let handshake = Session::begin(stream, pinned.clone());
        let mut session = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(session)) => session,
            Ok(Err(SessionError::HostKey(shown))) => return Err(Refusal::Stranger { shown }),
            Ok(Err(SessionError::Ssh(error))) => return Err(Refusal::Silent(error.to_string())),
            Err(_) => {
                let seconds = HANDSHAKE_TIMEOUT.as_secs();
                return Err(Refusal::Silent(format!("no SSH handshake within {seconds} s")));
            }
        };
        let login = self.credentials.log_in(&mut session, &target.user, &target.node);
        match timeout(LOGIN_TIMEOUT, login).await {
            Ok(Ok(())) => Ok(SshHost::new(target, address, session)),
            Ok(Err(error)) => Err(Refusal::Final(error)),
            Err(_) => Err(Refusal::Silent(format!(
                "no answer to the login within {} s",
                LOGIN_TIMEOUT.as_secs()
            ))),
        }
    }
}

impl Connector for SshConnector {
    type Host = SshHost;

    async fn connect(&self, target: &HostTarget) -> Result<SshHost, HostError> {
        let pinned = PinnedKeys::of(target)?;
        let (mut tried, mut stranger) = (Vec::new(), None);
        for &address in &target.addresses {
            let span = tracing::trace_span!(
                target: trace::TARGET, "ssh", what = "connect", node = %target.node, %address
            );
            match self.attempt(target, address, &pinned).instrument(span).await {
                Ok(host) => return Ok(host),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Silent(reason)) => tried.push(format!("{address}: {reason}")),
                Err(Refusal::Stranger { shown }) => {
                    // What becomes of it is the caller's to tell: another address may be the right one.
                    tracing::debug!(node = %target.node, %address, %shown, "unknown host key");
                    stranger.get_or_insert(HostError::HostKey {
                        node: target.node.clone(),
                        address,
                        shown,
                        expected: pinned.fingerprints(),
                    });
                }
            }
        }
        // A stranger tells more than silence does.
        Err(stranger.unwrap_or_else(|| HostError::Unreachable { node: target.node.clone(), tried }))
    }
}

/// A TCP connection to one candidate, or why there is none.
async fn open_socket(address: IpAddr, port: u16) -> Result<TcpStream, String> {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => {
            // Small packets of a dialogue must not wait for one another; without it we are only slower.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

/// The first address of a target whose SSH port accepts a connection: for programs that take one
/// address only, such as the system's `ssh`.
pub async fn first_reachable(target: &HostTarget) -> Result<IpAddr, HostError> {
    let mut tried = Vec::new();
    for &address in &target.addresses {
        match open_socket(address, target.port).await {
            Ok(_) => return Ok(address),
            Err(reason) => tried.push(format!("{address}: {reason}")),
        }
    }
    Err(HostError::Unreachable { node: target.node.clone(), tried })
}
