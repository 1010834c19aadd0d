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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The places where a look at the world found a guest of ours, or a template that may be.
pub(super) fn ours(desired: &Desired, observed: &Observed) -> Vec<Place> {
    let is_ours = |place: &Place, tenant: &Tenant| match tenant {
        Tenant::Template => match observed.templates.get(&place.proxmox_node) {
            // What a dead run of ours began, and no task works on.
            Some(TemplateSight::Ready { .. } | TemplateSight::HalfMade { task: None, .. }) => true,
            // Another run, whose token may look at it, finds the lease there.
            Some(TemplateSight::Foreign(stranger)) => stranger.is_hidden(),
            _ => false,
        },
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
            let sight = observed.templates.get(&place.proxmox_node);
            matches!(sight, Some(TemplateSight::Foreign(stranger)) if !stranger.is_hidden())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{diff::tests::bare, observed::Stranger},
        stage::scripts::tests::desired,
    };

    fn vmids(places: Vec<Place>) -> Vec<u32> {
        places.into_iter().map(|place| place.vmid.0).collect()
    }

    #[test]
    fn every_run_looks_at_all_templates_first_and_then_at_the_guests_in_the_inventorys_order() {
        let mut desired = desired();
        let last = desired.nodes.keys().next_back().unwrap().clone();
        desired.nodes.get_mut(&last).unwrap().proxmox_node = "pve2".into();
        let guests = desired.nodes.values().map(|node| node.vmid.0);
        let expected: Vec<u32> = [9000, 9001].into_iter().chain(guests.clone()).collect();

        let mut observed = bare(&desired);
        assert_eq!(vmids(not_foreign(&desired, &observed)), expected);
        assert_eq!(vmids(ours(&desired, &observed)), Vec::<u32>::new());

        let ready = TemplateSight::Ready { image_sha256: String::new() };
        observed.templates.insert("pve2".into(), ready);
        let stranger = Stranger { name: Some("games".into()), ..Stranger::default() };
        observed.templates.insert("pve1".into(), TemplateSight::Foreign(stranger));
        assert_eq!(vmids(ours(&desired, &observed)), [9001]);
        assert_eq!(vmids(not_foreign(&desired, &observed)), expected[1..]);
        let hidden = Stranger::default();
        observed.templates.insert("pve1".into(), TemplateSight::Foreign(hidden));
        assert_eq!(vmids(ours(&desired, &observed)), [9000, 9001]);
        assert_eq!(vmids(not_foreign(&desired, &observed)), expected);
    }

    #[test]
    fn a_template_that_a_task_still_makes_is_no_place_yet() {
        let desired = desired();
        let mut observed = bare(&desired);
        let half = |task| TemplateSight::HalfMade { task, lock: None, template: false };
        observed.templates.insert("pve1".into(), half(None));
        assert_eq!(vmids(ours(&desired, &observed)), [9000]);
        let task = "UPID:pve1:000A:00B:65F00000:qmcreate:9000:root@pam:".parse().unwrap();
        observed.templates.insert("pve1".into(), half(Some(task)));
        assert_eq!(vmids(ours(&desired, &observed)), Vec::<u32>::new());
    }
}
