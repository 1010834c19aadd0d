//! Power on, and off and on again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{drain, power, proved, seed};
use crate::{
    engine::{Look, StepContext, run::BOOT_LIMIT},
    error::{Effect, Failure, Kind, Result},
    model::NodeName,
    plan::{guest, observed::Machine},
    ports::{Host, PowerState, Proxmox, World},
    stage::Outcome,
};

const START_LIMIT: Duration = Duration::from_secs(180);
const SHUTDOWN_SECONDS: u32 = 120;

/// Starts a guest that is stopped.
pub async fn start<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let proxmox = context.run.world.proxmox();
    let mut last = None;
    for _ in 0..3 {
        let machine = proved(context, node).await?;
        if machine.power == PowerState::Running {
            return Ok(Outcome::Done);
        }
        let place = (&*machine.proxmox_node, machine.vmid);
        let started = power::switch(context, place, PowerState::Running, START_LIMIT, || {
            proxmox.start(&machine.proxmox_node, machine.vmid)
        })
        .await;
        match started {
            Ok(()) => return Ok(Outcome::Done),
            Err(failure)
                if failure.effect == Effect::Unknown
                    || failure.message.contains("already running") =>
            {
                last = Some(failure);
            }
            Err(failure) => return Err(explained(context, node, &machine, failure).await),
        }
    }
    // Nobody knows what became of the last request but the guest itself.
    match (proved(context, node).await?.power, last) {
        (PowerState::Stopped, Some(failure)) => Err(failure.at(node)),
        _ => Ok(Outcome::Done),
    }
}

/// A start that failed for its seed, which Proxmox tells as a volume that does not exist.
async fn explained<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    machine: &Machine,
    failure: Failure,
) -> Failure {
    let Some(seed) = guest::awaited_seed(&context.run.desired, node, machine) else {
        return failure;
    };
    // A look that fails explains nothing.
    match seed::is_there(context, node, &machine.marker.nonce).await {
        Ok(false) => {
            let message = format!(
                "its seed {seed} was taken off the storage before it started for the first time"
            );
            Failure::new(failure.kind, message)
                .at(node)
                .effect(failure.effect)
                .because(failure)
                .hint("the next `homelab up` makes the seed anew, and starts it")
        }
        _ => failure,
    }
}

/// Drains the node if it is one of Kubernetes', lets Proxmox reboot the guest, and waits until it is
/// back on a new boot and Ready. What was cordoned here is uncordoned here.
pub async fn restart<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let machine = proved(context, node).await?;
    let before = context.run.probe(node).await.ok();
    let former = before.as_ref().and_then(|probe| probe.boot_id.clone());
    let member = drain::empty(context, node).await?;
    context.run.forget_host(node).await;
    let proxmox = context.run.world.proxmox();
    let limit = Duration::from_secs(u64::from(SHUTDOWN_SECONDS)) + START_LIMIT;
    context
        .task(limit, || async {
            proxmox.reboot(&machine.proxmox_node, machine.vmid, SHUTDOWN_SECONDS).await.map(Some)
        })
        .await?;
    let boot = context
        .wait_for("SSH after the reboot", BOOT_LIMIT, || async {
            context.run.forget_host(node).await;
            match context.run.probe(node).await {
                Ok(probe) if probe.boot_id.is_some() && probe.boot_id != former => {
                    Ok(Look::There(probe.boot_id.unwrap_or_default()))
                }
                Ok(_) => Ok(Look::NotYet("still the boot before".into())),
                Err(failure) if matches!(failure.kind, Kind::Unreachable | Kind::Ssh) => {
                    Ok(Look::NotYet(failure.message))
                }
                Err(failure) => Err(failure),
            }
        })
        .await?;
    match member {
        Some(member) => drain::refill(context, node, &member, before.as_ref(), &boot).await,
        None => Ok(()),
    }
}

/// Waits until SSH answers with a key that we know, and says so where it had to wait.
pub(super) async fn await_contact<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<crate::ports::HostOf<W>> {
    let waited = AtomicBool::new(false);
    context
        .wait_for("SSH with the known host key", BOOT_LIMIT, || async {
            match context.run.host(node).await {
                Ok(host) => {
                    if waited.load(Ordering::Relaxed) {
                        context.output(format!("SSH answers at {}", host.address()));
                    }
                    Ok(Look::There(host))
                }
                // A refused key or login does not heal by waiting (CI-11), but sshd may start before
                // cloud-init has put our keys in place.
                Err(failure) if matches!(failure.kind, Kind::Unreachable | Kind::Ssh) => {
                    waited.store(true, Ordering::Relaxed);
                    Ok(Look::NotYet(failure.message))
                }
                Err(failure) => Err(failure),
            }
        })
        .await
}
