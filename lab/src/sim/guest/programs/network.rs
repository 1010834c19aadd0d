//! Interfaces, routes, forwarding entries, filters and pings.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::sim::guest::{Answer, Guest, state::State};

pub(super) fn call(guest: &Guest, program: &str, words: &[&str]) -> Answer {
    match (program, words) {
        ("ip", ["-json", "-details", "address", "show"]) => Answer::said(links(guest).to_string()),
        ("ip", ["-json", "-4", "route", "show"]) => Answer::said(routes(guest).to_string()),
        ("ip", ["-json", "-6", "route", "show"]) => {
            let state = guest.state();
            Answer::said(Value::Array(unreachable(&state, false)).to_string())
        }
        ("ip", ["-json", "neighbour", "show", "dev", "flannel.1"]) => neighbours(guest),
        ("bridge", ["-json", "fdb", "show", "dev", "flannel.1"]) => forwarding(guest),
        ("ip", ["-details", "link", "show", "dev", "tailscale0"]) => match &guest.state().tun {
            Some(tun) if tun.persistent => {
                Answer::said("    tun type tun pi off vnet_hdr on persist on\n")
            }
            Some(_) => Answer::said("    tun type tun pi off vnet_hdr on persist off\n"),
            None => Answer::failed(1, "Device \"tailscale0\" does not exist.\n"),
        },
        ("ip", ["-4", "-o", "address", "show", "dev", "tailscale0"]) => {
            match tailnet_address(guest) {
                Some(address) => Answer::said(format!(
                    "3: tailscale0    inet {address}/32 scope global tailscale0\\       valid_lft forever preferred_lft forever\n"
                )),
                None => Answer::default(),
            }
        }
        ("ip", ["link", "set", "dev", device, "mtu", mtu]) => set_mtu(guest, device, mtu),
        ("ip", _) => Answer::default(),
        ("nft", ["list", "table", "inet", table]) => {
            if guest.state().tables.contains(*table) {
                return Answer::said(format!("table inet {table} {{\n}}\n"));
            }
            Answer::failed(1, "Error: No such file or directory\n")
        }
        ("nft", _) => Answer::default(),
        ("ping", words) => ping(guest, words),
        _ => Answer::failed(1, format!("{program}: not simulated: {}\n", words.join(" "))),
    }
}

/// tailscaled gives the interface its address as long as it is logged in, and leaves it when it stops.
fn tailnet_address(guest: &Guest) -> Option<Ipv4Addr> {
    let id = {
        let state = guest.state();
        state.tun.as_ref()?;
        state.tailscale.device.clone()?
    };
    guest.surroundings().device(&id).map(|device| device.address)
}

fn address(local: &str, prefix: u8, scope: &str) -> Value {
    json!({ "family": "inet", "local": local, "prefixlen": prefix, "scope": scope })
}

fn links(guest: &Guest) -> Value {
    let tailnet = tailnet_address(guest);
    let state = guest.state();
    let mut links = vec![json!({
        "ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "mtu": 65536,
        "address": "00:00:00:00:00:00", "addr_info": [address("127.0.0.1", 8, "host")],
    })];
    if let Some(ethernet) = &state.ethernet {
        links.push(json!({
            "ifindex": 2, "ifname": "eth0", "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            "mtu": ethernet.mtu, "address": state.booted.mac,
            "addr_info": [address(&ethernet.address.to_string(), ethernet.prefix, "global")],
        }));
    }
    if let Some(tun) = &state.tun {
        let addresses: Vec<Value> =
            tailnet.iter().map(|own| address(&own.to_string(), 32, "global")).collect();
        links.push(json!({
            "ifindex": tun.index, "ifname": "tailscale0", "mtu": tun.mtu,
            "flags": ["POINTOPOINT", "MULTICAST", "NOARP", "UP", "LOWER_UP"],
            "linkinfo": { "info_kind": "tun", "info_data": { "type": "tun", "persist": tun.persistent } },
            "addr_info": addresses,
        }));
    }
    if let Some(flannel) = &state.flannel {
        links.push(json!({
            "ifindex": 90, "ifname": "flannel.1", "mtu": flannel.mtu, "address": flannel.mac,
            "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            "linkinfo": { "info_kind": "vxlan", "info_data": {
                "id": 1, "local": flannel.local, "link": flannel.below, "port": 8472,
            } },
            "addr_info": [address(&flannel.pods.network().to_string(), 32, "global")],
        }));
        links.push(json!({
            "ifindex": 91, "ifname": "cni0", "mtu": flannel.mtu,
            "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            "linkinfo": { "info_kind": "bridge" },
            "addr_info": [address(&first_host(flannel.pods).to_string(), 24, "global")],
        }));
    }
    Value::Array(links)
}

fn first_host(network: ipnet::Ipv4Net) -> Ipv4Addr {
    network.hosts().next().unwrap_or(network.network())
}

