//! One command over one channel: standard input fed and output collected at the same time.

use std::{sync::Arc, time::Duration};

use russh::{
    ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf,
    client::{self, Msg},
};
use tokio::{
    io::AsyncRead,
    pin,
    time::{Instant, timeout},
};

use super::session::{Session, Verifier};
use crate::{
    model::NodeName,
    ports::{HostError, Output},
};

/// The most that is kept of either output stream, in bytes. A probe's answer is a few KiB.
const MOST_OUTPUT: usize = 8 << 20;
/// How long a session is waited for where the server has `MaxSessions` of them in use.
const SESSION_PATIENCE: Duration = Duration::from_secs(20);
const SESSION_PAUSE: Duration = Duration::from_millis(100);

/// A command to be run.
pub(super) struct Command<'a, R> {
    /// For messages: the script's or the file's name.
    pub(super) doing: &'a str,
    pub(super) line: String,
    /// All of it is sent, then the end of file unless it is kept open.
    pub(super) input: R,
    /// Leaves standard input open until the command has ended by itself.
    pub(super) keep_open: bool,
    pub(super) limit: Duration,
}

/// Why a command has no output.
enum Ending {
    Broken(String),
    TooMuch,
    Local(std::io::Error),
}

impl<R: AsyncRead + Unpin + Send> Command<'_, R> {
    /// Runs to the end, or to the limit. Dropping the future closes the channel.
    pub(super) async fn execute(
        self,
        session: &Session,
        node: &NodeName,
    ) -> Result<Output, HostError> {
        let Self { doing, line, input, keep_open, limit } = self;
        let (mut read, write) = open(&session.handle, node, session).await?;
        let open = OpenChannel(Some(Arc::new(write)));
        let running = async {
            open.get().exec(true, line).await.map_err(|error| Ending::Broken(error.to_string()))?;
            let feed = feed(open.get(), input, keep_open);
            let collect = collect(&mut read);
            pin!(feed, collect);
            // A command may end without reading all of its input; then feeding would never end.
            let mut fed = false;
            loop {
                tokio::select! {
                    output = &mut collect => return output,
                    result = &mut feed, if !fed => {
                        fed = true;
                        result.map_err(Ending::Local)?;
                    }
                }
            }
        };
        let broken = |reason| HostError::Broken { node: node.clone(), doing: doing.into(), reason };
        match timeout(limit, running).await {
            Ok(Ok(output)) => {
                open.ended();
                Ok(output)
            }
            Ok(Err(Ending::Broken(reason))) if session.handle.is_closed() => {
                Err(broken(format!("{reason}: {}", session.end_reason())))
            }
            Ok(Err(Ending::Broken(reason))) => Err(broken(reason)),
            Ok(Err(Ending::TooMuch)) => Err(HostError::Transfer {
                node: node.clone(),
                reason: format!("`{doing}` wrote more than {} MiB", MOST_OUTPUT >> 20),
            }),
            Ok(Err(Ending::Local(error))) => Err(HostError::Local(error.to_string())),
            Err(_) => Err(HostError::Timeout { node: node.clone(), doing: doing.into(), limit }),
        }
    }
}

/// Opens a session. A server with all sessions in use says that it failed to connect; as nothing has
/// run yet, asking again is safe.
async fn open(
    handle: &client::Handle<Verifier>,
    node: &NodeName,
    session: &Session,
) -> Result<(ChannelReadHalf, ChannelWriteHalf<Msg>), HostError> {
    let patience = Instant::now() + SESSION_PATIENCE;
    loop {
        let reason = match handle.channel_open_session().await {
            Ok(channel) => return Ok(channel.split()),
            Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))
                if Instant::now() < patience =>
            {
                tokio::time::sleep(SESSION_PAUSE).await;
                continue;
            }
            Err(_) if handle.is_closed() => session.end_reason(),
            Err(error) => format!("the server opens no further session: {error}"),
        };
        // Nothing has run, so this is not a broken command.
        return Err(HostError::Unreachable { node: node.clone(), tried: vec![reason] });
    }
}

async fn feed(
    write: &ChannelWriteHalf<Msg>,
    input: impl AsyncRead + Unpin,
    keep_open: bool,
) -> Result<(), std::io::Error> {
    match write.data(input).await {
        // Reading our side failed: without an end of file the command does not take it for all.
        Err(russh::Error::IO(error)) => Err(error),
        // Sending failed: what is collected tells why.
        Err(_) => Ok(()),
        Ok(()) => {
            if !keep_open {
                let _ = write.eof().await;
            }
            Ok(())
        }
    }
}

async fn collect(read: &mut ChannelReadHalf) -> Result<Output, Ending> {
    let (mut stdout, mut stderr, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => append(&mut stdout, &data)?,
            ChannelMsg::ExtendedData { data, ext: 1 } => append(&mut stderr, &data)?,
            ChannelMsg::ExitStatus { exit_status } => status = i32::try_from(exit_status).ok(),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                return Err(Ending::Broken(format!("it was ended by signal {signal_name:?}")));
            }
            ChannelMsg::Failure => {
                return Err(Ending::Broken("the server refuses to run commands".to_owned()));
            }
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    let status =
        status.ok_or_else(|| Ending::Broken("it ended without an exit status".to_owned()))?;
    // What is sound, and that is nearly all, is looked through once and not copied.
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap_or_else(|unsound| String::from_utf8_lossy(unsound.as_bytes()).into_owned())
    };
    Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
}

fn append(kept: &mut Vec<u8>, data: &[u8]) -> Result<(), Ending> {
    if kept.len() + data.len() > MOST_OUTPUT {
        return Err(Ending::TooMuch);
    }
    kept.extend_from_slice(data);
    Ok(())
}

/// Closes its channel when it is left before its end, so that abandoned commands do not pile up
/// against the server's `MaxSessions`.
struct OpenChannel(Option<Arc<ChannelWriteHalf<Msg>>>);

impl OpenChannel {
    fn get(&self) -> &ChannelWriteHalf<Msg> {
        self.0.as_ref().expect("only `ended` takes it, and that consumes the guard")
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(channel), Ok(runtime)) = (self.0.take(), runtime) {
            runtime.spawn(async move {
                // The connection may be gone, and the channel with it.
                let _ = channel.close().await;
            });
        }
    }
}
