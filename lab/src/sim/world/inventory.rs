//! The inventory that fits a world.

use std::net::Ipv4Addr;

use camino::Utf8Path;
use ipnet::Ipv4Net;

use super::{Options, World};
use crate::sim::own::{Own, Translation};

impl World {
    /// An inventory of this world; its nodes are `server` and `agent-1` to `agent-N`.
    pub fn inventory(&self, public_key: &str, private_key: &Utf8Path) -> String {
        let network = self.options.network;
        let terrain = &self.options.terrain;
        let (k3s_version, tailscale_version) = (&terrain.k3s[0], &terrain.tailscale[0]);
        let (image, k3s, tailscale) = (
            self.files.artifact("image.raw"),
            self.files.k3s(k3s_version),
            self.files.tailscale(tailscale_version),
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
  tailscale: {{version: {tailscale_version}, url: '{tailscale_url}', sha256: {tailscale_sha256}}}
k3s:
  version: {k3s_version}
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

    /// Somebody's own inventory as it is in this world; it must be one that [`Options::terrain`] was made for.
    ///
    /// # Errors
    /// When it can't be written as YAML.
    pub fn translate(
        &self,
        own: &Own,
        public_key: &str,
        private_key: &Utf8Path,
    ) -> Result<Translation, serde_saphyr::ser::Error> {
        let ours = self.inventory(public_key, private_key);
        let ours = serde_saphyr::from_str(&ours).expect("an inventory of our own is YAML");
        let release = |name: &str, version: &str| match name {
            "k3s" => self.files.k3s(version),
            _ => self.files.tailscale(version),
        };
        own.translate(&ours, &self.options.terrain, release, |number| self.address(number))
    }
}

/// The pods' network: a /24 for each node, and for some that come later.
pub(super) fn pods(options: &Options) -> Ipv4Net {
    if let Some(pods) = options.terrain.pods {
        return pods;
    }
    let few = options.agents < 200;
    let (network, prefix) = if few { ([10, 42, 0, 0], 16) } else { ([10, 64, 0, 0], 14) };
    Ipv4Net::new_assert(network.into(), prefix)
}

/// The loopback address of a node: `127.64+NETWORK.X.Y`.
pub(super) fn address(network: u8, number: u32) -> Ipv4Addr {
    let base = u32::from(Ipv4Addr::new(127, 64 + network, 1, 0));
    Ipv4Addr::from(base + 10 + number)
}
