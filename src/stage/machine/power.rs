//! Power that somebody else switches.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    engine::{Look, StepContext},
    error::{Failure, Kind, Result},
    model::{Upid, Vmid},
    ports::{PowerState, Proxmox, ProxmoxError, World},
};

/// The manager of high availability comes round every ten seconds; a guest that it moves first takes longer.
const LIMIT: Duration = Duration::from_secs(180);

/// Switches a guest's power by a call, and sees its task to the end; under high availability, whose tasks
/// (`hastart`, `hastop`) are over once the request is written down, until it has come about (PVE-34).
///
/// # Errors
/// As [`StepContext::task`]; when it has not come about after three minutes; where the guest is gone meanwhile.
pub(in crate::stage) async fn switch<W: World, Fut>(
    context: &StepContext<W>,
    (proxmox_node, vmid): (&str, Vmid),
    power: PowerState,
    limit: Duration,
    call: impl Fn() -> Fut,
) -> Result<()>
where
    Fut: Future<Output = Result<Upid, ProxmoxError>>,
{
    let managed = AtomicBool::new(false);
    context
        .task(limit, || async {
            let upid = call().await?;
            managed.store(matches!(upid.kind(), "hastart" | "hastop"), Ordering::Relaxed);
            Ok(Some(upid))
        })
        .await?;
    if managed.into_inner() {
        come_about(context, proxmox_node, vmid, power).await?;
    }
    Ok(())
}

async fn come_about<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    vmid: Vmid,
    power: PowerState,
) -> Result<()> {
    let (wanted, still) = match power {
        PowerState::Running => ("start", "it is stopped"),
        PowerState::Stopped => ("stop", "it runs"),
    };
    let wanted = format!("high availability to {wanted} VM {vmid}");
    let proxmox = context.run.world.proxmox();
    let waited = context
        .wait_for(&wanted, LIMIT, || async {
            match proxmox.guest_status(proxmox_node, vmid).await? {
                Some(status) if status.power == power => Ok(Look::There(())),
                Some(_) => Ok(Look::NotYet(still.into())),
                None => {
                    let message = format!("VM {vmid} is no longer there: it was moved or deleted");
                    Err(Failure::new(Kind::Proxmox, message).at(proxmox_node))
                }
            }
        })
        .await;
    waited.map_err(|failure| match failure.kind {
        Kind::Deadline => failure.hint(format!(
            "as root on {proxmox_node}: `ha-manager status` says what its manager makes of vm:{vmid}"
        )),
        _ => failure,
    })
}
