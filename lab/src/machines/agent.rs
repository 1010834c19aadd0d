//! The guest agent: the real `qemu-ga`, where the guest has installed and started it.
//!
//! There is no virtio port between a container and its host. The guest image carries a unit that lets
//! the packaged agent listen on a socket instead; the lab speaks QEMU's guest agent protocol on it.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use crate::hypervisor::AgentReply;

/// Proxmox waits as long for an agent's answer before it says that none is running.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends one command to the agent of the guest whose first process is `leader`.
pub(crate) async fn ask(leader: u32, command: &str, arguments: Value) -> AgentReply {
    let socket = Utf8PathBuf::from(format!("/proc/{leader}/root/run/qemu-ga.socket"));
    match timeout(PATIENCE, exchange(&socket, command, arguments)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => {
            tracing::debug!(%error, %socket, "no guest agent answers");
            AgentReply::NotRunning
        }
        Err(_) => AgentReply::NotRunning,
    }
}

async fn exchange(
    socket: &camino::Utf8Path,
    command: &str,
    arguments: Value,
) -> std::io::Result<AgentReply> {
    let stream = UnixStream::connect(socket).await?;
    let (reader, mut writer) = stream.into_split();
    let mut request = json!({ "execute": command });
    if arguments.as_object().is_some_and(|map| !map.is_empty()) {
        request["arguments"] = arguments;
    }
    writer.write_all(format!("{request}\n").as_bytes()).await?;
    let line = BufReader::new(reader)
        .lines()
        .next_line()
        .await?
        .ok_or_else(|| std::io::Error::other("the agent closed the connection"))?;
    Ok(reply(serde_json::from_str(&line)?))
}

fn reply(mut answer: Value) -> AgentReply {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match answer.get("error") {
        Some(error) => AgentReply::Error {
            class: text(error.get("class")),
            description: text(error.get("desc")),
        },
        None => AgentReply::Return(answer["return"].take()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_refusal_keeps_its_class_and_words() {
        let refused = json!({"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}});
        assert_eq!(
            reply(refused),
            AgentReply::Error {
                class: "CommandNotFound".into(),
                description: "The command x has not been found".into()
            }
        );
        assert_eq!(reply(json!({"return": {}})), AgentReply::Return(json!({})));
    }

    #[tokio::test]
    async fn a_guest_without_an_agent_answers_not_running() {
        // The first process of this namespace is no guest: there is no such socket below its root.
        assert_eq!(ask(1, "guest-ping", json!({})).await, AgentReply::NotRunning);
    }
}
