//! A seed that vanished before its guest's first boot is made anew.

use super::{
    edit::{is_to_be_looked_at, mark},
    proved, seed,
};
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Kind, Result},
    journal::{Record, record::Making},
    model::{Marker, NodeName},
    plan::{guest, observed::Machine},
    ports::World,
    seed::HostKey,
};

/// Looks and uploads, until the seed lies there.
const TURNS: usize = 5;

/// Sees to it that the seed which a guest's marker names lies on the storage; where it does not, it is
/// made anew under its own name, with one new host key for as many turns as that takes. Gives the guest
/// as it is then, and whether a seed was made.
pub(super) async fn seeded<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<(Machine, bool)> {
    let mut made: Option<HostKey> = None;
    let mut last = None;
    for _ in 0..TURNS {
        context.still_wanted()?;
        let machine = proved(context, node).await?;
        if seed::is_there(context, node, &machine.marker.nonce).await? {
            return Ok((machine, made.is_some()));
        }
        let host_key = match made.take() {
            Some(host_key) => host_key,
            None => HostKey::generate()?,
        };
        let host_key = made.insert(host_key);
        match make(context, node, &machine, host_key).await {
            Ok(()) => {}
            Err(failure) if is_to_be_looked_at(&failure) => {
                context.output(format!("looking whether its seed is there: {failure}"));
                last = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    let vanishing =
        || Failure::new(Kind::Proxmox, "its seed was uploaded and is not on the storage");
    Err(last.unwrap_or_else(vanishing).at(node).effect(Effect::Partial))
}

/// The former key was in the former seed alone. A guest that did boot from it keeps that key, so that
/// both are known; and the marker knows the new one before the seed lies there, whoever dies in between.
async fn make<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    machine: &Machine,
    host_key: &HostKey,
) -> Result<()> {
    let nonce = &machine.marker.nonce;
    let making = Making {
        proxmox_node: machine.proxmox_node.clone(),
        vmid: machine.vmid,
        nonce: nonce.clone(),
        host_key: host_key.public.clone(),
        seed: guest::seed_of(&context.run.desired, node, nonce),
    };
    context.record(&Record::GuestIntended { node: node.clone(), making })?;
    mark(context, node, |marker| {
        let mut host_keys = marker.host_keys.clone();
        if !host_keys.contains(&host_key.public) {
            host_keys.insert(0, host_key.public.clone());
        }
        Marker { host_keys, ..marker.clone() }
    })
    .await?;
    context.record(&Record::GuestMade { node: node.clone() })?;
    seed::upload(context, node, nonce, host_key).await
}
