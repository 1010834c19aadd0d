//! What the probe script says of a node: one JSON document, read with tolerance.
//!
//! Much of it is what the node's own tools print (`ip -json`, `tailscale status --json`); of that only
//! the fields that we use are read, and a part that cannot be read is left out instead of spoiling the rest.

mod cloud_init;
mod link;
mod tailscale;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use cloud_init::{CloudInit, CloudInitState};
pub use link::{
    FdbEntry, HardwareAddress, Link, LinkAddress, LinkDetails, LinkInfo, Neighbour, Route,
};
pub use tailscale::{AutoUpdate, TailscalePrefs, TailscaleProbe, TailscaleSelf, TailscaleStatus};

use crate::error::{Failure, Kind, Result};

/// A node as the probe found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostProbe {
    /// Of this document; 1.
    pub version: u32,
    pub boot_id: Option<String>,
    pub machine_id: Option<String>,
    /// SMBIOS UUID, as the kernel shows it.
    pub system_uuid: Option<String>,
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub architecture: Option<String>,
    pub os: OperatingSystem,
    /// The node's clock, in seconds since the epoch.
    pub time_seconds: Option<i64>,
    pub time_synchronized: bool,
    pub memory_kib: Option<u64>,
    pub cores: Option<u32>,
    pub reboot_required: bool,
    /// Whether the running kernel's modules are still on the disk (CI-10).
    pub modules_present: bool,
    /// Public host keys, `ssh-ed25519 AAAA...`, without comment.
    pub host_keys: Vec<String>,
    pub cloud_init: CloudInit,
    pub root_disk: RootDisk,
    /// The disk on `scsi1`.
    #[serde(deserialize_with = "tolerant")]
    pub storage_disk: Option<StorageDisk>,
    /// What Longhorn needs of its host.
    #[serde(deserialize_with = "tolerant")]
    pub storage_host: StorageHost,
    #[serde(deserialize_with = "tolerant_list")]
    pub links: Vec<Link>,
    /// The IPv4 main table.
    #[serde(deserialize_with = "tolerant_list")]
    pub routes: Vec<Route>,
    /// The IPv6 main table.
    #[serde(deserialize_with = "tolerant_list")]
    pub routes6: Vec<Route>,
    /// Of `flannel.1`.
    #[serde(deserialize_with = "tolerant_list")]
    pub fdb: Vec<FdbEntry>,
    /// Of `flannel.1`.
    #[serde(deserialize_with = "tolerant_list")]
    pub neighbours: Vec<Neighbour>,
    /// Whether our table that guards UDP 8472 is loaded.
    pub overlay_filter: bool,
    /// Whether our table that closes the LAN side is loaded.
    pub exposure_filter: bool,
    /// Path and sha256 of those of our files that exist.
    pub files: BTreeMap<String, String>,
    /// Unit name (`k3s.service`) and its state.
    #[serde(deserialize_with = "tolerant_map")]
    pub units: BTreeMap<String, Unit>,
    /// `None`: not installed.
    #[serde(deserialize_with = "tolerant")]
    pub tailscale: Option<TailscaleProbe>,
    pub k3s: K3sProbe,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatingSystem {
    /// `debian`, `ubuntu`.
    pub id: Option<String>,
    pub version: Option<String>,
    pub name: Option<String>,
}

/// What the root file system is on. Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootDisk {
    pub filesystem: Option<String>,
    pub device: Option<String>,
    pub disk: Option<String>,
    /// The partition's number; `None`: the whole disk.
    pub partition: Option<u32>,
    pub filesystem_bytes: Option<u64>,
    /// What files can have of it all.
    pub usable_bytes: Option<u64>,
    /// What is left of that for those who are not root.
    pub available_bytes: Option<u64>,
    /// 0 where the file system makes them as it needs them.
    pub inodes: Option<u64>,
    pub free_inodes: Option<u64>,
    pub partition_bytes: Option<u64>,
    pub disk_bytes: Option<u64>,
}

impl RootDisk {
    /// How much of the disk the file system does not use yet, in bytes.
    pub fn unused(&self) -> Option<u64> {
        Some(self.disk_bytes?.saturating_sub(self.filesystem_bytes?))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageDisk {
    pub device: Option<String>,
    pub bytes: Option<u64>,
    pub filesystem: Option<String>,
    /// Of the file system.
    pub uuid: Option<String>,
    pub mount_point: Option<String>,
    /// Of the file system, while it is mounted.
    pub filesystem_bytes: Option<u64>,
}

/// Programs, modules and devices of a host that Longhorn relies on, or trips over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageHost {
    pub iscsiadm: bool,
    pub mount_nfs: bool,
    pub cryptsetup: bool,
    /// Whether the running kernel can load it.
    pub iscsi_tcp: bool,
    /// Names of multipath's devices.
    pub multipath_maps: Vec<String>,
}

/// A systemd unit, in systemd's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`.
    pub load_state: String,
    /// `active`, `activating`, `inactive`, `failed`.
    pub active_state: String,
    pub sub_state: String,
    /// `enabled`, `disabled`, or empty when there is none.
    pub unit_file_state: String,
    /// `success`, `exit-code`, `oom-kill`, ...
    pub result: String,
    #[serde(rename = "NRestarts")]
    pub restarts: String,
    /// Another one after each start.
    #[serde(rename = "InvocationID")]
    pub invocation: String,
    /// Microseconds after boot.
    #[serde(rename = "ActiveEnterTimestampMonotonic")]
    pub active_since: String,
}

