//! A connected node.

use std::{net::IpAddr, sync::Arc};

use russh::{ChannelOpenFailure, Disconnect, client::Msg};
use tokio::sync::Semaphore;
use tokio_util::io::InspectReader;
use tracing::Instrument;

use super::{execute::Command, push, session::Session};
use crate::{
    model::NodeName,
    ports::{Host, HostError, HostTarget, Output, RemoteFile},
    script::{SUPERVISOR, Script, quote},
    trace,
};

/// Commands at once: below `MaxSessions`, which is 10 unless said otherwise (CI-07). Forwarded TCP
/// connections do not count there, so they don't here.
const SESSIONS: usize = 6;

/// A node that is connected by SSH. Clones share the connection.
#[derive(Clone)]
pub struct SshHost(Arc<Connected>);

struct Connected {
    node: NodeName,
    address: IpAddr,
    /// What runs a shell as root.
    shell: &'static str,
    session: Session,
    permits: Semaphore,
}

impl SshHost {
    pub(super) fn new(target: &HostTarget, address: IpAddr, session: Session) -> Self {
        let shell = if target.user == "root" { "/bin/sh" } else { "sudo -n /bin/sh" };
        let permits = Semaphore::new(SESSIONS);
        Self(Arc::new(Connected { node: target.node.clone(), address, shell, session, permits }))
    }

    async fn execute<R: tokio::io::AsyncRead + Unpin + Send>(
        &self,
        command: Command<'_, R>,
    ) -> Result<Output, HostError> {
        let Connected { node, session, permits, .. } = &*self.0;
        let span = tracing::trace_span!(
            target: trace::TARGET, "ssh", what = command.doing, node = %node
        );
        async {
            let _permit = permits.acquire().await.expect("the semaphore is never closed");
            command.execute(session, node).await
        }
        .instrument(span)
        .await
    }
}

impl std::fmt::Debug for SshHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SshHost({} at {})", self.0.node, self.0.address)
    }
}

impl Host for SshHost {
    type Stream = russh::ChannelStream<Msg>;

    fn node(&self) -> &NodeName {
        &self.0.node
    }

    fn address(&self) -> IpAddr {
        self.0.address
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        let input = script.standard_input();
        self.execute(Command {
            doing: script.name,
            line: format!(
                "{} -c {} homelab {}",
                self.0.shell,
                quote(SUPERVISOR),
                input.expose().len()
            ),
            input: input.expose().as_bytes(),
            // As long as it is open, somebody waits for the script.
            keep_open: true,
            limit: script.timeout,
        })
        .await
    }

    async fn write(&self, file: &RemoteFile) -> Result<(), HostError> {
        self.write_telling(file, &|_| {}).await
    }

    async fn write_telling<'a>(
        &'a self,
        file: &'a RemoteFile,
        sent: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Result<(), HostError> {
        let local = |error: std::io::Error| HostError::Local(error.to_string());
        let input = fs_err::tokio::File::open(&file.local).await.map_err(local)?;
        let size = input.metadata().await.map_err(local)?.len();
        let mut taken = 0;
        // What was read is on its way: the window of the channel is all that lies between.
        let input = InspectReader::new(input, |bytes: &[u8]| {
            taken += bytes.len() as u64;
            sent(taken);
        });
        let output = self.execute(push::command(file, size, self.0.shell, input)).await?;
        push::verdict(&output, file, &self.0.node)
    }

    async fn tunnel(&self, address: IpAddr, port: u16) -> Result<Self::Stream, HostError> {
        let Connected { node, session, .. } = &*self.0;
        let handle = &session.handle;
        let opening =
            handle.channel_open_direct_tcpip(address.to_string(), u32::from(port), "127.0.0.1", 0);
        let error = match opening.await {
            Ok(channel) => return Ok(channel.into_stream()),
            Err(error) => error,
        };
        let node = node.clone();
        Err(match error {
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => {
                HostError::Forwarding {
                    node,
                    reason: format!("the way to {address}:{port} is administratively prohibited"),
                }
            }
            russh::Error::ChannelOpenFailure(failure) => HostError::Tunnel {
                node,
                to: std::net::SocketAddr::new(address, port),
                reason: match failure {
                    ChannelOpenFailure::ConnectFailed => "nobody answers there".to_owned(),
                    other => format!("{other:?}"),
                },
            },
            _ if handle.is_closed() => {
                HostError::Unreachable { node, tried: vec![session.end_reason()] }
            }
            error => HostError::Unreachable { node, tried: vec![error.to_string()] },
        })
    }

    fn is_open(&self) -> bool {
        !self.0.session.handle.is_closed()
    }

    async fn close(&self) {
        // One that is closed already is fine.
        let _ = self.0.session.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}
