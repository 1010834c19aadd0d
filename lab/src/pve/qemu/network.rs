//! Network devices: `virtio=BC:24:11:ED:A8:F2,bridge=vmbr0,firewall=1`.

use std::sync::LazyLock;

use indexmap::IndexMap;
use rand::RngExt as _;

use crate::pve::schema::{PropertyString, boolean, formatted, integer, number, one_of, string};

const MODELS: [&str; 14] = [
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "virtio",
    "vmxnet3",
];

pub(crate) static FORMAT: LazyLock<PropertyString> = LazyLock::new(|| {
    let mut format = PropertyString::new()
        .default_key("model", one_of(MODELS))
        .key("macaddr", formatted("mac-addr").optional())
        .key("bridge", formatted("pve-bridge-id").optional())
        .key("firewall", boolean().optional())
        .key("host-tunnel", boolean().optional())
        .key("link_down", boolean().optional())
        .key("mtu", integer().minimum(1).maximum(65520).optional())
        .key("queues", integer().minimum(0).maximum(64).optional())
        .key("rate", number().minimum(0).optional())
        .key("tag", integer().minimum(1).maximum(4094).optional())
        .key("trunks", string().pattern(r"\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*").optional());
    for model in MODELS {
        format = format.key_alias(model, "macaddr", "model");
    }
    format
});

/// `net0` to `net31`.
pub(crate) fn is_network(option: &str) -> bool {
    option
        .strip_prefix("net")
        .and_then(|index| index.parse::<u32>().ok())
        .is_some_and(|index| index < 32)
}

/// A network device's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) settings: IndexMap<String, String>,
}

impl Network {
    /// Reads an option's value.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(option: &str, value: &str) -> Result<Self, String> {
        Ok(Self { settings: FORMAT.parse(value, option)? })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    pub(crate) fn print(&self) -> String {
        FORMAT.print(&self.settings, &[])
    }

    /// With an address: its own in capitals, or a new one.
    pub(crate) fn with_address(mut self) -> Self {
        let address = self.get("macaddr").map_or_else(random_address, str::to_uppercase);
        self.settings.insert("macaddr".to_owned(), address);
        self
    }

    /// With a new address, as a clone gets.
    pub(crate) fn with_new_address(mut self) -> Self {
        self.settings.insert("macaddr".to_owned(), random_address());
        self
    }
}

/// An address with Proxmox' own prefix.
pub(crate) fn random_address() -> String {
    let mut random = rand::rng();
    let [a, b, c]: [u8; 3] = random.random();
    format!("BC:24:11:{a:02X}:{b:02X}:{c:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_an_address_gets_one_of_proxmox() {
        let net = Network::parse("net0", "virtio,bridge=vmbr0,firewall=1").unwrap().with_address();
        let text = net.print();
        assert!(text.starts_with("virtio=BC:24:11:"), "{text}");
        assert!(text.ends_with(",bridge=vmbr0,firewall=1"), "{text}");
        assert_ne!(random_address(), random_address());
    }

    #[test]
    fn an_address_that_was_given_stays() {
        let net = Network::parse("net0", "virtio=bc:24:11:00:00:01,bridge=vmbr0,tag=100").unwrap();
        assert_eq!(net.with_address().print(), "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=100");
    }

    #[test]
    fn only_32_devices_exist() {
        assert!(is_network("net31"));
        assert!(!is_network("net32"));
        assert!(!is_network("netfoo"));
    }
}
