//! Addresses and networks.

use std::{cell::OnceCell, collections::BTreeSet, net::Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::claims::{self, Claims};
use crate::inventory::{file::InventoryFile, path::FieldPath, report::Report};

pub(super) fn check(file: &InventoryFile, claims: &Claims, report: &mut Report<'_>) {
    let networks = networks(file);
    for (path, network, _) in &networks {
        if network.trunc() != *network {
            report.fault(
                path,
                format!("{network} has bits set beyond its prefix"),
                format!("write `{}`", network.trunc()),
            );
        }
    }
    disjoint(&networks, report);
    lan(file, report);
    addresses(file, claims, report);
    cluster_ranges(file, report);
}

/// Every network of the inventory: where it stands, and what it is called.
fn networks(file: &InventoryFile) -> Vec<(FieldPath, IpNet, &'static str)> {
    let mut networks = vec![
        (FieldPath::dotted("network.cidr"), file.network.cidr.into(), "the LAN"),
        (FieldPath::dotted("k3s.cluster_cidr"), file.k3s.cluster_cidr.into(), "the pods' network"),
        (
            FieldPath::dotted("k3s.service_cidr"),
            file.k3s.service_cidr.into(),
            "the services' network",
        ),
    ];
    let prefixes = FieldPath::dotted("tailnet.prefixes");
    for (index, prefix) in file.tailnet.prefixes.iter().enumerate() {
        networks.push((prefixes.index(index), *prefix, "the tailnet"));
    }
    networks
}

fn disjoint(networks: &[(FieldPath, IpNet, &'static str)], report: &mut Report<'_>) {
    for (index, (path, network, name)) in networks.iter().enumerate() {
        for (other_path, other, other_name) in &networks[..index] {
            let overlap = network.contains(&other.network()) || other.contains(&network.network());
            if !overlap {
                continue;
            }
            // What is not written can't be pointed at: the default gives way to the other.
            let (at, theirs) =
                if report.is_written(path) { (path, other_path) } else { (other_path, path) };
            let line = match report.is_written(theirs) {
                true => format!(" (line {})", report.line(theirs)),
                false => String::new(),
            };
            let (first, second) = if at == path {
                (format!("{name}, {network},"), format!("{other_name}, {other}{line}"))
            } else {
                (format!("{other_name}, {other},"), format!("{name}, {network}{line}"))
            };
            report.fault(at, format!("{first} overlaps {second}"), None);
        }
    }
}

fn lan(file: &InventoryFile, report: &mut Report<'_>) {
    let lan = file.network.cidr.trunc();
    let cidr = FieldPath::dotted("network.cidr");
    if lan.prefix_len() > 30 {
        report.fault(&cidr, format!("{lan} has no room for guests"), None);
        return;
    }
    let gateway = file.network.gateway;
    let path = FieldPath::dotted("network.gateway");
    if let Some(why) = unusable(lan, gateway) {
        report.fault(&path, format!("the gateway {gateway} {why}"), None);
    }
}

/// Why an address can't be a host's in a network.
fn unusable(network: Ipv4Net, address: Ipv4Addr) -> Option<String> {
    if !network.contains(&address) {
        Some(format!("is not in the LAN {network}"))
    } else if address == network.network() {
        Some(format!("is the address of the network {network} itself"))
    } else if address == network.broadcast() {
        Some(format!("is the broadcast address of {network}"))
    } else {
        None
    }
}

pub(super) fn clashes(claims: &Claims, file: Option<&InventoryFile>, report: &mut Report<'_>) {
    let free = || file.and_then(|file| free_address(file, claims));
    claims::clashes(&claims.addresses, "", free, report);
}

fn addresses(file: &InventoryFile, claims: &Claims, report: &mut Report<'_>) {
    let lan = file.network.cidr.trunc();
    // The same for all, and looked for among all.
    let free = OnceCell::new();
    for claim in &claims.addresses {
        let (path, address) = (&claim.path, claim.value);
        if let Some(why) = unusable(lan, address) {
            let free = free.get_or_init(|| free_address(file, claims));
            report.fault_of_sound(
                path,
                format!("{address} {why}"),
                free.map(|free| format!("{free} is free in this inventory")),
            );
        } else if address == file.network.gateway {
            report.fault_of_sound(path, format!("{address} is the gateway's"), None);
        } else if file.network.nameservers.contains(&address.into()) {
            report.fault_of_sound(path, format!("{address} is a nameserver's"), None);
        }
    }
}

fn free_address(file: &InventoryFile, claims: &Claims) -> Option<Ipv4Addr> {
    let lan = file.network.cidr.trunc();
    let claimed: BTreeSet<Ipv4Addr> = claims.addresses.iter().map(|claim| claim.value).collect();
    let taken = |address: &Ipv4Addr| {
        *address == file.network.gateway
            || file.network.nameservers.contains(&(*address).into())
            || claimed.contains(address)
    };
    // Near the others, where a person would look.
    let near = claimed.iter().find(|one| lan.contains(*one));
    lan.hosts().skip_while(|host| near.is_some_and(|near| host < near)).find(|host| !taken(host))
}

/// What Kubernetes itself asks of its ranges.
fn cluster_ranges(file: &InventoryFile, report: &mut Report<'_>) {
    let pods = file.k3s.cluster_cidr;
    let path = FieldPath::dotted("k3s.cluster_cidr");
    // Each node takes a /24 of the pods' network.
    let room = 1_u64.checked_shl(24_u32.saturating_sub(pods.prefix_len().into())).unwrap_or(0);
    if pods.prefix_len() > 24 || room < file.nodes.len() as u64 {
        let room = if pods.prefix_len() > 24 { 0 } else { room };
        report.fault(
            &path,
            format!(
                "{pods} has room for {room} nodes, each taking a /24; there are {}",
                file.nodes.len()
            ),
            None,
        );
    }
    let services = file.k3s.service_cidr;
    let path = FieldPath::dotted("k3s.service_cidr");
    if !(12..=28).contains(&services.prefix_len()) {
        report.fault(
            &path,
            format!("{services}: the services' network has a prefix from 12 to 28"),
            "Kubernetes takes at most 20 bits, and cluster DNS is the tenth address".to_owned(),
        );
    }
}
