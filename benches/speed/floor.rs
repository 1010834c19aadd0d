//! What a look at the world cannot do without, one at a time and by the program's own adapters, so that no
//! slower client flatters it.

use std::time::Instant;

use futures::future::join_all;
use homelab::{
    adapter::{
        kube::KubeAccess,
        proxmox::ProxmoxClient,
        ssh::{Credentials, SshConnector, SshHost},
    },
    inventory::{self, Desired, LoadOptions, Overrides, Pins},
    model::{Marker, NodeName},
    ports::{Cluster, ClusterAccess, Connector, Host, HostTarget, Proxmox},
    secret::Secret,
    stage::{cluster, guest},
};

use crate::operator::Operator;

pub(crate) struct Floor {
    desired: Desired,
    token: Secret,
    targets: Vec<HostTarget>,
    server: SshHost,
    kubeconfig: Secret,
}

/// Seconds of each part, once.
pub(crate) struct Parts {
    pub(crate) proxmox: f64,
    pub(crate) host: f64,
    pub(crate) kubernetes: f64,
    /// Every host at the same time.
    pub(crate) hosts: f64,
}

impl Parts {
    /// One of each after the other: none of them can begin before the one before it has ended.
    pub(crate) fn sum(&self) -> f64 {
        self.proxmox + self.host + self.kubernetes
    }
}

impl Floor {
    /// Of a world whose first run is over.
    pub(crate) async fn new(operator: &Operator) -> Self {
        let options = LoadOptions {
            path: operator.path("homelab.yaml"),
            lock: None,
            overrides: Overrides::default(),
            pins: Pins::Required,
        };
        let desired = inventory::load(&options).unwrap().desired;
        let (_, token) = operator.world.secrets()[0];
        let token = Secret::new(token);
        let client = ProxmoxClient::new(&desired.proxmox, token.clone()).unwrap();
        let mut targets = Vec::new();
        for (name, node) in &desired.nodes {
            let config = client.guest_config(&node.proxmox_node, node.vmid).await.unwrap().unwrap();
            targets.push(target(&desired, name, &config.values["description"]));
        }
        let first = desired.first_server().name.clone();
        let server = targets.iter().find(|target| target.node == first).unwrap();
        let server = connector(&desired).connect(server).await.unwrap();
        let kubeconfig = cluster::read_kubeconfig(&server).await.unwrap();
        Self { desired, token, targets, server, kubeconfig }
    }

    pub(crate) async fn measure(&self) -> Parts {
        Parts {
            proxmox: self.proxmox().await,
            host: self.hosts(&self.targets[..1]).await,
            kubernetes: self.kubernetes().await,
            hosts: self.hosts(&self.targets).await,
        }
    }

    /// A connection and the list of guests.
    async fn proxmox(&self) -> f64 {
        let begun = Instant::now();
        let client = ProxmoxClient::new(&self.desired.proxmox, self.token.clone()).unwrap();
        client.guests().await.unwrap();
        begun.elapsed().as_secs_f64()
    }

    /// A connection and the probe, on each of them.
    async fn hosts(&self, targets: &[HostTarget]) -> f64 {
        let begun = Instant::now();
        let connector = connector(&self.desired);
        let looks = targets.iter().map(async |target| {
            let host = connector.connect(target).await.unwrap();
            guest::probe(&host).await.unwrap();
            host
        });
        let hosts = join_all(looks).await;
        let seconds = begun.elapsed().as_secs_f64();
        join_all(hosts.iter().map(|host| host.close())).await;
        seconds
    }

    /// A connection through a server, and the list of nodes.
    async fn kubernetes(&self) -> f64 {
        let begun = Instant::now();
        let access = KubeAccess::default();
        let cluster = access.open(&self.server, &self.kubeconfig).await.unwrap();
        cluster.nodes().await.unwrap();
        begun.elapsed().as_secs_f64()
    }
}

fn connector(desired: &Desired) -> SshConnector {
    SshConnector::new(Credentials::new(&desired.access, None))
}

fn target(desired: &Desired, name: &NodeName, description: &str) -> HostTarget {
    let marker = Marker::find(description).unwrap();
    HostTarget {
        node: name.clone(),
        addresses: vec![desired.nodes[name].address.into()],
        port: desired.access.port,
        user: desired.access.user.clone(),
        host_keys: marker.host_keys,
    }
}
