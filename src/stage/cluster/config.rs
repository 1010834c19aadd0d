//! k3s's configuration on a node, and the files around it.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Map, Value, json};

use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::{Desired, Node, Overlay, Role},
    plan::probe::HostProbe,
    ports::Taint,
    stage::{files::ManagedFile, paths},
    template,
};

/// Where a node is, as far as only the running world can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its own tailnet address: node IP, and VTEP with [`Overlay::Tailscale`].
    pub address: Ipv4Addr,
    /// The interface of its LAN address, for [`Overlay::Lan`].
    pub lan_interface: Option<String>,
    /// The tailnet address of the server that it joins; `None`: it makes the cluster.
    pub server: Option<Ipv4Addr>,
}

impl Place {
    /// From what the probe saw. Fails while the node is not in the tailnet.
    pub fn of(
        desired: &Desired,
        node: &Node,
        probe: &HostProbe,
        server: Option<Ipv4Addr>,
    ) -> Result<Self> {
        let address = probe.tailnet_ipv4().ok_or_else(|| {
            Failure::new(Kind::Tailnet, "it has no tailnet address, which k3s must be told")
                .at(&node.name)
                .hint("`homelab up` joins it to the tailnet first")
        })?;
        let lan_interface =
            probe.interface_of(IpAddr::V4(node.address)).map(|link| link.name.clone());
        if desired.k3s.overlay == Overlay::Lan && lan_interface.is_none() {
            let message = format!("no interface has the LAN address {}", node.address);
            return Err(Failure::new(Kind::RemoteCommand, message).at(&node.name));
        }
        Ok(Self { address, lan_interface, server })
    }

    pub(crate) fn joins(&self) -> bool {
        self.server.is_some()
    }
}

/// Our files around k3s on a node.
pub fn files(desired: &Desired, node: &Node, place: &Place) -> Result<Vec<ManagedFile>> {
    let (unit, role) = match node.role {
        Role::Server => (paths::K3S_SERVER_UNIT, "server"),
        Role::Agent => (paths::K3S_AGENT_UNIT, "agent"),
    };
    let address = json!({ "address": place.address, "mtu": desired.tailnet.mtu });
    let resolver = json!({ "nameservers": node.nameservers, "search_domain": node.search_domain });
    let unit_context = json!({ "role": role });
    let backup = desired.k3s.datastore_backup.as_ref().filter(|_| node.role == Role::Server);
    let authority = backup.and_then(|backup| backup.store.authority.clone());
    let mut files = vec![
        ManagedFile {
            path: paths::K3S_CONFIG.to_owned(),
            mode: "0600",
            content: yaml(&settings(desired, node, place))?,
        },
        ManagedFile::rendered(paths::K3S_RESOLV, "0644", "files/resolv.conf", resolver)?,
        ManagedFile::rendered(paths::AWAIT_ADDRESS, "0755", "files/await-address", address)?,
        ManagedFile::rendered(unit, "0644", "files/k3s.service", unit_context)?,
    ];
    files.extend(authority.map(|content| ManagedFile {
        path: paths::K3S_DATASTORE_CA.to_owned(),
        mode: "0644",
        content,
    }));
    Ok(files)
}

fn yaml(settings: &Map<String, Value>) -> Result<String> {
    let text = serde_saphyr::to_string(settings).map_err(|error| {
        Failure::new(Kind::Runtime, format!("k3s's configuration cannot be written: {error}"))
    })?;
    Ok(format!("{}\n{text}", template::HEADER))
}

/// The keys of `config.yaml`. No secret is in it.
fn settings(desired: &Desired, node: &Node, place: &Place) -> Map<String, Value> {
    let k3s = &desired.k3s;
    let mut settings = Map::new();
    let mut set = |key: &str, value: Value| {
        settings.insert(key.to_owned(), value);
    };
    match place.server {
        None => set("cluster-init", json!(true)),
        Some(server) => {
            set("server", json!(format!("https://{server}:6443")));
            set("token-file", json!(paths::K3S_TOKEN));
        }
    }
    set("node-name", json!(node.name));
    set("node-ip", json!(place.address));
    let interface = match k3s.overlay {
        Overlay::Tailscale => "tailscale0",
        Overlay::Lan => place.lan_interface.as_deref().unwrap_or_default(),
    };
    set("flannel-iface", json!(interface));
    if !node.nameservers.is_empty() {
        set("resolv-conf", json!(paths::K3S_RESOLV));
    }
    if node.role == Role::Server {
        set("agent-token-file", json!(paths::K3S_AGENT_TOKEN));
        set("advertise-address", json!(place.address));
        let mut names =
            vec![place.address.to_string(), node.address.to_string(), node.name.to_string()];
        names.extend(k3s.tls_sans.iter().cloned());
        set("tls-san", json!(names));
        set("cluster-cidr", json!(k3s.cluster_cidr));
        set("service-cidr", json!(k3s.service_cidr));
        if !k3s.disable.is_empty() {
            set("disable", json!(k3s.disable));
        }
        set("secrets-encryption", json!(k3s.secrets_encryption));
        set("write-kubeconfig-mode", json!("0600"));
        if let Some(backup) = &k3s.datastore_backup {
            settings.extend(super::datastore::settings(backup));
        }
    }
    let mut set = |key: &str, value: Value| {
        settings.insert(key.to_owned(), value);
    };
    if !node.labels.is_empty() {
        let labels: Vec<String> =
            node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        set("node-label", json!(labels));
    }
    if !node.taints.is_empty() {
        set("node-taint", json!(node.taints.iter().map(taint).collect::<Vec<_>>()));
    }
    let extra = match node.role {
        Role::Server => &k3s.server_config,
        Role::Agent => &k3s.agent_config,
    };
    for (key, value) in extra {
        settings.insert(key.clone(), value.clone());
    }
    settings
}

/// `key=value:Effect`, as kubelet takes it.
fn taint(taint: &Taint) -> String {
    let value = taint.value.as_deref().unwrap_or_default();
    format!("{}={value}:{}", taint.key, taint.effect)
}
