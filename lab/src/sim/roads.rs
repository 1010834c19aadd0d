//! The networks of the simulated world: whom a guest reaches by TCP, and by what address.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Weak},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};

use super::{
    guest::Guest,
    hypervisor::SimHypervisor,
    kubernetes::Kubernetes,
    ssh::{Opening, Roads, Stream},
};

/// Where a server's API listens.
const API_PORT: u16 = 6443;
/// What a connection holds before its reader takes it, in bytes.
const BUFFER: usize = 64 << 10;

/// The ways between the guests of a world, to the cluster's DNS and its API.
pub struct Network {
    pub hypervisor: Weak<SimHypervisor>,
    pub kubernetes: Arc<Kubernetes>,
}

impl Network {
    fn guest_at(&self, address: Ipv4Addr) -> Option<Arc<Guest>> {
        let guests = self.hypervisor.upgrade()?.guests();
        guests.into_iter().find(|guest| addresses(guest).contains(&address))
    }

    /// Whether a guest has this address and its interface.
    pub fn answers(&self, address: Ipv4Addr) -> bool {
        self.guest_at(address).is_some()
    }
}

/// By the LAN, the tailnet and the pods' network.
fn addresses(guest: &Guest) -> Vec<Ipv4Addr> {
    let (lan, pods, device) = {
        let state = guest.state();
        let lan = state.ethernet.as_ref().map(|ethernet| ethernet.address);
        let pods = state.flannel.as_ref().map(|flannel| flannel.pods.network());
        let online = state.units.is_active("tailscaled.service");
        (lan, pods, state.tailscale.device.clone().filter(|_| online))
    };
    let tailnet =
        device.and_then(|id| guest.surroundings().device(&id)).map(|device| device.address);
    [lan, pods, tailnet].into_iter().flatten().collect()
}

impl Roads for Network {
    fn open<'a>(&'a self, from: &'a Guest, address: IpAddr, port: u16) -> Opening<'a> {
        Box::pin(async move {
            let IpAddr::V4(address) = address else { return None };
            if address.is_loopback() && port == API_PORT {
                if !from.state().units.is_active("k3s.service") {
                    return None;
                }
                let (near, far) = tokio::io::duplex(BUFFER);
                tokio::spawn(self.kubernetes.clone().serve(far));
                return Some(Box::new(near) as Box<dyn Stream>);
            }
            if port == 53 {
                // Whatever network the services have: k3s gives its DNS the tenth address of it.
                let (near, far) = tokio::io::duplex(BUFFER);
                tokio::spawn(answer_names(far, address));
                return Some(Box::new(near) as Box<dyn Stream>);
            }
            let peer = self.guest_at(address)?;
            let lan = peer.state().ethernet.as_ref()?.address;
            let stream = TcpStream::connect(SocketAddr::new(lan.into(), port)).await.ok()?;
            Some(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// The cluster's DNS over TCP: every name is the API's service address, the first of the network that the
/// server is the tenth of.
async fn answer_names(mut stream: DuplexStream, server: Ipv4Addr) {
    let service = Ipv4Addr::from(u32::from(server).saturating_sub(9));
    let question = async {
        let length = stream.read_u16().await?;
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await?;
        std::io::Result::Ok(message)
    };
    let Ok(question) = question.await else { return };
    let Some(body) = question.get(12..) else { return };
    let mut answer = question[..2].to_vec();
    // A recursive answer without an error: one question, one record.
    answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend(body);
    // The name by a pointer to the question; A, IN, five seconds.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
    answer.extend(service.octets());
    let Ok(length) = u16::try_from(answer.len()) else { return };
    // Whoever hung up wants no answer.
    let _ = stream.write_all(&[length.to_be_bytes().as_slice(), &answer].concat()).await;
}