impl Unit {
    pub fn is_active(&self) -> bool {
        self.active_state == "active"
    }

    pub fn is_enabled(&self) -> bool {
        self.unit_file_state == "enabled"
    }

    pub fn exists(&self) -> bool {
        self.load_state == "loaded" || self.load_state == "masked"
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct K3sProbe {
    /// `v1.34.4+k3s1`; `None`: not installed.
    pub version: Option<String>,
    /// sha256 of the certificate authority's PEM file: the hash in a K10 token.
    pub ca_sha256: Option<String>,
    /// `etcd` or `sqlite`, on a server that was once started.
    pub datastore: Option<String>,
    /// Whether it was ever an agent, or a server with its own agent.
    pub agent_data: bool,
    pub node_password: bool,
    /// Others' files in `config.yaml.d`, which would override ours (K3S-11).
    pub drop_ins: Vec<String>,
    /// When our configuration of it was last written, in seconds since the epoch.
    pub configured_seconds: Option<i64>,
    /// The lines of `config.yaml` that tell what cannot be changed: `cluster-cidr: 10.42.0.0/16`.
    pub settings: Vec<String>,
}

impl K3sProbe {
    /// A scalar setting of the configuration in force.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let value =
            self.settings.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(value.trim().trim_matches(['"', '\'']))
    }
}

impl HostProbe {
    /// Reads what the probe script printed.
    pub fn parse(text: &str) -> Result<Self> {
        // A login banner may stand in front of it.
        let document = text.find("{\"version\":").map_or(text, |start| &text[start..]);
        let mut reader = serde_json::Deserializer::from_str(document);
        Self::deserialize(&mut reader).map_err(|error| {
            let line = document.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            let shown: String = line.chars().take(160).collect();
            Failure::new(
                Kind::RemoteCommand,
                format!("the probe's answer cannot be read: {error}; the line begins: {shown}"),
            )
            .hint("`homelab render probe` shows the script; run it on the node to see its answer")
        })
    }

    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The MTU in force on an interface.
    pub fn mtu(&self, interface: &str) -> Option<u32> {
        self.link(interface).and_then(|link| link.mtu)
    }

    /// The first IPv4 address of an interface.
    pub fn ipv4(&self, interface: &str) -> Option<Ipv4Addr> {
        self.link(interface)?.addresses.iter().find_map(|address| match address.local {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        })
    }

    /// The node's tailnet address: as tailscaled tells it, or as it is on the interface.
    pub fn tailnet_ipv4(&self) -> Option<Ipv4Addr> {
        let status = self.tailscale.as_ref().and_then(|tailscale| tailscale.status.as_ref());
        let told = status.and_then(|status| status.this.as_ref()).and_then(TailscaleSelf::ipv4);
        told.or_else(|| self.ipv4("tailscale0"))
    }

    /// The interface that an address is on.
    pub fn interface_of(&self, address: IpAddr) -> Option<&Link> {
        self.links
            .iter()
            .find(|link| link.addresses.iter().any(|known| known.local == Some(address)))
    }

    /// A unit's state; one that systemd does not know is the default, with `load_state` empty.
    pub fn unit(&self, name: &str) -> Unit {
        self.units.get(name).cloned().unwrap_or_default()
    }

    /// The sha256 of one of our files as it is on the node.
    pub fn sha256(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// How far the node's clock is from `now` (seconds since the epoch); positive: it is ahead.
    pub fn clock_skew(&self, now: i64) -> Option<i64> {
        self.time_seconds.map(|time| time.saturating_sub(now))
    }
}

// Read of text alone: what may be wrong is first passed over as it stands, then read by itself: with hundreds of peers a tree of it
// would cost more than all the rest.

/// `null`, or what cannot be read, as the default.
fn tolerant<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?;
    Ok(read(text).unwrap_or_default())
}

/// JSON in a string, as a program printed it, or as it stands; what cannot be read as the default.
fn quoted<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?;
    let printed = serde_json::from_str::<String>(text.get());
    let part = match &printed {
        Ok(printed) => serde_json::from_str(printed).ok(),
        Err(_) => Some(text),
    };
    Ok(part.and_then(read).unwrap_or_default())
}

/// `null` as empty; elements that cannot be read are left out.
fn tolerant_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?;
    // Nearly always all of it can be read, and once is enough then.
    Ok(serde_json::from_str(text.get()).unwrap_or_else(|_| {
        let elements: Vec<&RawValue> = serde_json::from_str(text.get()).unwrap_or_default();
        elements.into_iter().filter_map(read).collect()
    }))
}

/// `null` as empty; values that cannot be read are left out.
fn tolerant_map<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?;
    let values: BTreeMap<String, &RawValue> = serde_json::from_str(text.get()).unwrap_or_default();
    let read =
        |(name, text): (String, &RawValue)| Some((name, serde_json::from_str(text.get()).ok()?));
    Ok(values.into_iter().filter_map(read).collect())
}

/// One part. A tool that says something twice means what it said last: a tree of it has each key once.
fn read<T: DeserializeOwned>(text: &RawValue) -> Option<T> {
    let again = |_| serde_json::from_value(serde_json::from_str(text.get())?);
    serde_json::from_str(text.get()).or_else(again).ok()
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;
