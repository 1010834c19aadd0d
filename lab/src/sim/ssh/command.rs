//! One command over one channel, run by a real `sh`.

use std::process::Stdio;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, server::Msg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, Command},
};
use tokio_util::sync::CancellationToken;

use super::Site;
use crate::sim::{
    gate::{Effect, System, Verdict},
    guest::Guest,
};

/// How scripts begin that only look.
const READING: [&str; 5] = ["Follows ", "Prints ", "Says ", "Sends packets ", "Waits "];

/// Runs it; what it printed is sent when it has ended, so that a lost answer is lost whole.
pub(super) async fn run(
    channel: Channel<Msg>,
    line: String,
    guest: &Guest,
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
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]).env_clear().envs(site.tools.environment(guest));
    command.current_dir(guest.root()).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return tell(&write, &[], error.to_string().as_bytes(), 126).await,
    };
    let (input, mut output, mut errors) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = feed(&mut read, input, begun);
    let collecting = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let both = async {
            if let (Some(output), Some(errors)) = (&mut output, &mut errors) {
                let _ =
                    tokio::join!(output.read_to_end(&mut stdout), errors.read_to_end(&mut stderr));
            }
        };
        both.await;
        let status = child.wait().await.ok().and_then(|status| status.code()).unwrap_or(255);
        (stdout, stderr, status)
    };
    tokio::pin!(feeding, collecting);
    let mut fed = false;
    let (stdout, stderr, status) = loop {
        tokio::select! {
            ended = &mut collecting => break ended,
            () = &mut feeding, if !fed => fed = true,
        }
    };
    match site.gate.after(passage).await {
        Verdict::Pass => {
            tell(&write, &stdout, &stderr, u32::try_from(status).unwrap_or(255)).await;
        }
        _ => cut.cancel(),
    }
}

/// A supervised script says its length in its command line: so many bytes are waited for, since they name
/// it. `None` when the client hangs up before.
async fn script(read: &mut ChannelReadHalf, line: &str) -> Option<Vec<u8>> {
    let length = line.rsplit_once(" homelab ").and_then(|(_, length)| length.parse().ok());
    let length: usize = length.unwrap_or(0);
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

/// Feeds standard input until the client ends it or hangs up.
async fn feed(read: &mut ChannelReadHalf, input: Option<ChildStdin>, begun: Vec<u8>) {
    let Some(mut input) = input else { return };
    // A command that reads no further has what it wants.
    let mut wanted = input.write_all(&begun).await.is_ok();
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } if wanted => wanted = input.write_all(&data).await.is_ok(),
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
