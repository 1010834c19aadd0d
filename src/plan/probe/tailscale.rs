//! Tailscale on a node, in the words of `tailscale status --json` and `tailscale debug prefs`.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{quoted, tolerant};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TailscaleProbe {
    /// `1.102.5`, of the client.
    pub version: Option<String>,
    /// The first line of our release file: the sha256 of the archive that the binaries came from.
    pub release: Option<String>,
    /// Whether the binaries are still those of that archive.
    pub release_intact: bool,
    /// `None`: the daemon does not answer.
    #[serde(deserialize_with = "quoted")]
    pub status: Option<TailscaleStatus>,
    #[serde(deserialize_with = "quoted")]
    pub prefs: Option<TailscalePrefs>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TailscaleStatus {
    /// `NoState`, `NeedsLogin`, `NeedsMachineAuth`, `Stopped`, `Starting`, `Running`.
    pub backend_state: String,
    /// Whether the node was registered, by now or ever: it says so before it knows its node id.
    pub have_node_key: bool,
    /// Of the daemon: `1.102.5-t...`.
    pub version: String,
    #[serde(rename = "Self", deserialize_with = "tolerant")]
    pub this: Option<TailscaleSelf>,
    #[serde(deserialize_with = "tolerant")]
    pub health: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TailscaleSelf {
    /// The stable node id.
    #[serde(rename = "ID")]
    pub id: String,
    pub host_name: String,
    /// `name.tailnet.ts.net.`
    #[serde(rename = "DNSName")]
    pub dns_name: String,
    #[serde(rename = "TailscaleIPs", deserialize_with = "tolerant")]
    pub addresses: Vec<IpAddr>,
    #[serde(deserialize_with = "tolerant")]
    pub tags: Vec<String>,
    /// `None`: never.
    #[serde(deserialize_with = "tolerant")]
    pub key_expiry: Option<jiff::Timestamp>,
    pub online: bool,
}

impl TailscaleSelf {
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }

    /// The first label of the DNS name: the host name, or `hostname-1` for a twin (TS-03).
    pub fn name(&self) -> &str {
        self.dns_name.split('.').next().unwrap_or_default()
    }
}

/// The preferences that we care for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TailscalePrefs {
    #[serde(rename = "ControlURL")]
    pub control_url: String,
    #[serde(rename = "RouteAll")]
    pub accept_routes: bool,
    #[serde(rename = "CorpDNS")]
    pub accept_dns: bool,
    #[serde(rename = "RunSSH")]
    pub ssh: bool,
    #[serde(rename = "ShieldsUp")]
    pub shields_up: bool,
    #[serde(rename = "WantRunning")]
    pub want_running: bool,
    #[serde(rename = "Hostname")]
    pub hostname: String,
    #[serde(rename = "AutoUpdate", deserialize_with = "tolerant")]
    pub auto_update: AutoUpdate,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoUpdate {
    /// `None`: as the tailnet's policy says.
    #[serde(rename = "Apply")]
    pub apply: Option<bool>,
}
