//! What a guest is made of, and what its programs remember.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Instant,
};

use super::units::Units;

/// What Proxmox gives to a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    pub name: String,
    pub cores: u32,
    pub memory_mib: u64,
    pub disk_bytes: u64,
    /// SMBIOS, lower case.
    pub uuid: String,
    /// Of `net0`, lower case.
    pub mac: String,
}

/// `eth0`, as the seed configured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub mtu: u32,
}

/// `tailscale0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tun {
    pub index: u32,
    pub persistent: bool,
    pub mtu: u32,
}

/// tailscaled's memory, which outlives a reboot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tailscale {
    /// The device that the node takes itself for.
    pub device: Option<String>,
    pub login_server: Option<String>,
    pub hostname: String,
    /// `RouteAll`, `CorpDNS`, `RunSSH`, `ShieldsUp`.
    pub flags: BTreeMap<&'static str, bool>,
    /// `None`: as the tailnet's policy says.
    pub auto_update: Option<bool>,
}

/// What Flannel made when k3s started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flannel {
    pub local: Ipv4Addr,
    pub below: String,
    pub mtu: u32,
    pub mac: String,
    pub pods: ipnet::Ipv4Net,
}

/// Everything of a guest that is not a file.
#[derive(Clone, Debug)]
pub struct State {
    pub hardware: Hardware,
    /// What the kernel saw at its start.
    pub booted: Hardware,
    pub running: bool,
    pub boot_id: String,
    pub since: Instant,
    /// The hostname.
    pub node_name: String,
    /// Made at the first boot, and kept.
    pub machine_id: String,
    pub filesystem_bytes: u64,
    pub partition_bytes: u64,
    pub ethernet: Option<Ethernet>,
    pub tun: Option<Tun>,
    /// Prefixes that nothing leads to.
    pub unreachable: Vec<ipnet::IpNet>,
    /// nftables' tables of the family `inet`.
    pub tables: BTreeSet<String>,
    pub units: Units,
    pub tailscale: Tailscale,
    pub flannel: Option<Flannel>,
    /// The last line of each unit's journal.
    pub journals: BTreeMap<String, String>,
    next_interface: u32,
}

/// A cloud image's root file system before it is grown.
const IMAGE_BYTES: u64 = 3 << 30;

impl State {
    pub(super) fn new(hardware: Hardware) -> Self {
        Self {
            booted: hardware.clone(),
            hardware,
            running: false,
            boot_id: String::new(),
            since: Instant::now(),
            node_name: "localhost".to_owned(),
            machine_id: uuid::Uuid::new_v4().simple().to_string(),
            filesystem_bytes: IMAGE_BYTES,
            partition_bytes: IMAGE_BYTES,
            ethernet: None,
            tun: None,
            unreachable: Vec::new(),
            tables: BTreeSet::new(),
            units: Units::of_the_image(),
            tailscale: Tailscale::default(),
            flannel: None,
            journals: BTreeMap::new(),
            next_interface: 3,
        }
    }

    pub(super) fn boot(&mut self, hardware: Hardware) {
        self.booted = hardware.clone();
        self.hardware = hardware;
        self.running = true;
        self.boot_id = uuid::Uuid::new_v4().to_string();
        self.since = Instant::now();
        self.units.boot();
    }

    pub(super) fn power_off(&mut self) {
        self.running = false;
        self.tun = None;
        self.flannel = None;
        self.unreachable.clear();
        self.tables.clear();
        self.journals.clear();
        self.units.power_off();
    }

    /// A number for a new interface.
    pub(super) fn new_interface(&mut self) -> u32 {
        self.next_interface += 1;
        self.next_interface
    }

    /// Microseconds since boot.
    pub(super) fn monotonic(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
