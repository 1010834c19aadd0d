//! What differs on a node from the k3s that it should have: pure, from the probe and the Node object.

use std::net::{IpAddr, Ipv4Addr};

use super::{Place, artifacts, files, unit_name};
use crate::{
    inventory::desired::{Desired, Node, Overlay, Role},
    plan::probe::HostProbe,
    ports::KubeNode,
    stage::{files::drift, network, overlay, paths},
};

/// Whether k3s runs, as server or agent.
pub fn is_running(probe: &HostProbe) -> bool {
    probe.unit("k3s.service").is_active() || probe.unit("k3s-agent.service").is_active()
}

/// Whether the node was ever part of a cluster.
pub fn knows_a_cluster(probe: &HostProbe) -> bool {
    probe.k3s.datastore.is_some() || probe.k3s.agent_data || probe.k3s.node_password
}

/// Whether the cluster has a Node object of this name although this disk never joined: its former
/// self's, whose node password would be asked for (K3S-04).
pub fn has_stale_node(probe: &HostProbe, kube: Option<&KubeNode>) -> bool {
    kube.is_some() && !probe.k3s.node_password
}

/// Why [`super::install`] is needed; empty when everything is as it should be. The server's address is taken
/// from the node's own configuration.
pub fn install_reasons(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    kube: Option<&KubeNode>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (artifact, path, _) in artifacts(desired) {
        match probe.sha256(path) {
            Some(found) if found == artifact.sha256 => {}
            Some(_) => reasons.push(format!("{path} is not {}", artifact.version)),
            None => reasons.push(format!("{path} is missing")),
        }
    }
    match Place::of(desired, node, probe, server_of(probe))
        .and_then(|place| files(desired, node, &place))
    {
        Ok(files) => {
            reasons.extend(drift(&files, probe).iter().map(|path| format!("{path} differs")));
        }
        Err(failure) => reasons.push(failure.message),
    }
    let unit = format!("{}.service", unit_name(node.role));
    let state = probe.unit(&unit);
    if !state.is_active() {
        reasons.push(format!("{unit} does not run"));
    } else if !state.is_enabled() {
        reasons.push(format!("{unit} is not enabled"));
    }
    if state.is_active() {
        reasons.extend(node_reasons(desired, node, probe, kube));
        reasons.extend(vtep_mtu_reason(desired, probe));
    }
    reasons.extend(overlay::guard_reasons(desired, node, probe));
    reasons
}

/// The first path without which k3s does not start on a node that has had it: its binary, its unit, what these name.
pub(crate) fn missing(desired: &Desired, node: &Node, probe: &HostProbe) -> Option<String> {
    let place = Place::of(desired, node, probe, server_of(probe)).ok()?;
    let files = files(desired, node, &place).ok()?;
    let mut needed =
        [paths::K3S.to_owned()].into_iter().chain(files.into_iter().map(|file| file.path));
    needed.find(|path| probe.sha256(path).is_none())
}

/// The server that a node's own configuration names.
fn server_of(probe: &HostProbe) -> Option<Ipv4Addr> {
    let url = probe.k3s.setting("server")?;
    url.trim_start_matches("https://").trim_end_matches(":6443").parse().ok()
}

/// Flannel takes a device that is there as it is: started anew, it leaves a wrong MTU as it was.
fn vtep_mtu_reason(desired: &Desired, probe: &HostProbe) -> Option<String> {
    let wanted = u32::from(network::pod_mtu(desired));
    let found = probe.mtu("flannel.1").filter(|found| *found != wanted)?;
    Some(format!("flannel.1 has MTU {found}, not {wanted}"))
}

/// What the Node object says against it.
fn node_reasons(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    kube: Option<&KubeNode>,
) -> Vec<String> {
    let Some(kube) = kube else {
        return vec!["the cluster has no Node object of this name".into()];
    };
    let mut reasons = Vec::new();
    if !kube.ready {
        let why = kube.not_ready.as_deref().unwrap_or("no reason given");
        reasons.push(format!("the node is not Ready: {why}"));
    }
    let version = &desired.k3s.binary.version;
    if kube.kubelet_version != *version {
        reasons.push(format!("kubelet is {}, not {version}", kube.kubelet_version));
    }
    let address = probe.tailnet_ipv4().map(IpAddr::V4);
    let shown =
        |address: Option<IpAddr>| address.map_or("none".into(), |address| address.to_string());
    if kube.internal_ip != address {
        let (found, wanted) = (shown(kube.internal_ip), shown(address));
        reasons.push(format!("INTERNAL-IP is {found}, not {wanted}"));
    }
    reasons.extend(wrong_vtep(desired, node, probe, kube));
    reasons
}

/// What k3s that runs says wrongly of itself until it starts anew: nothing, where somebody deleted its Node object,
/// which kubelet makes once a start; its version, where the pinned binary was put in place under it; or its VTEP.
pub(crate) fn announced_wrongly(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    kube: Option<&KubeNode>,
) -> Option<String> {
    let Some(kube) = kube else {
        // Before its first start is over there may be none yet.
        let joined = probe.k3s.node_password;
        return joined.then(|| "the cluster has no Node object of this name".into());
    };
    let version = &desired.k3s.binary.version;
    let other = kube.kubelet_version != *version;
    other
        .then(|| format!("kubelet is {}, not {version}", kube.kubelet_version))
        .or_else(|| wrong_vtep(desired, node, probe, kube))
}

