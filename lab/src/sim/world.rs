//! A whole simulated world: Proxmox, guests, tailnet, cluster, publishers.

mod inventory;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    answers::Guests,
    cluster::Cluster,
    files::Files,
    gate::Gate,
    git::GitHost,
    gitops::Gitops,
    hypervisor::{Connection, SimHypervisor},
    kubernetes::Kubernetes,
    outside::Outside,
    own::Terrain,
    roads::Network,
    ssh::Site,
    tailnet::{self, Plane, Running as Control, Settings, Tailnet},
    tools::Tools,
    wire::{Relay, Wire},
};
use crate::pve::{AccessSetup, Config, GuestSetup, NodeConfig, Running, Server, Setup, TokenSetup};

/// A guest that is nobody's and must stay as it is.
pub const BYSTANDER: u32 = 104;
const USER: &str = "homelab@pve";
const TOKEN: &str = "homelab";

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Agents beside the one server.
    pub agents: u32,
    /// The second byte of the guests' loopback addresses is 64 more than this: worlds stand side by side.
    pub network: u8,
    /// Where sshd listens on each guest: above 1023 without root.
    pub ssh_port: u16,
    /// How much of the real Proxmox server's delays pass: 1.0 is real.
    pub pace: f64,
    /// From the start of a guest until its sshd answers.
    pub boot: Duration,
    /// How far the operator is from Proxmox, the guests and the control plane; next to them without one.
    pub wire: Option<Wire>,
    /// Whether there is a Git host, Flux that reads from it, and what comes with them.
    pub gitops: bool,
    /// Who runs what guests are sent.
    pub guests: Guests,
    /// What there is for an inventory to name.
    pub terrain: Terrain,
}

impl Default for Options {
    fn default() -> Self {
        let boot = Duration::ZERO;
        Self {
            agents: 2,
            network: 0,
            ssh_port: 2222,
            pace: 0.0,
            boot,
            wire: None,
            gitops: false,
            guests: Guests::Real,
            terrain: Terrain::default(),
        }
    }
}

/// A world; dropping it ends everything in it.
pub struct World {
    options: Options,
    folder: Utf8PathBuf,
    token: String,
    headscale_key: String,
    server_token: String,
    /// Proxmox and the control plane, as the operator reaches them.
    endpoints: [SocketAddr; 2],
    _relays: Vec<Relay>,
    proxmox: Running,
    _control: Control,
    files: Files,
    gitops: Option<Gitops>,
    pub gate: Gate,
    pub kubernetes: Arc<Kubernetes>,
    pub tailnet: Arc<Tailnet>,
    pub hypervisor: Arc<SimHypervisor>,
    tools: Arc<Tools>,
    surroundings: Arc<Outside>,
}

