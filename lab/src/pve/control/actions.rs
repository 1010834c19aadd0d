//! Faults about the world: they change what the emulator holds, not how it answers.

use std::{sync::Arc, time::Duration};

use super::faults::Kind;
use crate::pve::{qemu, server::Server};

/// What a guest is locked by while vzdump reads it.
const BACKUP: &str = "backup";
/// The size of a foreign guest's disk.
const FOREIGN_DISK_GIB: u64 = 1;

/// Lets a fault about the world act.
///
/// # Errors
/// When it names a guest, a storage or a node that doesn't exist.
pub(crate) async fn act(server: &Arc<Server>, kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::IdleClose { seconds } => {
            server.set_idle(Some(duration(*seconds)?));
            Ok(())
        }
        Kind::Lock { vmid, lock, seconds } => lock_config(server, *vmid, lock, duration(*seconds)?),
        Kind::Backup { vmids, seconds } => begin_backup(server, vmids, duration(*seconds)?),
        Kind::Busy { storage, seconds } => hold_storage(server, storage, duration(*seconds)?).await,
        Kind::Foreign { vmid, node, name } => {
            let node = node.as_deref().unwrap_or(server.state.local_node());
            let name = name.as_deref().unwrap_or("foreign");
            qemu::seed(&server.state, node, *vmid, name, FOREIGN_DISK_GIB).await
        }
        Kind::Http { .. }
        | Kind::Task { .. }
        | Kind::DropReply
        | Kind::Reset { .. }
        | Kind::Delay { .. }
        | Kind::Hold { .. }
        | Kind::Filter { .. } => Ok(()),
    }
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{seconds} seconds: {error}"))
}

fn lock_config(server: &Arc<Server>, vmid: u32, lock: &str, time: Duration) -> Result<(), String> {
    qemu::set_lock(&server.state, vmid, Some(lock))?;
    if !time.is_zero() {
        let server = Arc::clone(server);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            if let Err(error) = qemu::set_lock(&server.state, vmid, None) {
                tracing::debug!(%error, "a locked guest is gone before its lock was");
            }
        });
    }
    Ok(())
}

/// Returns once the first guest is locked.
fn begin_backup(server: &Arc<Server>, vmids: &[u32], time: Duration) -> Result<(), String> {
    let state = Arc::clone(&server.state);
    let first = vmids.first().ok_or("a backup of no guest")?;
    let node = state.qemu.node_of(*first).ok_or_else(|| format!("there is no VM {first}"))?;
    qemu::set_lock(&state, *first, Some(BACKUP))?;
    let id = if vmids.len() == 1 { first.to_string() } else { String::new() };
    let vmids = vmids.to_vec();
    let now = {
        let state = Arc::clone(&state);
        move || state.clock.now()
    };
    server.state.tasks.spawn(now, (&node, "vzdump", &id), "root@pam", |worker| async move {
        worker.log("INFO: starting new backup job: vzdump --mode snapshot --storage local");
        for vmid in vmids {
            worker.log(format!("INFO: Starting Backup of VM {vmid} (qemu)"));
            qemu::set_lock(&state, vmid, Some(BACKUP))?;
            let waited = worker.wait_for(tokio::time::sleep(time)).await;
            qemu::set_lock(&state, vmid, None)?;
            waited?;
            worker.log(format!("INFO: Finished Backup of VM {vmid}"));
        }
        worker.log("INFO: Backup job finished successfully");
        Ok(())
    });
    Ok(())
}

/// Returns once the lock is held; lets it go after the time.
async fn hold_storage(server: &Arc<Server>, storage: &str, time: Duration) -> Result<(), String> {
    let node = server.state.local_node();
    let lock = Arc::clone(&server.state.storage.on_node(node, storage)?.lock);
    let held = lock.exclusive(qemu::patience(&server.state, time, None)).await?;
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        drop(held);
    });
    Ok(())
}
