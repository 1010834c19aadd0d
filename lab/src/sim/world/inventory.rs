//! The inventory that fits a world.

use std::net::Ipv4Addr;

use camino::Utf8Path;
use ipnet::Ipv4Net;

use super::{K3S, Options, TAILSCALE, World};

impl World {
    /// An inventory of this world; its nodes are `server` and `agent-1` to `agent-N`.
    pub fn inventory(&self, public_key: &str, private_key: &Utf8Path) -> String {
        let network = self.options.network;
        let (image, k3s, tailscale) = (
            self.files.artifact("image.raw"),
            self.files.artifact("k3s"),
            self.files.artifact("tailscale.tgz"),
        );
        let mut nodes = format!(
            "  server:\n    role: server\n    vmid: 1000\n    address: {}\n",
            address(network, 0)
        );
        for number in 1..=self.options.agents {
            nodes.push_str(&format!(
                "  agent-{number}:\n    role: agent\n    vmid: {}\n    address: {}\n",
                1000 + number,
                address(network, number)
            ));
        }
        let gitops = self
            .gitops
            .as_ref()
            .map(|gitops| gitops.inventory(&self.files.artifact("flux.yaml"), self.options.agents));
        format!(
            "\
version: 1
cluster:
  name: sim
  id: 11111111-2222-4333-8444-5555555555{network:02x}
proxmox:
  endpoint: https://{endpoint}
  tls:
    ca_file: {authority}
  token:
    env: PROXMOX_VE_API_TOKEN
  pool: homelab
  storage:
    disks: local-lvm
    image: local
    seeds: local
image:
  url: {image_url}
  sha256: {image_sha256}
  template: 9000
access:
  user: debian
  port: {port}
  public_keys: [{public_key}]
  private_key: {private_key}
network:
  cidr: 127.{second}.0.0/16
  gateway: 127.{second}.255.254
defaults:
  proxmox_node: pve1
  cores: 2
  memory: 2G
  disk: 6G
nodes:
{nodes}tailnet:
  control:
    headscale:
      login_server: http://{control}
      api_key: {{env: HEADSCALE_API_KEY}}
      user: homelab
  tag: tag:k3s
  tailscale: {{version: {TAILSCALE}, url: '{tailscale_url}', sha256: {tailscale_sha256}}}
k3s:
  version: {K3S}
  cluster_cidr: {pods}
  url: {k3s_url}
  sha256: {k3s_sha256}
{gitops}",
            endpoint = self.endpoints[0],
            authority = self.proxmox.ca_file(),
            image_url = image.url,
            image_sha256 = image.sha256,
            port = self.options.ssh_port,
            second = 64 + network,
            control = self.endpoints[1],
            tailscale_url = tailscale.url,
            tailscale_sha256 = tailscale.sha256,
            pods = pods(&self.options),
            k3s_url = k3s.url,
            k3s_sha256 = k3s.sha256,
            gitops = gitops.unwrap_or_default(),
        )
    }
}

/// The pods' network: a /24 for each node, and for some that come later.
pub(super) fn pods(options: &Options) -> Ipv4Net {
    let few = options.agents < 200;
    let (network, prefix) = if few { ([10, 42, 0, 0], 16) } else { ([10, 64, 0, 0], 14) };
    Ipv4Net::new_assert(network.into(), prefix)
}

/// The loopback address of a node: `127.64+NETWORK.X.Y`.
pub(super) fn address(network: u8, number: u32) -> Ipv4Addr {
    let base = u32::from(Ipv4Addr::new(127, 64 + network, 1, 0));
    Ipv4Addr::from(base + 10 + number)
}
