//! A node's operating system, over SSH.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use camino::Utf8PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    error::{Effect, Failure, Kind},
    model::NodeName,
    script::Script,
};

/// How to reach a node, and how to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    pub node: NodeName,
    /// Tried in order: LAN address, recorded tailnet address.
    pub addresses: Vec<IpAddr>,
    pub port: u16,
    pub user: String,
    /// The host keys that it may show (`ssh-ed25519 AAAA...`); any other ends the connection before
    /// anything is sent. The same on each address.
    pub host_keys: Vec<String>,
}

/// Makes connections. One connection a host a run is the rule; the caller keeps it.
pub trait Connector: Send + Sync {
    type Host: Host;

    /// Connects and logs in, once: no retries (waiting for a host is the caller's business).
    fn connect(
        &self,
        target: &HostTarget,
    ) -> impl Future<Output = Result<Self::Host, HostError>> + Send;
}

/// A connected node. Clones share the connection; channels are multiplexed.
pub trait Host: Clone + Send + Sync + 'static {
    /// Anything that is carried through the host, such as a TCP connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn node(&self) -> &NodeName;
    /// The address that answered.
    fn address(&self) -> IpAddr;
    /// Runs a script as root (`sudo -n sh -s`); a non-zero exit status is no error here.
    fn run(&self, script: &Script) -> impl Future<Output = Result<Output, HostError>> + Send;
    /// Writes a file as root, atomically, and checks its sha256 on the host.
    fn write(&self, file: &RemoteFile) -> impl Future<Output = Result<(), HostError>> + Send;
    /// As [`Self::write`], and tells how many bytes have been taken so far.
    fn write_telling<'a>(
        &'a self,
        file: &'a RemoteFile,
        sent: &'a (dyn Fn(u64) + Send + Sync),
    ) -> impl Future<Output = Result<(), HostError>> + Send + 'a {
        let _ = sent;
        self.write(file)
    }
    /// A TCP connection made by the host (`direct-tcpip`).
    fn tunnel(
        &self,
        address: IpAddr,
        port: u16,
    ) -> impl Future<Output = Result<Self::Stream, HostError>> + Send;
    /// Whether the connection is still up.
    fn is_open(&self) -> bool;
    /// Ends the connection politely.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// A local file and where it goes.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    pub local: Utf8PathBuf,
    pub remote: String,
    /// `0o755`.
    pub mode: u32,
    pub sha256: String,
}

/// What a script left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The output, or the failure of kind [`Kind::RemoteCommand`] that a non-zero status is.
    pub fn success(self, script: &Script, node: &NodeName) -> Result<Self, Failure> {
        if self.status == 0 {
            return Ok(self);
        }
        let last_lines = self.stderr.trim_end().lines().rev().take(8).collect::<Vec<_>>();
        let said = last_lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(Failure::new(
            Kind::RemoteCommand,
            format!("script `{}` ended with status {}: {said}", script.name, self.status),
        )
        .at(node)
        .effect(Effect::Partial)
        .hint(format!("`homelab render {}` shows the script", script.name)))
    }
}

/// What SSH ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No address answered: each with its reason.
    #[error("cannot reach {node} by SSH: {}", .tried.join("; "))]
    Unreachable { node: NodeName, tried: Vec<String> },
    /// A host answered that is not the one we know. Nothing was sent to it.
    #[error("{node} at {address} showed an unknown host key {shown}; expected {}", .expected.join(" or "))]
    HostKey { node: NodeName, address: IpAddr, shown: String, expected: Vec<String> },
    #[error("{node} refused to log in {user}: {reason}")]
    Login { node: NodeName, user: String, reason: String },
    /// The connection broke while something ran: it may have run to its end.
    #[error("the SSH connection to {node} broke during `{doing}`: {reason}")]
    Broken { node: NodeName, doing: String, reason: String },
    #[error("`{doing}` on {node} did not end within {} s", .limit.as_secs())]
    Timeout { node: NodeName, doing: String, limit: Duration },
    #[error("{node} does not forward TCP connections: {reason}")]
    Forwarding { node: NodeName, reason: String },
    /// The host forwards, and found nobody at the other end.
    #[error("{node} cannot connect to {to}: {reason}")]
    Tunnel { node: NodeName, to: SocketAddr, reason: String },
    #[error("{node}: {reason}")]
    Transfer { node: NodeName, reason: String },
    #[error("{0}")]
    Local(String),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let (kind, effect, hint) = match &error {
            HostError::Unreachable { .. } => (
                Kind::Unreachable,
                Effect::None,
                Some("`homelab status` shows whether its VM runs"),
            ),
            HostError::HostKey { .. } => (
                Kind::Ssh,
                Effect::None,
                Some(
                    "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the guest's console; if the guest was rebuilt outside homelab, delete it and run `homelab up`",
                ),
            ),
            HostError::Login { .. } => (
                Kind::Ssh,
                Effect::None,
                Some(
                    "check `access.user` and that the private key belongs to `access.public_keys`",
                ),
            ),
            HostError::Broken { .. } => (
                Kind::Ssh,
                Effect::Unknown,
                Some("run `homelab up` again: it looks before it repeats"),
            ),
            HostError::Timeout { .. } => (Kind::RemoteCommand, Effect::Unknown, None),
            HostError::Forwarding { .. } => (
                Kind::Ssh,
                Effect::None,
                Some("set `AllowTcpForwarding yes` (or `local`) in sshd_config on that node"),
            ),
            HostError::Tunnel { .. } => (Kind::Unreachable, Effect::None, None),
            HostError::Transfer { .. } => (Kind::Ssh, Effect::Partial, None),
            HostError::Local(_) => (Kind::Runtime, Effect::None, None),
        };
        let failure = Self::new(kind, error.to_string()).effect(effect);
        hint.into_iter().fold(failure, Self::hint)
    }
}
