//! What the tables of a node say of its peers. In a cluster of hundreds each node has hundreds: peers are read
//! once, and found in each table by what it is sorted by.

use std::{collections::HashMap, net::IpAddr};

use super::tables::shown;
use crate::{
    plan::probe::{HardwareAddress, HostProbe},
    ports::KubeNode,
    stage::check::Finding,
};

pub(super) const RESTART: &str = "`systemctl restart k3s` (k3s-agent on agents) on the node makes Flannel enter them anew; if it comes back, see `journalctl -u homelab-guard` (TS-08)";

/// What the tables of the others should say of a node: read once, and looked for in each of them.
pub(super) struct Peer<'a> {
    pub(super) name: &'a str,
    /// The hardware address of its VTEP, from Flannel's annotation.
    mac: Option<HardwareAddress>,
    vtep: Option<IpAddr>,
    /// The address of its end of the overlay.
    end: Option<IpAddr>,
    network: Option<String>,
}

impl<'a> Peer<'a> {
    pub(super) fn of(node: &'a KubeNode) -> Self {
        let mac = || -> Option<HardwareAddress> {
            let data: serde_json::Value =
                serde_json::from_str(node.backend_data.as_deref()?).ok()?;
            data.get("VtepMAC")?.as_str()?.parse().ok()
        };
        Self {
            name: &node.name,
            mac: mac(),
            vtep: node.vtep,
            end: node.pod_cidr.map(|network| network.network()),
            network: node.pod_cidr.map(|network| network.to_string()),
        }
    }
}

/// Looks for a peer in one table; what is wrong, or nothing.
pub(super) type Look = fn(&Tables<'_>, &Peer<'_>) -> Option<String>;

/// A node's tables, by what is looked for.
pub(super) struct Tables<'a> {
    forwarding: HashMap<HardwareAddress, Vec<Option<IpAddr>>>,
    neighbours: HashMap<IpAddr, Option<HardwareAddress>>,
    /// By destination; the first one counts.
    routes: HashMap<&'a str, Option<&'a str>>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(probe: &'a HostProbe) -> Self {
        let mut tables =
            Self { forwarding: HashMap::new(), neighbours: HashMap::new(), routes: HashMap::new() };
        for entry in &probe.fdb {
            if let Some(mac) = entry.mac {
                tables.forwarding.entry(mac).or_default().push(entry.destination);
            }
        }
        for entry in &probe.neighbours {
            if let Some(end) = entry.destination {
                tables.neighbours.entry(end).or_insert(entry.mac);
            }
        }
        for route in &probe.routes {
            tables.routes.entry(&route.destination).or_insert(route.interface.as_deref());
        }
        tables
    }

    pub(super) fn forwarding(&self, peer: &Peer<'_>) -> Option<String> {
        let Some(mac) = peer.mac else {
            return Some("Flannel has not announced it".into());
        };
        let Some(found) = self.forwarding.get(&mac) else {
            return Some(format!("no entry for {mac}"));
        };
        if found.contains(&peer.vtep) && peer.vtep.is_some() {
            return None;
        }
        let other = found.first().copied().flatten();
        Some(format!("{mac} leads to {}, not {}", shown(other), shown(peer.vtep)))
    }

    pub(super) fn neighbour(&self, peer: &Peer<'_>) -> Option<String> {
        match peer.end.and_then(|end| self.neighbours.get(&end)) {
            Some(mac) if mac.is_some() && *mac == peer.mac => None,
            Some(mac) => {
                let mac = mac.map_or_else(|| "unknown".to_owned(), |mac| mac.to_string());
                Some(format!("{} is {mac}", shown(peer.end)))
            }
            None => Some(format!("no entry for {}", shown(peer.end))),
        }
    }

    pub(super) fn route(&self, peer: &Peer<'_>) -> Option<String> {
        let network = peer.network.as_deref()?;
        match self.routes.get(network) {
            Some(Some("flannel.1")) => None,
            Some(other) => Some(format!("{network} leads to {}", other.unwrap_or("nowhere"))),
            None => Some(format!("no route to {network}")),
        }
    }
}

pub(super) fn of_all<'a, 'b: 'a>(
    peers: impl Iterator<Item = &'a Peer<'b>>,
    look: impl Fn(&Peer<'b>) -> Option<String>,
) -> Finding {
    let mut count = 0;
    let mut wrong = Vec::new();
    for peer in peers {
        count += 1;
        wrong.extend(look(peer).map(|what| format!("{}: {what}", peer.name)));
    }
    if wrong.is_empty() {
        return Ok(match count {
            1 => "1 peer".into(),
            count => format!("{count} peers"),
        });
    }
    Err((wrong.join("; "), RESTART.into()))
}
