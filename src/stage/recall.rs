//! Which device a node has that the inventory no longer names and the journal does not know: its Node object tells.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    engine::StepContext,
    error::Result,
    journal::{Record, record::DeviceIdentity},
    model::NodeName,
    ports::{Cluster, Device, KubeNode, World},
    stage::tailnet::twins,
};

/// Puts the device on record, so that it is taken away before its guest is. Where nothing tells it, a person hears of
/// those that are called like the node, which stay.
///
/// # Errors
/// Where the tailnet can't be asked, or, of a `member`, the cluster: without its guest nobody would know of the device
/// any more.
pub(super) async fn device<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    member: bool,
) -> Result<()> {
    let run = &context.run;
    let memory = run.memory();
    if !twins::Record::remembered(&memory, node).is_empty() {
        return Ok(());
    }
    let devices = run.devices().await?;
    let tag = &run.desired.tailnet.tag;
    let seen = if member { run.cluster().await?.node(node).await? } else { None };
    let uuid = run.desired.id.smbios_uuid(node).to_string();
    // That of another node, whose address is on record, is not given away by what a Node object says.
    let others: Vec<Ipv4Addr> = memory.devices.values().map(|device| device.ipv4).collect();
    let device = seen.and_then(|seen| device_of(&seen, &uuid, &devices, tag).cloned());
    let device = device.filter(|device| !device.ipv4.is_some_and(|it| others.contains(&it)));
    if let Some(Device { node_id, name, ipv4: Some(ipv4), .. }) = device {
        context.output(format!("its Node object tells which device it is: {name} at {ipv4}"));
        let device = DeviceIdentity { node_id, ipv4 };
        return context.record(&Record::DeviceJoined { node: node.clone(), device });
    }
    for namesake in twins::find(&devices, node, tag, &twins::Record::default()).foreign {
        context.warn(format!(
            "the device {} stays in the tailnet: nothing proves that it was this node's; delete it yourself if it was",
            namesake.name
        ));
    }
    Ok(())
}

/// The device with our tag at the address of a Node object, where that is the machine's of this SMBIOS UUID and the
/// host calls itself like the node: an address may have been given to another one since.
fn device_of<'a>(
    seen: &KubeNode,
    uuid: &str,
    devices: &'a [Device],
    tag: &str,
) -> Option<&'a Device> {
    if !seen.system_uuid.eq_ignore_ascii_case(uuid) {
        return None;
    }
    let Some(IpAddr::V4(address)) = seen.internal_ip else { return None };
    let is_it = |device: &&Device| {
        device.ipv4 == Some(address)
            && device.hostname == seen.name
            && device.tags.iter().any(|known| known == tag)
    };
    devices.iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "11111111-2222-5333-8444-555555555555";

    fn device(address: [u8; 4], tag: &str) -> Device {
        Device {
            id: "7".into(),
            node_id: "7".into(),
            hostname: "agent-1".into(),
            name: "agent-1".into(),
            ipv4: Some(address.into()),
            ipv6: None,
            tags: vec![tag.into()],
            online: Some(true),
            last_seen: None,
            key_expiry: None,
            ephemeral: false,
            auth_key: None,
        }
    }

    #[test]
    fn the_device_at_the_address_of_our_machines_node_object_is_the_nodes() {
        let seen = KubeNode {
            name: "agent-1".into(),
            system_uuid: UUID.to_uppercase(),
            internal_ip: Some(IpAddr::from([100, 64, 0, 3])),
            ..KubeNode::default()
        };
        let ours = [device([100, 64, 0, 2], "tag:k3s"), device([100, 64, 0, 3], "tag:k3s")];
        assert_eq!(device_of(&seen, UUID, &ours, "tag:k3s"), Some(&ours[1]));
        let theirs = [device([100, 64, 0, 3], "tag:theirs")];
        assert_eq!(device_of(&seen, UUID, &theirs, "tag:k3s"), None);
        let given_on = [Device { hostname: "agent-2".into(), ..ours[1].clone() }];
        assert_eq!(device_of(&seen, UUID, &given_on, "tag:k3s"), None);
        let another = KubeNode { system_uuid: UUID.replace('1', "2"), ..seen };
        assert_eq!(device_of(&another, UUID, &ours, "tag:k3s"), None);
    }
}
