//! One connection to a guest.

use std::{collections::BTreeMap, sync::Arc};

use russh::{
    Channel, ChannelId, ChannelOpenFailure,
    server::{Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey},
};
use tokio_util::sync::CancellationToken;

use super::{Site, command};
use crate::sim::guest::Guest;

pub(super) struct Handler {
    guest: Arc<Guest>,
    site: Site,
    /// Ends the connection at once.
    cut: CancellationToken,
    /// Sessions that run nothing yet.
    channels: BTreeMap<ChannelId, Channel<Msg>>,
}

impl Handler {
    pub(super) fn new(guest: Arc<Guest>, site: Site, cut: CancellationToken) -> Self {
        Self { guest, site, cut, channels: BTreeMap::new() }
    }
}

impl russh::server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let file = self.guest.root().join("home").join(user).join(".ssh/authorized_keys");
        let known = fs_err::read_to_string(file).unwrap_or_default();
        let shown = key.public_key.to_openssh().unwrap_or_default();
        let bare = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let known = known.lines().any(|line| bare(line) == bare(&shown));
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(channel) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let line = String::from_utf8_lossy(line).into_owned();
        let (guest, site, cut) = (self.guest.clone(), self.site.clone(), self.cut.clone());
        tokio::spawn(async move { command::run(channel, line, &guest, &site, &cut).await });
        Ok(())
    }

    /// Nobody sits in front of a simulated guest: whoever asks for a shell is told so, where a client that got no
    /// answer would wait.
    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let word = "a simulated guest has no shell to sit at: run a command on it instead\r\n";
        session.data(id, word)?;
        session.exit_status_request(id, 1)?;
        session.close(id)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _terminal: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let target = host.parse().ok().zip(u16::try_from(port).ok());
        let (guest, site) = (self.guest.clone(), self.site.clone());
        // Connecting may take its time; the connection goes on meanwhile.
        tokio::spawn(async move {
            let far = match target {
                Some((address, port)) => site.roads.open(&guest, address, port).await,
                None => None,
            };
            match far {
                Some(mut far) => {
                    reply.accept().await;
                    let mut near = channel.into_stream();
                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                }
                None => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
        });
        Ok(())
    }
}
