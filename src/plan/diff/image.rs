//! The image stage: a template, for as long as a machine is still to be made from it.

use super::Refusal;
use crate::{
    inventory::Desired,
    model::Vmid,
    plan::{
        observed::{MachineSight, Observed, TemplateSight},
        step::{Change, Impact, Plan, Step, StepId},
    },
};

pub(super) fn image(
    desired: &Desired,
    observed: &Observed,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let mut first = None;
    for (proxmox_node, sight) in &observed.templates {
        let vmid = template_vmid(desired, proxmox_node);
        // A template is only needed for as long as a machine is still to be made from it.
        let needed = desired.nodes.values().any(|node| {
            node.proxmox_node == *proxmox_node
                && !matches!(observed.machines.get(&node.name), Some(MachineSight::Ours(_)))
        });
        let wanted = &desired.image.artifact.sha256;
        let reason = match sight {
            TemplateSight::Ready { image_sha256 } if image_sha256 == wanted => continue,
            TemplateSight::Ready { image_sha256 } => {
                if needed {
                    refusals.push(Refusal::new(
                        format!("VMID {vmid} on {proxmox_node}"),
                        format!(
                            "the template was made from image {}, the inventory pins {}",
                            // A person may have edited it: it need not be a hash any more.
                            image_sha256.chars().take(12).collect::<String>(),
                            wanted.chars().take(12).collect::<String>()
                        ),
                        "give the new image a template VMID of its own (`image.template`); linked and full clones of the old one stay as they are",
                    ));
                }
                continue;
            }
            TemplateSight::Foreign(stranger) => {
                if needed {
                    refusals.push(Refusal::new(
                        format!("template on {proxmox_node}"),
                        format!("VMID {vmid} is taken by {stranger}"),
                        "choose another `image.template`: the templates count up from it, one for each Proxmox node in the order of their names",
                    ));
                }
                continue;
            }
            TemplateSight::Absent => "there is no template",
            TemplateSight::HalfMade { .. } => "the template was begun and not finished",
        };
        if !needed {
            continue;
        }
        let node = proxmox_node.clone();
        let fetch = plan.add(
            Step::new(Change::FetchImage { proxmox_node: node.clone() }, Impact::Create, reason),
            &[],
        );
        // The first one made holds the lease; the others wait, so that two operators cannot each win one.
        let needs: Vec<StepId> = [fetch].into_iter().chain(first.clone()).collect();
        let made = plan.add(
            Step::new(Change::MakeTemplate { proxmox_node: node, vmid }, Impact::Create, reason),
            &needs,
        );
        first.get_or_insert(made);
    }
}

/// The VMID of the template on a Proxmox node: they count up in the order of the Proxmox nodes' names, which stays the
/// same whatever order the inventory has.
pub fn template_vmid(desired: &Desired, proxmox_node: &str) -> Vmid {
    let index = desired.template_index(proxmox_node).unwrap_or_default();
    let offset = u32::try_from(index).unwrap_or_default();
    Vmid(desired.image.template.0 + offset)
}
