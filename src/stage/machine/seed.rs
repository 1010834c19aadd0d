//! The seed: how it is put on the storage and taken off.

use std::time::Duration;

use camino::Utf8Path;

use crate::{
    engine::{Look, StepContext},
    error::{Effect, Failure, Kind, Result},
    journal::Record,
    model::{NodeName, Nonce},
    plan::guest::seed_of,
    ports::{ContentKind, Proxmox, Upload, World},
    seed::{HostKey, Seed, SeedName},
};

const UPLOAD_LIMIT: Duration = Duration::from_secs(300);
/// How often it is sent, where replies are lost and it is not there.
const TURNS: usize = 3;

/// Makes the seed and puts it on the storage; journalled before, so that it can be swept.
pub(super) async fn upload<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    nonce: &Nonce,
    host_key: &HostKey,
) -> Result<()> {
    let desired = &context.run.desired;
    let wanted = &desired.nodes[node];
    let seed =
        Seed { cluster: &desired.id, node: wanted, access: &desired.access, nonce, host_key };
    // It holds a private host key: gone with its folder when it was sent.
    let folder = tempfile::tempdir()?;
    let path = Utf8Path::from_path(folder.path()).ok_or_else(|| {
        Failure::new(Kind::Runtime, "the folder for temporary files has a name that is not UTF-8")
    })?;
    let file = seed.write(path)?;
    let upload = Upload {
        storage: desired.proxmox.seed_storage.clone(),
        content: ContentKind::Iso,
        file_name: file.file_name,
        file: file.path,
        sha256: file.sha256,
    };
    context.record(&Record::VolumeIntended {
        proxmox_node: wanted.proxmox_node.clone(),
        volume: seed_of(desired, node, nonce),
    })?;
    let proxmox = context.run.world.proxmox();
    for turn in 1.. {
        let sent = context
            .task(UPLOAD_LIMIT, || async {
                proxmox.upload(&wanted.proxmox_node, &upload).await.map(Some)
            })
            .await;
        match sent {
            // The name is ours alone: an upload that happened is seen by it, and one that did not can be
            // repeated.
            Err(failure) if failure.effect == Effect::Unknown => {
                context.output(format!("looking whether it happened: {failure}"));
                copied(context, &wanted.proxmox_node).await?;
                if is_there(context, node, nonce).await? {
                    break;
                }
                if turn == TURNS {
                    return Err(failure);
                }
            }
            other => return other,
        }
    }
    Ok(())
}

/// Waits until no task of ours copies an upload to its place. Its UPID was in the reply that was lost, and
/// names no file (`imgcopy` has no id): until it has ended the seed is not there, or only its beginning.
async fn copied<W: World>(context: &StepContext<W>, proxmox_node: &str) -> Result<()> {
    let proxmox = context.run.world.proxmox();
    let ours = proxmox.token_id();
    context
        .wait_for("the copying of the seed to end", UPLOAD_LIMIT, || async {
            let active = proxmox.active_tasks(proxmox_node).await?;
            let copying =
                active.iter().find(|task| task.kind() == "imgcopy" && task.user() == ours);
            Ok(copying.map_or(Look::There(()), |task| Look::NotYet(format!("{task} runs"))))
        })
        .await
}

/// Whether the seed of this making lies on the storage.
pub(super) async fn is_there<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    nonce: &Nonce,
) -> Result<bool> {
    let wanted = seed_of(&context.run.desired, node, nonce);
    Ok(of_node(context, node).await?.contains(&wanted))
}

/// Deletes every seed of a node. Only called when no configuration names one: Proxmox would not refuse
/// to delete a seed that is in use.
pub async fn delete_all<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let proxmox_node = context.run.desired.nodes[node].proxmox_node.clone();
    for volume in of_node(context, node).await? {
        delete(context, node, &proxmox_node, &volume).await?;
        context.record(&Record::VolumeDropped { volume })?;
    }
    Ok(())
}

/// Its name is ours alone and never used again: whether it went is seen, and where it did not it is asked once more.
async fn delete<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    proxmox_node: &str,
    volume: &String,
) -> Result<()> {
    let proxmox = context.run.world.proxmox();
    for turn in 1.. {
        let sent = context.task(UPLOAD_LIMIT, || proxmox.delete_volume(proxmox_node, volume)).await;
        match sent {
            Err(failure) if failure.effect == Effect::Unknown => {
                context.output(format!("looking whether it happened: {failure}"));
                if !of_node(context, node).await?.contains(volume) {
                    break;
                }
                if turn == TURNS {
                    return Err(failure);
                }
            }
            other => return other.map(drop),
        }
    }
    Ok(())
}

async fn of_node<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Vec<String>> {
    let desired = &context.run.desired;
    let volumes = context.run.seeds(&desired.nodes[node].proxmox_node).await?;
    let ours = |id: &str| {
        // Most are of other nodes, and seen at once to be.
        id.contains(node.as_str())
            && SeedName::parse(id)
                .is_some_and(|name| name.cluster == desired.id.short() && name.node == *node)
    };
    Ok(volumes.iter().filter(|volume| ours(&volume.id)).map(|volume| volume.id.clone()).collect())
}
