//! Edits of a guest's configuration that stand up to everybody else's: to the lease of this very run, to
//! a person's notes, and to a lost reply.

use super::proved;
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Result},
    model::{Marker, NodeName},
    plan::observed::Machine,
    ports::{ProxmoxError, World, says_changed},
};

/// Looks and writes; more than a few say that something writes there all the time.
const TURNS: usize = 5;

/// Sets what `wanted` makes of the guest as it stands, unless that is nothing.
pub(super) async fn edit<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    wanted: impl Fn(&Machine) -> Option<(String, String)> + Send,
) -> Result<()> {
    let mut turn = 1;
    loop {
        let machine = proved(context, node).await?;
        let Some(pair) = wanted(&machine) else { return Ok(()) };
        let set = [pair];
        let written = context
            .past_locks(|| {
                let digest = &machine.config.digest;
                context.run.describe(&machine.proxmox_node, machine.vmid, &set, digest)
            })
            .await;
        match written {
            Ok(()) => return Ok(()),
            Err(failure) if is_to_be_looked_at(&failure) && turn < TURNS => turn += 1,
            Err(failure) => return Err(failure.at(node)),
        }
    }
}

/// Makes the marker what `wanted` makes of it; everything that a person wrote beside it stays.
pub(super) async fn mark<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    wanted: impl Fn(&Marker) -> Marker + Send + Sync,
) -> Result<()> {
    edit(context, node, |machine| {
        let marker = wanted(&machine.marker);
        let notes = machine.config.get("description").unwrap_or_default();
        (marker != machine.marker).then(|| ("description".to_owned(), marker.written_into(notes)))
    })
    .await
}

/// Whether a failure says only that the world must be looked at again: somebody else wrote in between, or
/// the reply was lost.
pub(super) fn is_to_be_looked_at(failure: &Failure) -> bool {
    failure.effect == Effect::Unknown || is_stale(failure)
}

/// Whether the configuration was changed since it was read: said by a call, or by a task.
pub(super) fn is_stale(failure: &Failure) -> bool {
    let by_a_call = failure.source.as_deref().and_then(|source| source.downcast_ref());
    matches!(by_a_call, Some(ProxmoxError::Changed { .. })) || says_changed(&failure.message)
}
