//! Interfaces, routes, forwarding entries and neighbours, as iproute2 prints them with `-json`.

use std::{fmt, net::IpAddr, str::FromStr};

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
    #[serde(rename = "dev")]
    pub interface: Option<CompactString>,
}

/// An entry of `flannel.1`'s forwarding table: the MAC of a peer's VTEP, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FdbEntry {
    pub mac: Option<HardwareAddress>,
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
    pub mac: Option<HardwareAddress>,
}

/// A hardware address as a node tells it: six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HardwareAddress([u8; 6]);

impl FromStr for HardwareAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unfit = || format!("`{text}` is no hardware address");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'));
            *byte = u8::from_str_radix(part.ok_or_else(unfit)?, 16).map_err(|_| unfit())?;
        }
        if parts.next().is_some() { Err(unfit()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl Serialize for HardwareAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HardwareAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Read)
    }
}

/// Reads it where it stands: a run reads hundreds of thousands.
struct Read;

impl de::Visitor<'_> for Read {
    type Value = HardwareAddress;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a hardware address")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HardwareAddress, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_read_and_printed_as_linux_does_and_nothing_else_is_one() {
        let address: HardwareAddress = "4a:00:0F:00:00:01".parse().unwrap();
        assert_eq!(address.to_string(), "4a:00:0f:00:00:01");
        for unfit in
            ["", "4a:00:00:00:00", "4a:00:00:00:00:01:02", "4a:0:00:00:00:01", "4a:00:00:00:00:+1"]
        {
            assert!(unfit.parse::<HardwareAddress>().is_err(), "{unfit}");
        }
    }
}
