//! Where the guests go: chosen among what Proxmox has, or typed.

use super::{network::nodes, number};
use crate::{
    adapter::proxmox::ProxmoxClient,
    commands::init::{
        Facts,
        conversation::Conversation,
        found::{Found, Site},
    },
    error::{Failure, Result},
    inventory::new::FIRST_VMID,
    ports::{ContentKind, ProxmoxError, StorageSummary},
};

/// VMIDs of templates, from here on: far from those of guests, which people count up.
const FIRST_TEMPLATE: u32 = 9000;

/// Everything that is a choice among what Proxmox has.
pub(super) async fn offered(
    talk: &Conversation,
    proxmox: &ProxmoxClient,
    facts: &mut Facts,
) -> Result<()> {
    let found = Found::look(proxmox).await?;
    if found.nodes.is_empty() {
        return Err(ProxmoxError::Local("it shows this token no node that is online".into()).into());
    }
    let gib = |bytes: u64| format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30));
    let offers: Vec<String> = found
        .nodes
        .iter()
        .map(|node| {
            let free = node.memory_bytes.saturating_sub(node.memory_used_bytes);
            format!("{} ({} CPUs, {} of memory free)", node.name, node.cpus, gib(free))
        })
        .collect();
    facts.proxmox_node = found.nodes[talk.choice("Proxmox node", &offers)?].name.clone();
    let site = Site::look(proxmox, &facts.proxmox_node).await?;
    let storage = |purpose: &str, content, current: &mut String| {
        let storages: Vec<&StorageSummary> = site.storages(content);
        if storages.is_empty() {
            talk.say(format_args!(
                "No storage that this token sees takes content `{}`: as root on {}: pvesm set STORAGE --content ...,{}",
                content.name(), facts.proxmox_node, content.name()
            ));
            *current = talk.line(&format!("Storage of {purpose}"), current, |_| None)?;
            return Ok::<_, Failure>(());
        }
        let offers: Vec<String> = storages
            .iter()
            .map(|storage| {
                format!(
                    "{} ({}, {} free)",
                    storage.name,
                    storage.kind,
                    gib(storage.available_bytes)
                )
            })
            .collect();
        let chosen = talk.choice(&format!("Storage of {purpose}"), &offers)?;
        *current = storages[chosen].name.clone();
        Ok(())
    };
    storage("the guests' disks", ContentKind::Images, &mut facts.storage)?;
    storage("the cloud image", ContentKind::Import, &mut facts.image_storage)?;
    storage("the seeds", ContentKind::Iso, &mut facts.seed_storage)?;
    if site.bridges.is_empty() {
        facts.bridge = talk.line("Bridge", &facts.bridge, |_| None)?;
    } else {
        let offers: Vec<String> = site
            .bridges
            .iter()
            .map(|bridge| match bridge.address {
                Some(address) => format!("{} ({address})", bridge.name),
                None => bridge.name.clone(),
            })
            .collect();
        let bridge = &site.bridges[talk.choice("Bridge", &offers)?];
        facts.bridge = bridge.name.clone();
        facts.network = bridge.address.map_or(facts.network, |address| address.trunc());
        facts.gateway = bridge.gateway.or(facts.gateway);
    }
    nodes(talk, facts)?;
    let count = u32::try_from(facts.servers.len() + facts.agents.len()).unwrap_or(u32::MAX);
    let first = found.free_vmids(proxmox, facts.vmid.unwrap_or(FIRST_VMID), count).await?;
    facts.vmid = Some(number(talk, &format!("First of {count} VMIDs in a row"), first)?);
    let template = found.free_vmids(proxmox, FIRST_TEMPLATE, 1).await?;
    facts.template = number(talk, "VMID of the template", template)?;
    Ok(())
}

/// The same without Proxmox's help.
pub(super) fn typed(talk: &Conversation, facts: &mut Facts) -> Result<()> {
    let any = |_: &str| None;
    facts.proxmox_node = talk.line("Proxmox node", &facts.proxmox_node, any)?;
    facts.storage = talk.line("Storage of the guests' disks", &facts.storage, any)?;
    facts.image_storage = talk.line("Storage of the cloud image", &facts.image_storage, any)?;
    facts.seed_storage = talk.line("Storage of the seeds", &facts.seed_storage, any)?;
    facts.bridge = talk.line("Bridge", &facts.bridge, any)?;
    nodes(talk, facts)?;
    facts.vmid = Some(number(talk, "First VMID", facts.vmid.unwrap_or(FIRST_VMID))?);
    facts.template = number(talk, "VMID of the template", facts.template)?;
    Ok(())
}
