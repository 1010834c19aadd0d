//! One command over one channel: run by a real `sh`, or answered in process.

use std::{process::Stdio, sync::Arc};

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, server::Msg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, Command},
};
use tokio_util::sync::CancellationToken;

use super::Site;
use crate::sim::{
    answers::{self, Guests},
    gate::{Effect, System, Verdict},
    guest::{Answer, Guest},
};

/// How scripts begin that only look.
const READING: [&str; 5] = ["Follows ", "Prints ", "Says ", "Sends packets ", "Waits "];

/// Runs it; what it printed is sent when it has ended, so that a lost answer is lost whole.
pub(super) async fn run(
    channel: Channel<Msg>,
    line: String,
    guest: &Arc<Guest>,
    site: &Site,
    cut: &CancellationToken,
) {
    let (mut read, write) = channel.split();
    let Some(begun) = script(&mut read, &line).await else { return };
    site.tools.note(&line);
    let name = guest.state().node_name.clone();
    let (kind, mutating) = kind(&line, &begun);
    let effect = Effect { system: System::Host, kind, about: name, mutating };
    let passage = match site.gate.before(effect).await {
        Ok(passage) => passage,
        Err(Verdict::Refuse { status, message }) => {
            let status = u8::try_from(status).unwrap_or(1);
            return tell(&write, &[], message.as_bytes(), status.into()).await;
        }
        Err(_) => return cut.cancel(),
    };
    let mut input = Input::Client { read: &mut read, begun };
    let mut ended = execute(&line, guest, site, input).await;
    if let (true, Ok((_, fed))) = (passage.twice(), &ended) {
        input = Input::Known(fed.clone());
        ended = execute(&line, guest, site, input).await;
    }
    let (ended, _) = match ended {
        Ok(ended) => ended,
        Err(error) => return tell(&write, &[], error.to_string().as_bytes(), 126).await,
    };
    match site.gate.after(passage).await {
        Verdict::Pass => {
            tell(&write, &ended.stdout, &ended.stderr, ended.status).await;
        }
        _ => cut.cancel(),
    }
}

/// A supervised script says its length in its command line: so many bytes are waited for, since they name
/// it. `None` when the client hangs up before.
async fn script(read: &mut ChannelReadHalf, line: &str) -> Option<Vec<u8>> {
    let length = length(line).unwrap_or(0);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match read.wait().await? {
            ChannelMsg::Data { data } => bytes.extend_from_slice(&data),
            ChannelMsg::Eof | ChannelMsg::Close => return None,
            _ => {}
        }
    }
    Some(bytes)
}

/// The length of a supervised script; other commands have none.
fn length(line: &str) -> Option<usize> {
    line.rsplit_once(" homelab ")?.1.parse().ok()
}

/// What kind of effect a command is: a script by its first comment, a file by its path.
fn kind(line: &str, script: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(script);
    let body = text.split_once("homelab_main() {\n").map_or("", |(_, body)| body);
    let comment = body.lines().find_map(|line| line.strip_prefix("# "));
    if let Some(comment) = comment {
        let first: String = comment.split(['.', ',', ':', ';']).next().unwrap_or_default().into();
        // Scripts say of themselves when they only look.
        let looks = comment.contains("changes nothing")
            || READING.iter().any(|verb| comment.starts_with(verb));
        return (format!("exec {first}"), !looks);
    }
    let target = line.split_once("HOMELAB_ROOT:-}\"").map(|(_, rest)| rest);
    let target = target.and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    let target: String = target.chars().filter(|letter| !"'\\".contains(*letter)).collect();
    (format!("write {target}"), true)
}

/// How a command ended.
struct Ended {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: u32,
}

/// Where its standard input comes from.
enum Input<'a> {
    /// Who asked for it; so much was read already.
    Client { read: &'a mut ChannelReadHalf, begun: Vec<u8> },
    /// The same as before.
    Known(Vec<u8>),
}

