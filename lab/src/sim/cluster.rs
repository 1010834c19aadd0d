//! The cluster that guests make: what kubelets and Flannel tell of their nodes, as Node objects.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::pve::state::lock;

use super::{
    guest::surroundings::{ClusterSecrets, NodeReport, Peer},
    kubernetes::Kubernetes,
};

/// Who writes a node's own fields.
const KUBELET: &str = "k3s";

/// A cluster of guests.
pub struct Cluster {
    kubernetes: Arc<Kubernetes>,
    server_token: String,
    /// The pods' network, of which each node has 256 addresses.
    pods: ipnet::Ipv4Net,
    /// Each node that ever told of itself, by its name, with the number of its pods' network.
    networks: Mutex<BTreeMap<String, u32>>,
}

impl Cluster {
    /// A cluster that its first server makes with this token.
    pub fn new(kubernetes: Arc<Kubernetes>, server_token: &str, pods: ipnet::Ipv4Net) -> Self {
        let networks = Mutex::default();
        Self { kubernetes, server_token: server_token.to_owned(), pods, networks }
    }

    pub(super) fn secrets(&self) -> ClusterSecrets {
        ClusterSecrets {
            authority: self.kubernetes.ca_pem().to_owned(),
            kubeconfig: self.kubernetes.kubeconfig("https://127.0.0.1:6443"),
            server_token: self.server_token.clone(),
        }
    }

    /// The numbers of the nodes' networks.
    pub(super) fn memory(&self) -> BTreeMap<String, u32> {
        lock(&self.networks).clone()
    }

    pub(super) fn remember(&self, networks: &BTreeMap<String, u32>) {
        lock(&self.networks).clone_from(networks);
    }

    /// A kubelet tells of its node; the pods' network of the node.
    pub(super) fn report(&self, report: &NodeReport) -> Result<ipnet::Ipv4Net, String> {
        let known = self.kubernetes.get("nodes", ("", &report.name));
        let number = {
            let mut networks = lock(&self.networks);
            if known.is_none() {
                // A Node object that is made anew gets another network.
                networks.remove(&report.name);
            }
            let next = networks.values().max().map_or(0, |last| last + 1);
            *networks.entry(report.name.clone()).or_insert(next)
        };
        let network = Ipv4Addr::from(u32::from(self.pods.network()) + number * 256);
        let pods = ipnet::Ipv4Net::new(network, 24).map_err(|error| error.to_string())?;
        let refused = |failure: super::kubernetes::Failure| failure.message;
        self.kubernetes.set_version(&report.version);
        let made = node(report, pods);
        self.kubernetes.apply(KUBELET, &made).map_err(refused)?;
        let place = ("", report.name.as_str());
        self.kubernetes.patch_status(KUBELET, "nodes", place, &status(report)).map_err(refused)?;
        Ok(pods)
    }

    /// A kubelet tells nothing any more: the node's condition becomes unknown.
    pub(super) fn is_silent(&self, name: &str) {
        let condition = json!([{
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        }]);
        let status = json!({ "conditions": condition });
        if self.kubernetes.get("nodes", ("", name)).is_some() {
            self.kubernetes.patch_status("node-controller", "nodes", ("", name), &status).ok();
        }
    }

    /// The other nodes, as Flannel reads them from their annotations.
    pub(super) fn peers(&self, name: &str) -> Vec<Peer> {
        self.kubernetes.find("nodes", |node| peer(node).filter(|peer| peer.name != name))
    }
}

fn peer(node: &Value) -> Option<Peer> {
    let annotation = |name: &str| node["metadata"]["annotations"][name].as_str();
    let data: Value =
        serde_json::from_str(annotation("flannel.alpha.coreos.com/backend-data")?).ok()?;
    Some(Peer {
        name: node["metadata"]["name"].as_str()?.to_owned(),
        pods: node["spec"]["podCIDR"].as_str()?.parse().ok()?,
        vtep: annotation("flannel.alpha.coreos.com/public-ip")?.parse().ok()?,
        vtep_mac: data["VtepMAC"].as_str()?.to_owned(),
    })
}

fn node(report: &NodeReport, pods: ipnet::Ipv4Net) -> Value {
    let mut labels: BTreeMap<&str, &str> =
        report.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    labels.insert("kubernetes.io/hostname", &report.name);
    labels.insert("kubernetes.io/os", "linux");
    labels.insert("kubernetes.io/arch", "amd64");
    labels.insert("node.kubernetes.io/instance-type", "k3s");
    if report.server {
        labels.insert("node-role.kubernetes.io/control-plane", "true");
    }
    let taints: Vec<Value> = report.taints.iter().filter_map(|taint| read_taint(taint)).collect();
    let backend = json!({ "VNI": 1, "VtepMAC": report.vtep_mac }).to_string();
    let mut spec = json!({ "podCIDR": pods, "podCIDRs": [pods], "providerID": format!("k3s://{}", report.name) });
    if !taints.is_empty() {
        spec["taints"] = json!(taints);
    }
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": report.name, "labels": labels, "annotations": {
            "flannel.alpha.coreos.com/public-ip": report.vtep,
            "flannel.alpha.coreos.com/backend-type": "vxlan",
            "flannel.alpha.coreos.com/backend-data": backend,
            "k3s.io/internal-ip": report.internal_ip,
        } },
        "spec": spec,
    })
}

/// `key=value:Effect`.
fn read_taint(text: &str) -> Option<Value> {
    let (name, effect) = text.rsplit_once(':')?;
    Some(match name.split_once('=') {
        Some((key, value)) => json!({ "key": key, "value": value, "effect": effect }),
        None => json!({ "key": name, "effect": effect }),
    })
}

fn status(report: &NodeReport) -> Value {
    json!({
        "addresses": [
            { "type": "InternalIP", "address": report.internal_ip },
            { "type": "Hostname", "address": report.name },
        ],
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }],
        "nodeInfo": {
            "architecture": "amd64", "bootID": report.boot_id,
            "containerRuntimeVersion": "containerd://simulated", "kernelVersion": "simulated",
            "kubeProxyVersion": report.version, "kubeletVersion": report.version,
            "machineID": "", "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 13 (trixie)", "systemUUID": report.system_uuid,
        },
    })
}
