//! One connection to the Git host: who it is, and the one command that it may run.

use std::{collections::BTreeMap, process::Stdio, sync::Arc, time::Duration};

use russh::{
    Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, MethodKind, MethodSet,
    server::{
        Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::ChildStdin,
};
use tokio_util::sync::CancellationToken;

use super::{Host, REPOSITORY, Right, USER, repository::git};
use crate::sim::gate::{Effect, System, Verdict};

/// As much of an answer as is passed on at once, in bytes.
const PIECE: usize = 32 << 10;

/// Serves a connection to its end.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: Arc<Host>,
) {
    let config = Config {
        keys: vec![host.key.clone()],
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    };
    let cut = CancellationToken::new();
    let connection = Connection {
        host,
        cut: cut.clone(),
        right: None,
        protocol: None,
        channels: BTreeMap::new(),
    };
    let session = async {
        if let Ok(session) = run_stream(Arc::new(config), stream, connection).await {
            session.await.ok();
        }
    };
    tokio::select! {
        () = session => {}
        () = cut.cancelled() => {}
    }
}

struct Connection {
    host: Arc<Host>,
    /// Ends the connection at once.
    cut: CancellationToken,
    right: Option<Right>,
    /// `GIT_PROTOCOL`: how a client asks for version 2.
    protocol: Option<String>,
    channels: BTreeMap<ChannelId, Channel<Msg>>,
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.right = self.host.right(key.public_key).filter(|_| user == USER);
        Ok(if self.right.is_some() { Auth::Accept } else { Auth::reject() })
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

    async fn env_request(
        &mut self,
        _channel: ChannelId,
        name: &str,
        value: &str,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "GIT_PROTOCOL" {
            self.protocol = Some(value.to_owned());
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(channel) = self.channels.remove(&id) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let wish = Wish::read(&String::from_utf8_lossy(line), self.right);
        let (host, cut, protocol) = (self.host.clone(), self.cut.clone(), self.protocol.clone());
        tokio::spawn(async move {
            let (read, write) = channel.split();
            match wish {
                Some(wish) => host.fulfil(wish, protocol, read, &write, &cut).await,
                None => tell(&write, "this key may not do that here\n", 1).await,
            }
        });
        Ok(())
    }
}

/// What a client asks for: compared whole, never run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Fetch,
    Push,
}

impl Wish {
    fn read(line: &str, right: Option<Right>) -> Option<Self> {
        let wish = match line.strip_suffix(&format!(" '/{REPOSITORY}'"))? {
            "git-upload-pack" => Self::Fetch,
            "git-receive-pack" => Self::Push,
            _ => return None,
        };
        (wish == Self::Fetch || right == Some(Right::Write)).then_some(wish)
    }

    fn program(self) -> &'static str {
        match self {
            Self::Fetch => "upload-pack",
            Self::Push => "receive-pack",
        }
    }
}

impl Host {
    async fn fulfil(
        &self,
        wish: Wish,
        protocol: Option<String>,
        read: ChannelReadHalf,
        write: &ChannelWriteHalf<Msg>,
        cut: &CancellationToken,
    ) {
        let effect = Effect {
            system: System::Git,
            kind: format!("git {}", wish.program()),
            about: REPOSITORY.to_owned(),
            mutating: wish == Wish::Push,
        };
        let mut passage = match self.gate.before(effect).await {
            Ok(passage) => Some(passage),
            Err(Verdict::Refuse { message, .. }) => {
                return tell(write, &format!("{message}\n"), 1).await;
            }
            Err(_) => return cut.cancel(),
        };
        let mut command = git();
        command.arg(wish.program()).arg(self.repository.path());
        command.envs(protocol.map(|version| ("GIT_PROTOCOL", version)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            return tell(write, "git does not start\n", 126).await;
        };
        if let Some(stdin) = child.stdin.take() {
            tokio::spawn(feed(read, stdin));
        }
        let (mut output, mut piece) = (child.stdout.take(), vec![0; PIECE]);
        while let Some(output) = &mut output
            && let Ok(length @ 1..) = output.read(&mut piece).await
        {
            // Nothing is changed by a fetch: its answer is lost whole, and not in its middle.
            if wish == Wish::Fetch
                && let Some(passage) = passage.take()
                && self.gate.after(passage).await != Verdict::Pass
            {
                return cut.cancel();
            }
            if write.data(&piece[..length]).await.is_err() {
                break;
            }
        }
        let status = child.wait().await.ok().and_then(|status| status.code());
        if wish == Wish::Push {
            self.pushed.send_modify(|count| *count += 1);
        }
        if let Some(passage) = passage
            && self.gate.after(passage).await != Verdict::Pass
        {
            return cut.cancel();
        }
        let status = status.and_then(|status| u32::try_from(status).ok());
        tell(write, "", status.unwrap_or(255)).await;
    }
}

/// Passes on what the client sends, until it has no more to say.
async fn feed(mut read: ChannelReadHalf, mut stdin: ChildStdin) {
    while let Some(message) = read.wait().await {
        let fed = match message {
            ChannelMsg::Data { data } => stdin.write_all(&data).await,
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => Ok(()),
        };
        // A program that reads no further has what it wants.
        if fed.is_err() {
            return;
        }
    }
}

async fn tell(write: &ChannelWriteHalf<Msg>, complaint: &str, status: u32) {
    // A client that hung up hears nothing.
    let _ = write.extended_data(1, complaint.as_bytes()).await;
    let _ = write.exit_status(status).await;
    let _ = write.eof().await;
    let _ = write.close().await;
}
