//! systemd's units, as far as scripts see them.

use std::collections::BTreeMap;

/// A unit's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    pub enabled: bool,
    pub active: bool,
    /// A one-shot unit that remains: `exited` and not `running`.
    pub one_shot: bool,
    /// It came with the image, and has no file below `/etc`.
    pub of_the_image: bool,
    pub failed: bool,
    /// How often it was started; each start is another invocation.
    pub starts: u32,
    /// Microseconds after boot.
    pub active_since: u64,
}

/// All units that were ever named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(BTreeMap<String, Unit>);

/// What a cloud image of Debian starts by itself.
const OF_THE_IMAGE: [&str; 3] = ["ssh.service", "systemd-timesyncd.service", "iscsid.socket"];

impl Units {
    pub(super) fn of_the_image() -> Self {
        let unit = Unit { enabled: true, of_the_image: true, ..Unit::default() };
        Self(OF_THE_IMAGE.iter().map(|name| ((*name).to_owned(), unit.clone())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Unit> {
        self.0.get(name)
    }

    pub fn is_active(&self, name: &str) -> bool {
        self.get(name).is_some_and(|unit| unit.active)
    }

    /// A unit to be changed; a new one where it was never named.
    pub fn entry(&mut self, name: &str) -> &mut Unit {
        self.0.entry(name.to_owned()).or_default()
    }

    /// What starts at boot, in an order that suits what waits for what.
    pub(super) fn enabled(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.0.iter().filter(|(_, unit)| unit.enabled).map(|(name, _)| name.clone()).collect();
        let rank = |name: &str| match name {
            "homelab-tun.service" => 0,
            "tailscaled.service" => 1,
            "k3s.service" | "k3s-agent.service" => 3,
            "homelab-guard.service" => 4,
            _ => 2,
        };
        names.sort_by_key(|name| rank(name));
        names
    }

    pub(super) fn boot(&mut self) {
        for unit in self.0.values_mut().filter(|unit| unit.of_the_image && unit.enabled) {
            unit.active = true;
            unit.starts = 1;
        }
    }

    pub(super) fn power_off(&mut self) {
        for unit in self.0.values_mut() {
            unit.active = false;
            unit.failed = false;
            unit.starts = 0;
        }
    }
}

impl Units {
    /// Each unit that was ever named.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Unit)> {
        self.0.iter().map(|(name, unit)| (name.as_str(), unit))
    }
}
