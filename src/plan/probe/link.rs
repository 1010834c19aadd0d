//! Interfaces, routes, forwarding entries and neighbours, as iproute2 prints them with `-json`.

use std::net::IpAddr;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{tolerant, tolerant_list};

/// An interface, from `ip -json -details address show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    #[serde(rename = "ifname")]
    pub name: String,
    #[serde(rename = "ifindex", default)]
    pub index: u32,
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `UP`, `LOWER_UP`, ...
    #[serde(default)]
    pub flags: Vec<String>,
    /// The hardware address.
    #[serde(rename = "address", default)]
    pub mac: Option<String>,
    #[serde(rename = "linkinfo", default, deserialize_with = "tolerant")]
    pub info: LinkInfo,
    #[serde(rename = "addr_info", default, deserialize_with = "tolerant_list")]
    pub addresses: Vec<LinkAddress>,
}

impl Link {
    /// Whether anything is on the other end: of a bridge, whether it has a port.
    pub fn has_carrier(&self) -> bool {
        !self.flags.iter().any(|flag| flag == "NO-CARRIER")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkInfo {
    /// `tun`, `vxlan`, `bridge`, `veth`.
    #[serde(rename = "info_kind")]
    pub kind: Option<String>,
    #[serde(rename = "info_data", deserialize_with = "tolerant")]
    pub details: LinkDetails,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkDetails {
    /// Of a TUN: whether it outlives the program that uses it.
    pub persist: Option<bool>,
    /// Of a VXLAN: its number.
    pub id: Option<u32>,
    /// Of a VXLAN: the address that its packets leave with.
    pub local: Option<IpAddr>,
    /// Of a VXLAN: the interface below.
    pub link: Option<String>,
    /// Of a VXLAN: the UDP port.
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkAddress {
    pub local: Option<IpAddr>,
    #[serde(rename = "prefixlen")]
    pub prefix: u8,
    pub scope: Option<String>,
}

// Of the following a node has one for each of its peers, and a run holds those of all nodes: short words lie in
// place, and what nothing reads is not kept.

/// A route of the main table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `unreachable`, `blackhole`; `None`: unicast.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CompactString>,
    /// `default`, `10.42.1.0/24`, or an address alone.
    #[serde(rename = "dst")]
    pub destination: CompactString,
    pub gateway: Option<IpAddr>,
    #[serde(rename = "dev")]
    pub interface: Option<CompactString>,
    pub metric: Option<u32>,
}

/// An entry of `flannel.1`'s forwarding table: the MAC of a peer's VTEP, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FdbEntry {
    pub mac: CompactString,
    #[serde(rename = "dst")]
    pub destination: Option<IpAddr>,
}

/// A neighbour on `flannel.1`: the address of a peer's end, and its MAC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Neighbour {
    #[serde(rename = "dst")]
    pub destination: Option<IpAddr>,
    #[serde(rename = "lladdr")]
    pub mac: Option<CompactString>,
}
