//! Command lines as if they were run on the host, outside the API.

use std::{sync::Arc, time::Duration};

use crate::pve::{qemu, server::Server, storage::Content};

const VM_LOCK: &str = "/var/lock/qemu-server/lock-";
const AGENTS: &str = "/var/lib/fakeqga";

/// Does what the command line would do to the real host; returns when it would.
///
/// # Errors
/// For a command line that isn't one of the few that are known.
pub(crate) async fn run(server: &Arc<Server>, command: &[String]) -> Result<(), String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["pvedaemon", state @ ("stop" | "start")] => {
            server.set_daemon(*state == "start");
            Ok(())
        }
        ["flock", "-x", file, "sleep", seconds] => hold(server, file, seconds).await,
        ["sh", "-c", script] => {
            for line in script.split("&&").map(str::trim) {
                shell(server, &line.split_whitespace().collect::<Vec<_>>())?;
            }
            Ok(())
        }
        words => shell(server, words),
    }
}

fn unknown(words: &[&str]) -> String {
    format!("the emulated host knows no such command: {}", words.join(" "))
}

/// Holds a guest's configuration lock for so many seconds.
async fn hold(server: &Arc<Server>, file: &str, seconds: &str) -> Result<(), String> {
    let vmid = file
        .strip_prefix(VM_LOCK)
        .and_then(|rest| rest.strip_suffix(".conf"))
        .and_then(|vmid| vmid.parse().ok())
        .ok_or_else(|| unknown(&["flock", file]))?;
    let seconds: f64 = seconds.parse().map_err(|_| unknown(&["sleep", seconds]))?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    let lock = server.state.qemu.lock_of(vmid);
    let held = lock.exclusive(qemu::patience(&server.state, time, None)).await?;
    tokio::time::sleep(time).await;
    drop(held);
    Ok(())
}

fn shell(server: &Arc<Server>, words: &[&str]) -> Result<(), String> {
    match words {
        ["rmdir", folder] | ["rm", "-rf", folder] if *folder == AGENTS => agents(server, false),
        ["mkdir", "-p", folder] if *folder == AGENTS => agents(server, true),
        ["rm", "-rf", patterns @ ..] if !patterns.is_empty() => {
            patterns.iter().try_for_each(|pattern| remove(server, pattern))
        }
        words => Err(unknown(words)),
    }
}

fn agents(server: &Arc<Server>, answer: bool) -> Result<(), String> {
    let paper = server.state.config.paper.as_ref();
    let paper = paper.ok_or("these guests are real: their agents are their own")?;
    paper.set_agents(answer);
    Ok(())
}

/// Removes what a pattern such as `/var/lib/vz/template/iso/*` means on the answering node.
fn remove(server: &Arc<Server>, pattern: &str) -> Result<(), String> {
    let folder = pattern.strip_suffix("/*").ok_or_else(|| unknown(&["rm", "-rf", pattern]))?;
    for place in server.state.storage.of_node(server.state.local_node()) {
        let Some(path) = place.config.path.as_deref() else { continue };
        for content in Content::ALL {
            if format!("{path}/{}", content.folder()) == folder {
                for entry in fs_err::read_dir(place.folder(content)).into_iter().flatten() {
                    let entry = entry.map_err(|error| error.to_string())?;
                    fs_err::remove_file(entry.path()).map_err(|error| error.to_string())?;
                }
                return Ok(());
            }
        }
    }
    Err(format!("no storage of the emulated host is at {folder}"))
}