/// Runs it to its end: how that was, and what it was fed.
async fn execute(
    line: &str,
    guest: &Arc<Guest>,
    site: &Site,
    input: Input<'_>,
) -> std::io::Result<(Ended, Vec<u8>)> {
    if site.guests == Guests::InProcess {
        return Ok(in_process(line, guest, input).await);
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env_clear().envs(site.tools.environment(guest));
    command.current_dir(guest.root()).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, mut output, mut errors) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut fed = Vec::new();
    let feeding = feed(input, stdin, &mut fed);
    let collecting = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let both = async {
            if let (Some(output), Some(errors)) = (&mut output, &mut errors) {
                let _ =
                    tokio::join!(output.read_to_end(&mut stdout), errors.read_to_end(&mut stderr));
            }
        };
        both.await;
        let status = child.wait().await.ok().and_then(|status| status.code());
        let status = status.and_then(|status| u32::try_from(status).ok()).unwrap_or(255);
        Ended { stdout, stderr, status }
    };
    let ended = {
        tokio::pin!(feeding, collecting);
        let mut over = false;
        loop {
            tokio::select! {
                ended = &mut collecting => break ended,
                () = &mut feeding, if !over => over = true,
            }
        }
    };
    Ok((ended, fed))
}

/// Answers it to its end, unless the client hangs up before: how that was, and what it was fed.
async fn in_process(line: &str, guest: &Arc<Guest>, input: Input<'_>) -> (Ended, Vec<u8>) {
    let is_script = length(line).is_some();
    let (mut client, fed) = match input {
        Input::Known(fed) => (None, fed),
        // A file is whole when the client ends it.
        Input::Client { read, begun } if !is_script => (None, rest(read, begun).await),
        Input::Client { read, begun } => (Some(read), begun),
    };
    let answering = async {
        if is_script {
            answers::answer(guest, &String::from_utf8_lossy(&fed)).await
        } else {
            answers::receive(guest, line, fed.clone()).await
        }
    };
    let answer = tokio::select! {
        answer = answering => answer,
        // As a script that is told to end ends.
        () = hung_up(&mut client) => Answer::failed(143, ""),
    };
    let Answer { status, stdout, stderr } = answer;
    let ended =
        Ended { stdout: stdout.into_bytes(), stderr: stderr.into_bytes(), status: status.into() };
    (ended, fed)
}

/// All that comes until the client ends its input.
async fn rest(read: &mut ChannelReadHalf, mut bytes: Vec<u8>) -> Vec<u8> {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => bytes.extend_from_slice(&data),
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => {}
        }
    }
    bytes
}

/// Until the client ends its input or hangs up; for ever without one.
async fn hung_up(client: &mut Option<&mut ChannelReadHalf>) {
    let Some(read) = client else { return std::future::pending().await };
    while !matches!(read.wait().await, None | Some(ChannelMsg::Eof | ChannelMsg::Close)) {}
}

/// Feeds standard input until the client ends it or hangs up, and keeps what it fed.
async fn feed(input: Input<'_>, stdin: Option<ChildStdin>, fed: &mut Vec<u8>) {
    let Some(mut stdin) = stdin else { return };
    // A command that reads no further has what it wants.
    let (read, begun) = match input {
        Input::Known(bytes) => {
            stdin.write_all(&bytes).await.ok();
            // The end of its input would tell it that the client is gone.
            return std::future::pending().await;
        }
        Input::Client { read, begun } => (read, begun),
    };
    let mut wanted = stdin.write_all(&begun).await.is_ok();
    fed.extend_from_slice(&begun);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                fed.extend_from_slice(&data);
                if wanted {
                    wanted = stdin.write_all(&data).await.is_ok();
                }
            }
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => {}
        }
    }
}

async fn tell(write: &ChannelWriteHalf<Msg>, stdout: &[u8], stderr: &[u8], status: u32) {
    // A client that hung up hears nothing.
    let _ = write.data(stdout).await;
    let _ = write.extended_data(1, stderr).await;
    let _ = write.exit_status(status).await;
    let _ = write.eof().await;
    let _ = write.close().await;
}
