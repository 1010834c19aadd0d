//! Hardware, seed and disks.

use std::time::Duration;

use super::{
    edit::{is_stale, is_to_be_looked_at},
    proved,
    reseed::seeded,
    restart,
};
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Kind, Result},
    model::NodeName,
    plan::{
        guest::{self, DiskChange, KeyChange, Reach, SEED_DRIVE},
        observed::Machine,
    },
    ports::{PowerState, Proxmox, World},
    stage::Outcome,
};

const RESIZE_LIMIT: Duration = Duration::from_secs(300);

/// Brings the configuration to what is wanted. A guest that runs and must take something up is drained
/// and rebooted by Proxmox, which is how pending changes are applied.
///
/// # Errors
/// When something waits for a reboot that the plan (`may_reboot`) did not tell of.
pub async fn configure<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    may_reboot: bool,
) -> Result<Outcome> {
    let wanted = &context.run.desired.nodes[node];
    let mut changed = false;
    let mut last = None;
    let mut machine = proved(context, node).await?;
    for _ in 0..4 {
        context.still_wanted()?;
        let keys = guest::changed_keys(&context.run.desired, wanted, &machine.config);
        if keys.is_empty() {
            break;
        }
        match set_keys(context, node, &machine, &keys).await {
            Ok(()) => changed = true,
            // Somebody else changed it since, or the reply was lost: look again.
            Err(failure) if is_to_be_looked_at(&failure) => {
                context.output(format!("looking whether it happened: {failure}"));
                last = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
        machine = proved(context, node).await?;
    }
    if guest::awaited_seed(&context.run.desired, node, &machine).is_some() {
        // Its configuration names the volume: where that is gone, Proxmox would not start it.
        let (seen, made) = seeded(context, node).await?;
        changed |= made;
        machine = seen;
    }
    for _ in 0..3 {
        context.still_wanted()?;
        let disks = guest::changed_disks(wanted, &machine.config);
        if disks.is_empty() {
            break;
        }
        for disk in disks {
            match grow(context, node, &machine, &disk).await {
                Ok(()) => changed = true,
                // Sent, and the reply lost: look again. Sizes are absolute.
                Err(failure) if failure.effect == Effect::Unknown => {
                    context.output(format!("looking whether it happened: {failure}"));
                }
                // The disk before it changed the configuration, or somebody did: look again.
                Err(failure) if is_stale(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        machine = proved(context, node).await?;
    }
    if let Some(disk) = guest::changed_disks(wanted, &machine.config).first() {
        return Err(Failure::new(
            Kind::Proxmox,
            format!(
                "{} stays at {} bytes, wanted {}",
                disk.disk,
                disk.seen_bytes.unwrap_or_default(),
                disk.wanted_bytes
            ),
        )
        .at(node)
        // A request that nobody answered may still arrive.
        .effect(Effect::Unknown));
    }
    if machine.power == PowerState::Running {
        let pending = guest::waiting_for_reboot(&machine.pending);
        if !pending.is_empty() && !may_reboot {
            return Err(Failure::new(
                Kind::Refused,
                format!("{} wait for a reboot, which the plan did not tell of", pending.join(", ")),
            )
            .at(node)
            .effect(Effect::Partial)
            .hint("run `homelab up` again: it plans the reboot"));
        }
        if !pending.is_empty() {
            let verb = if pending.len() == 1 { "takes" } else { "take" };
            context.output(format!("{} {verb} effect at a reboot", pending.join(", ")));
            restart(context, node).await?;
            changed = true;
            machine = proved(context, node).await?;
        }
    }
    let left = guest::changed_keys(&context.run.desired, wanted, &machine.config);
    if let Some(key) = left.first() {
        let seen = key.seen.as_deref().unwrap_or("unset");
        let failure =
            Failure::new(Kind::Proxmox, format!("{} stays {seen}, wanted {}", key.key, key.value));
        let failure = match last {
            Some(last) => failure.because(last),
            None => failure.hint("somebody else changes it at the same time"),
        };
        return Err(failure.at(node).effect(Effect::Unknown));
    }
    Ok(if changed { Outcome::Done } else { Outcome::Unchanged("configured already".into()) })
}

async fn set_keys<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    machine: &Machine,
    keys: &[KeyChange],
) -> Result<()> {
    let mut set: Vec<(String, String)> =
        keys.iter().map(|change| (change.key.to_owned(), change.value.clone())).collect();
    let mut digest = machine.config.digest.clone();
    // The UUID is set together with the seed's drive and never changes: a guest without it was never
    // configured, and so never ran.
    let fresh = keys.iter().any(|change| change.key == "smbios1");
    if fresh {
        if machine.power == PowerState::Running {
            return Err(Failure::new(
                Kind::Refused,
                "it runs with an SMBIOS UUID that is not its own: a person changed it",
            )
            .at(node));
        }
        let (seen, _) = seeded(context, node).await?;
        digest = seen.config.digest;
        let volume = guest::seed_of(&context.run.desired, node, &seen.marker.nonce);
        set.push((SEED_DRIVE.to_owned(), format!("{volume},media=cdrom")));
        set.push(("boot".to_owned(), format!("order={}", guest::BOOT_DISK)));
    } else if keys.iter().all(|change| change.reach == Reach::InPlace) {
        context.output("changed in place");
    }
    configured(context, machine, &set, &digest).await
}

/// Sets keys at once, when nobody else works on the guest any more.
async fn configured<W: World>(
    context: &StepContext<W>,
    machine: &Machine,
    set: &[(String, String)],
    digest: &str,
) -> Result<()> {
    let proxmox = context.run.world.proxmox();
    context
        .past_locks(async || {
            context.still_wanted()?;
            let (node, vmid) = (&machine.proxmox_node, machine.vmid);
            Ok(proxmox.configure(node, vmid, set, &[], Some(digest)).await?)
        })
        .await
}

async fn grow<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    machine: &Machine,
    disk: &DiskChange,
) -> Result<()> {
    let proxmox = context.run.world.proxmox();
    if disk.seen_bytes.is_none() {
        let wanted = &context.run.desired.nodes[node];
        let gibibytes = disk.wanted_bytes.div_ceil(1 << 30);
        let value = format!("{}:{gibibytes},discard=on,ssd=1", wanted.storage_disk_storage);
        let set = [(disk.disk.to_owned(), value)];
        return configured(context, machine, &set, &machine.config.digest).await;
    }
    context
        .task(RESIZE_LIMIT, || {
            // Absolute, so that a lost reply may be answered by asking again (PVE-17).
            proxmox.resize_disk(&machine.proxmox_node, machine.vmid, disk.disk, disk.wanted_bytes)
        })
        .await
}