/// Why a world did not come to be.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Start(#[from] crate::pve::StartError),
    #[error(transparent)]
    Furnish(#[from] crate::pve::SetupError),
    #[error(transparent)]
    Authority(#[from] super::kubernetes::AuthorityError),
}

impl World {
    /// Makes a world below `folder`, which must be empty.
    ///
    /// # Errors
    /// When a port or a loopback address can't be had, or the folder can't be written.
    pub async fn start(folder: Utf8PathBuf, options: Options) -> Result<Self, WorldError> {
        let gate = Gate::default();
        let terrain = &options.terrain;
        let kubernetes = Kubernetes::new(gate.clone(), &terrain.k3s[0])?;
        let mut settings = Settings::new(Plane::Headscale(tailnet::Release::V0_29));
        for tag in &terrain.tags {
            settings.tag_owners.insert(tag.clone(), vec![tag.clone()]);
        }
        let tailnet = Tailnet::new(gate.clone(), settings);
        tailnet.add_user(TOKEN);
        let headscale_key = tailnet.issue_api_key();
        let control = tailnet::start(&tailnet, (Ipv4Addr::LOCALHOST, 0).into()).await?;
        let files = Files::start(&terrain.k3s, &terrain.tailscale).await?;
        let tools = Arc::new(Tools::start(folder.join("programs")).await?);
        let guests = folder.join("guests");
        let server_token = uuid::Uuid::new_v4().simple().to_string();
        let hypervisor = Arc::new(SimHypervisor::new(guests, options.ssh_port, options.boot));
        let network = Arc::new(Network {
            hypervisor: Arc::downgrade(&hypervisor),
            kubernetes: kubernetes.clone(),
        });
        let surroundings = Arc::new(Outside {
            tailnet: tailnet.clone(),
            cluster: Cluster::new(kubernetes.clone(), &server_token, inventory::pods(&options)),
            network: network.clone(),
        });
        let wire = options.wire.clone().unwrap_or_default();
        let guests = options.guests;
        let site = Site { tools: tools.clone(), gate: gate.clone(), roads: network, wire, guests };
        hypervisor.connect(Connection { site, surroundings: surroundings.clone() });
        let config = Config {
            nodes: terrain.proxmox_nodes.iter().map(|name| proxmox_node(name, terrain)).collect(),
            storages: terrain.storages.clone(),
            pace: options.pace,
            hypervisor: hypervisor.clone(),
            paper: None,
            gate: gate.clone(),
            ..Config::recording((Ipv4Addr::LOCALHOST, 0).into(), folder.join("proxmox"))
        };
        let proxmox = Server::start(config).await?;
        let secrets = proxmox.furnish(&setup(terrain)).await?;
        let id = format!("{USER}!{TOKEN}");
        let token = format!("{id}={}", secrets[&id]);
        let mut endpoints = [proxmox.address(), control.address()];
        let mut relays = Vec::new();
        if let Some(wire) = &options.wire {
            for endpoint in &mut endpoints {
                let relay = Relay::start(*endpoint, wire.clone()).await?;
                *endpoint = relay.address();
                relays.push(relay);
            }
        }
        let gitops = match options.gitops {
            true => Some(Gitops::start(&gate, &kubernetes, &folder, &options).await?),
            false => None,
        };
        gate.forget();
        let world = Self {
            options,
            folder,
            token,
            headscale_key,
            server_token,
            endpoints,
            _relays: relays,
            proxmox,
            _control: control,
            files,
            gitops,
            gate,
            kubernetes,
            tailnet,
            hypervisor,
            tools,
            surroundings,
        };
        Ok(world)
    }

    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// The emulated Proxmox VE.
    pub fn proxmox(&self) -> &Running {
        &self.proxmox
    }

    /// Whole secrets of the world, by the variables that the inventory names.
    pub fn secrets(&self) -> Vec<(&'static str, &str)> {
        let mut secrets = vec![
            ("PROXMOX_VE_API_TOKEN", self.token.as_str()),
            ("HEADSCALE_API_KEY", self.headscale_key.as_str()),
        ];
        secrets.extend(self.gitops.iter().flat_map(Gitops::secrets));
        secrets
    }

    /// The Git host, where there is one.
    pub fn git(&self) -> Option<&GitHost> {
        self.gitops.as_ref().map(|gitops| &*gitops.git)
    }

    /// The password half of the token that servers join with.
    pub fn server_token(&self) -> &str {
        &self.server_token
    }

    /// What anybody on a guest could have seen of what ran there.
    pub fn command_lines(&self) -> Vec<String> {
        self.tools.command_lines()
    }

    /// The variables of what ran there, each different set of them once.
    pub fn environments(&self) -> BTreeSet<String> {
        self.tools.environments()
    }

    /// Forgets what was asked for and what was seen of it.
    pub(super) fn forget(&self) {
        self.gate.forget();
        self.tools.forget();
    }

    /// What an inventory can name here.
    pub(super) fn terrain(&self) -> &Terrain {
        &self.options.terrain
    }

    pub(super) fn surroundings(&self) -> &Outside {
        &self.surroundings
    }

    /// Where the inventory has the age key of the tree's Secrets.
    pub fn age_key(&self) -> Option<&Utf8Path> {
        self.gitops.as_ref().map(|gitops| &*gitops.age_key)
    }

    /// The loopback address of the node of that number; the server is 0.
    pub fn address(&self, number: u32) -> Ipv4Addr {
        inventory::address(self.options.network, number)
    }
}

/// A token that may do everything, as `homelab init proxmox-role` is not what is rehearsed here, and a
/// bystander.
fn setup(terrain: &Terrain) -> Setup {
    let id = format!("{USER}!{TOKEN}");
    let access = [USER.to_owned(), id].map(|subject| AccessSetup {
        path: "/".to_owned(),
        subject,
        role: "Administrator".to_owned(),
        propagate: true,
    });
    Setup {
        users: vec![USER.to_owned()],
        tokens: vec![TokenSetup {
            user: USER.to_owned(),
            name: TOKEN.to_owned(),
            separated: true,
            expire: 0,
        }],
        access: access.into(),
        pools: terrain.pools.clone(),
        // Not where somebody wants its place.
        guests: if terrain.vmids.contains(&BYSTANDER) { Vec::new() } else { vec![bystander()] },
        ..Setup::default()
    }
}

fn bystander() -> GuestSetup {
    GuestSetup {
        vmid: BYSTANDER,
        name: "gameserver".to_owned(),
        node: None,
        disk_gib: 1,
        running: false,
    }
}

/// A host with room for everybody.
fn proxmox_node(name: &str, terrain: &Terrain) -> NodeConfig {
    NodeConfig {
        cores: 64,
        memory_bytes: 4 << 40,
        bridges: terrain.bridges.clone(),
        ..NodeConfig::new(name, "127.0.0.1")
    }
}

impl World {
    /// Names, tags and whether they are online, of the devices; how many keys could still be used.
    pub(super) fn tailnet_picture(&self) -> (Vec<String>, usize) {
        let mut devices: Vec<String> = self
            .tailnet
            .devices()
            .iter()
            .map(|device| {
                let online = if device.online { "online" } else { "offline" };
                format!("{} ({}) {online}", device.name, device.tags.join(","))
            })
            .collect();
        devices.sort();
        let now = self.tailnet.now();
        let keys = self.tailnet.keys().iter().filter(|key| key.is_valid(now)).count();
        (devices, keys)
    }
}