/// What the Node object says of the VTEP, where that is wrong. Flannel writes it when k3s starts, and then
/// never again: only a start heals it.
fn wrong_vtep(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    kube: &KubeNode,
) -> Option<String> {
    let shown =
        |address: Option<IpAddr>| address.map_or("none".into(), |address| address.to_string());
    let vtep = vtep(desired, node, probe);
    (kube.vtep != vtep).then(|| format!("the VTEP is {}, not {}", shown(kube.vtep), shown(vtep)))
}

/// The address that a node's VXLAN should leave with.
pub(crate) fn vtep(desired: &Desired, node: &Node, probe: &HostProbe) -> Option<IpAddr> {
    match desired.k3s.overlay {
        Overlay::Tailscale => probe.tailnet_ipv4().map(IpAddr::V4),
        Overlay::Lan => Some(IpAddr::V4(node.address)),
    }
}

/// Labels and taints that the Node object lacks. Those that others set are left alone.
pub fn label_reasons(node: &Node, kube: Option<&KubeNode>) -> Vec<String> {
    let Some(kube) = kube else { return Vec::new() };
    let labels = node
        .labels
        .iter()
        .filter(|(key, value)| kube.labels.get(*key) != Some(value))
        .map(|(key, value)| format!("label {key}={value}"));
    // Kubernetes has no taint without a value, only one with an empty one.
    let same = |left: &crate::ports::Taint, right: &crate::ports::Taint| {
        let value = |taint: &crate::ports::Taint| taint.value.clone().unwrap_or_default();
        left.key == right.key && left.effect == right.effect && value(left) == value(right)
    };
    let taints = node
        .taints
        .iter()
        .filter(|wanted| !kube.taints.iter().any(|taint| same(taint, wanted)))
        .map(|taint| format!("taint {}:{}", taint.key, taint.effect));
    let mut reasons: Vec<String> = labels.chain(taints).collect();
    reasons.extend(left_over(node, kube));
    if kube.cordoned_by_us() {
        reasons.push("a run that died left it cordoned".into());
    }
    let known = kube.our_labels().is_some() && kube.our_taints().is_some();
    if reasons.is_empty() && !known && !(node.labels.is_empty() && node.taints.is_empty()) {
        // Set at the registration only: without the note nobody could take them off one day.
        reasons.push("which labels and taints are homelab's is not written down".into());
    }
    reasons
}

/// What we set and the inventory no longer names; what others set, or changed since, is theirs.
fn left_over(node: &Node, kube: &KubeNode) -> Vec<String> {
    let labels = kube.our_labels().unwrap_or_default().into_iter().filter(|(key, value)| {
        !node.labels.contains_key(key) && kube.labels.get(key) == Some(value)
    });
    let taints = kube.our_taints().unwrap_or_default().into_iter().filter(|ours| {
        let is = |taint: &crate::ports::Taint| format!("{}:{}", taint.key, taint.effect) == *ours;
        !node.taints.iter().any(is) && kube.taints.iter().any(is)
    });
    labels
        .map(|(key, value)| format!("label {key}={value} is taken off"))
        .chain(taints.map(|taint| format!("taint {taint} is taken off")))
        .collect()
}

/// A change that k3s cannot make on a node that has joined: what, and what to do instead.
pub fn immutable_change(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    kube: Option<&KubeNode>,
) -> Option<(String, String)> {
    if !knows_a_cluster(probe) {
        return None;
    }
    let was_server = probe.k3s.datastore.is_some();
    let replace =
        format!("`homelab destroy --node {}`, then `homelab up`, makes it anew", node.name);
    let version = &desired.k3s.binary.version;
    // With the pinned binary on the disk nothing is to be upgraded: k3s has to start it.
    let is_pinned = probe.sha256(paths::K3S) == Some(desired.k3s.binary.sha256.as_str());
    let running = kube.map(|kube| &kube.kubelet_version);
    if let Some(found) = running.filter(|found| !is_pinned && *found != version) {
        return Some((
            format!("k3s is {found} and the inventory says {version}: upgrades come later"),
            "put the old version back, in the inventory and in the lock file".into(),
        ));
    }
    if was_server != (node.role == Role::Server) {
        let (was, wanted) =
            if was_server { ("a server", "an agent") } else { ("an agent", "a server") };
        return Some((format!("it is {was} and cannot become {wanted} in place"), replace));
    }
    let mut wanted = vec![("node-ip", probe.tailnet_ipv4().map(|address| address.to_string()))];
    if node.role == Role::Server {
        wanted.extend([
            ("cluster-cidr", Some(desired.k3s.cluster_cidr.to_string())),
            ("service-cidr", Some(desired.k3s.service_cidr.to_string())),
            ("secrets-encryption", Some(desired.k3s.secrets_encryption.to_string())),
        ]);
    }
    let changed = wanted.into_iter().find_map(|(key, value)| {
        let (found, value) = (probe.k3s.setting(key)?, value?);
        (found != value).then(|| format!("{key} is {found} and cannot become {value}"))
    })?;
    let hint = match node.role {
        Role::Agent => replace,
        Role::Server => "put the old value back; another one takes a new cluster".into(),
    };
    Some((changed, hint))
}
