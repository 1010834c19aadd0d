//! What the guests of a world reach: the tailnet, the cluster, each other.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    cluster::Cluster,
    guest::surroundings::{ClusterSecrets, Device, JoinRequest, NodeReport, Peer, Surroundings},
    roads::Network,
    tailnet::{self, Joining, Tailnet},
};

/// The surroundings of every guest of a world.
pub struct Outside {
    pub tailnet: Arc<Tailnet>,
    pub cluster: Cluster,
    pub network: Arc<Network>,
}

impl Outside {
    fn seen(&self, device: &tailnet::Device) -> Device {
        Device {
            id: device.id.clone(),
            name: device.name.clone(),
            address: device.ipv4,
            tags: device.tags.clone(),
            expiry: device.expires.map(|time| time.to_string()),
        }
    }
}

impl Surroundings for Outside {
    fn join(&self, request: &JoinRequest) -> Result<Device, String> {
        let machine = format!("mkey:{}", request.machine);
        let joining = Joining {
            auth_key: &request.key,
            hostname: &request.hostname,
            machine: &machine,
            // One for each login.
            node_key: &format!("nodekey:{}", uuid::Uuid::new_v4().simple()),
        };
        let joined = self.tailnet.register(&joining).map_err(|error| error.to_string())?;
        let device = self.tailnet.device(&joined.device);
        device.map(|device| self.seen(&device)).ok_or_else(|| "it was deleted".to_owned())
    }

    fn device(&self, id: &str) -> Option<Device> {
        self.tailnet.device(id).map(|device| self.seen(&device))
    }

    fn log_out(&self, id: &str) {
        self.tailnet.logout(id);
    }

    fn set_online(&self, id: &str, online: bool) {
        self.tailnet.set_online(id, online);
    }

    fn cluster(&self, _machine: &str) -> ClusterSecrets {
        self.cluster.secrets()
    }

    fn node_reports(&self, report: &NodeReport) -> Result<ipnet::Ipv4Net, String> {
        self.cluster.report(report)
    }

    fn node_is_silent(&self, name: &str) {
        self.cluster.is_silent(name);
    }

    fn peers(&self, name: &str) -> Vec<Peer> {
        self.cluster.peers(name)
    }

    fn answers(&self, address: Ipv4Addr) -> bool {
        self.network.answers(address)
    }
}
