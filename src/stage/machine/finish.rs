//! First contact, and every contact after a start.

use std::time::Duration;

use super::{edit::edit, proved, rotate::rotate, seed, start::await_contact};
use crate::{
    engine::{Look, StepContext},
    error::{Failure, Kind, Result},
    model::NodeName,
    plan::guest::{EMPTY_DRIVE, SEED_DRIVE, seed_volume},
    ports::World,
    stage::{
        Outcome,
        guest::{self, CloudInitVerdict},
    },
};

/// First boots install nothing here; most of it is systemd.
const CLOUD_INIT_LIMIT: Duration = Duration::from_secs(600);
/// How long one script waits before it reports.
const PATIENCE: Duration = Duration::from_secs(5);

/// cloud-init done and disabled, the host key rotated, the seed gone, the file system grown.
pub async fn finish<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    await_contact(context, node).await?;
    let machine = proved(context, node).await?;
    let first = seed_volume(&machine.config).is_some();
    await_cloud_init(context, node).await?;
    let mut host = await_contact(context, node).await?;
    if first {
        // The seed's host key lay on a storage: another one takes its place.
        rotate(context, node, &host).await?;
        host = await_contact(context, node).await?;
    }
    // In this order: without the seed and with cloud-init awake, the next boot would make new host keys.
    guest::finish_cloud_init(&host).await?;
    if first {
        retire_seed(context, node).await?;
    }
    guest::grow_root(&host).await?;
    let probe = context.run.probe(node).await?;
    if !guest::is_finished(&probe) {
        return Err(Failure::new(Kind::RemoteCommand, "cloud-init is not out of the way yet")
            .at(node)
            .hint(format!("`homelab ssh {node} -- cloud-init status --long` says more")));
    }
    if guest::root_is_smaller_than_disk(&probe, context.run.desired.nodes[node].disk_bytes) {
        return Err(Failure::new(
            Kind::RemoteCommand,
            "the root file system is still smaller than its disk after growing it",
        )
        .at(node));
    }
    Ok(Outcome::Done)
}

/// Empties the drive, sees that no configuration names the seed any more, and deletes it.
async fn retire_seed<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    edit(context, node, |machine| {
        let empty = || (SEED_DRIVE.to_owned(), EMPTY_DRIVE.to_owned());
        seed_volume(&machine.config).is_some().then(empty)
    })
    .await?;
    context
        .wait_for("the seed's drive to be empty", Duration::from_secs(60), || async {
            let machine = proved(context, node).await?;
            let pending = machine.pending.iter().any(|key| key == SEED_DRIVE);
            Ok(match seed_volume(&machine.config) {
                None if !pending => Look::There(()),
                None => Look::NotYet(format!("{SEED_DRIVE} is pending")),
                Some(volume) => Look::NotYet(volume.to_owned()),
            })
        })
        .await?;
    seed::delete_all(context, node).await
}

/// Waits for cloud-init over as many connections as it takes: it may restart sshd.
async fn await_cloud_init<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let warnings = context
        .wait_for("cloud-init to be done", CLOUD_INIT_LIMIT, || async {
            let host = await_contact(context, node).await?;
            let look = guest::await_cloud_init(&host, PATIENCE);
            let progress = match context.unless_stopped(look).await {
                Ok(progress) => progress,
                Err(failure) if failure.kind == Kind::Ssh => {
                    context.run.forget_host(node).await;
                    return Ok(Look::NotYet(failure.message));
                }
                Err(failure) => return Err(failure),
            };
            Ok(match guest::cloud_init_verdict(&progress.state.state())? {
                CloudInitVerdict::Ready { warnings } => Look::There(warnings),
                CloudInitVerdict::Wait { .. } => Look::NotYet(progress.last_line),
            })
        })
        .await?;
    for warning in warnings {
        context.warn(format!("cloud-init: {warning}"));
    }
    Ok(())
}
