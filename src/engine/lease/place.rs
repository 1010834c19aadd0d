//! Where the lease may stand, and what is seen there.

use crate::{
    engine::Run,
    error::{Failure, Result},
    inventory::Desired,
    model::{Marker, NodeName, Vmid},
    plan::{
        Observed,
        diff::template_vmid,
        observed::{MachineSight, TemplateSight},
    },
    ports::{GuestConfig, Proxmox, ProxmoxError, World},
};

/// A guest whose description holds the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub proxmox_node: String,
    pub vmid: Vmid,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VMID {} on {}", self.vmid, self.proxmox_node)
    }
}

/// Whose guest is to be found at a place.
enum Tenant {
    Template,
    Node(NodeName),
}

/// Every place where the lease may stand, in the one order in which every run looks: whoever looks at the
/// same world finds the lease in the same guest.
fn order(desired: &Desired) -> impl Iterator<Item = (Place, Tenant)> {
    let templates = desired.proxmox_nodes().into_iter().map(|proxmox_node| {
        let vmid = template_vmid(desired, &proxmox_node);
        (Place { proxmox_node, vmid }, Tenant::Template)
    });
    let guests = desired.nodes.iter().map(|(name, node)| {
        let place = Place { proxmox_node: node.proxmox_node.clone(), vmid: node.vmid };
        (place, Tenant::Node(name.clone()))
    });
    templates.chain(guests)
}

/// The places where a look at the world found a guest of ours.
pub(super) fn ours(desired: &Desired, observed: &Observed) -> Vec<Place> {
    let is_ours = |place: &Place, tenant: &Tenant| match tenant {
        Tenant::Template => matches!(
            observed.templates.get(&place.proxmox_node),
            // What a dead run of ours began, and no task works on.
            Some(TemplateSight::Ready { .. } | TemplateSight::HalfMade { task: None, .. })
        ),
        Tenant::Node(name) => matches!(observed.machines.get(name), Some(MachineSight::Ours(_))),
    };
    order(desired)
        .filter(|(place, tenant)| is_ours(place, tenant))
        .map(|(place, _)| place)
        .collect()
}

/// The places where the lease may come to stand in a run's course: all but those that were somebody
/// else's when it began.
pub(super) fn not_foreign(desired: &Desired, observed: &Observed) -> Vec<Place> {
    let is_foreign = |place: &Place, tenant: &Tenant| match tenant {
        Tenant::Template => {
            matches!(observed.templates.get(&place.proxmox_node), Some(TemplateSight::Foreign(_)))
        }
        Tenant::Node(name) => matches!(observed.machines.get(name), Some(MachineSight::Foreign(_))),
    };
    order(desired)
        .filter(|(place, tenant)| !is_foreign(place, tenant))
        .map(|(place, _)| place)
        .collect()
}

/// What a look at a place shows.
pub(super) enum Sight {
    /// A guest of ours.
    Ours(GuestConfig),
    /// No guest, or one that is not ours.
    Gone,
    /// There is one, and the token may not look at it, now or ever: Proxmox's words. Nothing follows from
    /// it, least of all that the lease is not there.
    Hidden(String),
}

pub(super) async fn look<W: World>(run: &Run<W>, place: &Place) -> Result<Sight> {
    match run.world.proxmox().guest_config(&place.proxmox_node, place.vmid).await {
        Ok(Some(config)) => {
            let marker = config.get("description").and_then(Marker::find);
            let ours = marker.is_some_and(|marker| marker.cluster == run.desired.id);
            Ok(if ours { Sight::Ours(config) } else { Sight::Gone })
        }
        Ok(None) => Ok(Sight::Gone),
        Err(ProxmoxError::Forbidden(message)) => Ok(Sight::Hidden(message)),
        Err(error) => Err(Failure::from(error).at(place)),
    }
}