fn unreachable(state: &State, four: bool) -> Vec<Value> {
    let ours = state.unreachable.iter().filter(|prefix| prefix.addr().is_ipv4() == four);
    ours.map(|prefix| {
        json!({ "type": "unreachable", "dst": prefix.to_string(), "metric": 9999, "flags": [] })
    })
    .collect()
}

fn routes(guest: &Guest) -> Value {
    let name = guest.state().node_name.clone();
    let peers = guest.surroundings().peers(&name);
    let state = guest.state();
    let mut routes = unreachable(&state, true);
    if let Some(ethernet) = &state.ethernet {
        if let Some(gateway) = ethernet.gateway {
            routes
                .push(json!({ "dst": "default", "gateway": gateway, "dev": "eth0", "flags": [] }));
        }
        if let Ok(network) = ipnet::Ipv4Net::new(ethernet.address, ethernet.prefix) {
            routes.push(json!({ "dst": network.trunc().to_string(), "dev": "eth0", "flags": [] }));
        }
    }
    if state.flannel.is_some() {
        routes.extend(peers.iter().map(|peer| {
            json!({
                "dst": peer.pods.to_string(), "gateway": peer.pods.network(), "dev": "flannel.1",
                "flags": ["onlink"],
            })
        }));
    }
    Value::Array(routes)
}

/// Flannel enters every peer that the cluster has; an error where there is no VXLAN interface.
fn of_peers(guest: &Guest, entry: impl Fn(&super::super::surroundings::Peer) -> Value) -> Answer {
    let (name, there) = {
        let state = guest.state();
        (state.node_name.clone(), state.flannel.is_some())
    };
    if !there {
        return Answer::failed(1, "Cannot find device \"flannel.1\"\n");
    }
    let entries: Vec<Value> = guest.surroundings().peers(&name).iter().map(entry).collect();
    Answer::said(Value::Array(entries).to_string())
}

fn neighbours(guest: &Guest) -> Answer {
    of_peers(
        guest,
        |peer| json!({ "dst": peer.pods.network(), "lladdr": peer.vtep_mac, "state": ["PERMANENT"] }),
    )
}

fn forwarding(guest: &Guest) -> Answer {
    of_peers(
        guest,
        |peer| json!({ "mac": peer.vtep_mac, "dst": peer.vtep, "flags": ["self"], "state": "permanent" }),
    )
}

fn set_mtu(guest: &Guest, device: &str, mtu: &str) -> Answer {
    let Ok(mtu) = mtu.parse() else { return Answer::failed(1, "Error: argument is wrong\n") };
    let mut state = guest.state();
    match device {
        "tailscale0" => state.tun.as_mut().map(|tun| tun.mtu = mtu),
        "flannel.1" | "cni0" => state.flannel.as_mut().map(|flannel| flannel.mtu = mtu),
        _ => None,
    };
    match super::super::folder::links(guest.root(), &state) {
        Ok(()) => Answer::default(),
        Err(error) => Answer::failed(2, format!("{error}\n")),
    }
}

/// `ping ... -s SIZE ADDRESS`: whether a packet of that size gets there whole.
fn ping(guest: &Guest, words: &[&str]) -> Answer {
    let Some(target) = words.last().and_then(|word| word.parse::<Ipv4Addr>().ok()) else {
        return Answer::failed(2, "ping: usage error: Destination address required\n");
    };
    let size: u32 = words
        .iter()
        .position(|word| *word == "-s")
        .and_then(|at| words.get(at + 1)?.parse().ok())
        .unwrap_or(56);
    let mtu = {
        let state = guest.state();
        let lan = state.ethernet.as_ref().filter(|ethernet| {
            ipnet::Ipv4Net::new(ethernet.address, ethernet.prefix)
                .is_ok_and(|lan| lan.contains(&target))
        });
        // What is neither of the LAN nor of the tailnet goes by the overlay, where there is one.
        match (lan, &state.tun, &state.flannel) {
            (Some(ethernet), ..) => Some(ethernet.mtu),
            (None, Some(tun), _) if target.octets()[0] == 100 => Some(tun.mtu),
            (None, _, Some(flannel)) => Some(flannel.mtu),
            (None, ..) => state.ethernet.as_ref().map(|ethernet| ethernet.mtu),
        }
    };
    match mtu {
        None => Answer::failed(2, "ping: connect: Network is unreachable\n"),
        Some(mtu) if size + 28 > mtu => {
            Answer::failed(1, format!("ping: local error: message too long, mtu={mtu}\n"))
        }
        Some(_) if guest.surroundings().answers(target) => {
            Answer::said("3 packets transmitted, 3 received, 0% packet loss, time 401ms\n")
        }
        Some(_) => Answer {
            status: 1,
            stdout: "3 packets transmitted, 0 received, 100% packet loss, time 401ms\n".into(),
            ..Answer::default()
        },
    }
}
