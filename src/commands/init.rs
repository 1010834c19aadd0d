//! `homelab init`: a commented inventory from flags, or what Proxmox and the tailnet must allow.

use std::net::Ipv4Addr;

use clap::Subcommand;
use ipnet::Ipv4Net;

use super::{role, session::load, tailnet_policy};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::{
        self,
        desired::{Overlay, TailnetPlan},
        new::{NewInventory, NewTls},
    },
    model::NodeName,
};

/// The versions that a new inventory names; `homelab lock` pins them.
const TAILSCALE: &str = "1.102.5";
const K3S: &str = "v1.34.4+k3s1";
const IMAGE: &str =
    "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2";

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  homelab init --endpoint https://192.168.1.10:8006 --fingerprint AB:CD:... \\
      --network 192.168.1.0/24 --server k3s-server=192.168.1.102 \\
      --agent k3s-agent-1=192.168.1.101 --agent k3s-agent-2=192.168.1.103
  homelab init proxmox-role --major 9     what to type on the Proxmox host, once
  homelab init tailnet-policy             what the tailnet's policy must say")]
pub struct Args {
    #[command(subcommand)]
    pub print: Option<Print>,
    #[command(flatten)]
    pub facts: Facts,
}

#[derive(Debug, Subcommand)]
pub enum Print {
    /// Print the least-privilege role, user, token and ACLs for Proxmox
    ProxmoxRole {
        /// The major version of Proxmox VE: 8 or 9
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(8..=9))]
        major: u32,
        /// The token's id
        #[arg(long, default_value = role::DEFAULT_TOKEN)]
        token: String,
    },
    /// Print the tag owners, grants and scopes that the tailnet needs
    TailnetPolicy,
}

#[derive(Debug, clap::Args)]
pub struct Facts {
    /// The cluster's name
    #[arg(long, default_value = "homelab")]
    pub cluster: String,
    /// The Proxmox API
    #[arg(long, default_value = "https://192.168.1.10:8006", value_name = "URL")]
    pub endpoint: String,
    /// SHA-256 fingerprint of the Proxmox certificate
    #[arg(long, conflicts_with = "ca_file")]
    pub fingerprint: Option<String>,
    /// The CA's PEM file (/etc/pve/pve-root-ca.pem of the host)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<String>,
    /// The Proxmox node that the guests go to
    #[arg(long, default_value = "pve")]
    pub proxmox_node: String,
    /// The storage of the guests' disks
    #[arg(long, default_value = "local-lvm")]
    pub storage: String,
    /// The cloud image
    #[arg(long, default_value = IMAGE, value_name = "URL")]
    pub image: String,
    /// The user that is made in the guests
    #[arg(long, default_value = "debian")]
    pub user: String,
    /// The LAN
    #[arg(long, default_value = "192.168.1.0/24", value_name = "CIDR")]
    pub network: Ipv4Net,
    /// Its gateway (default: the network's first host)
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<Ipv4Addr>,
    /// A server; the first one makes the cluster
    #[arg(long = "server", value_name = "NAME=ADDRESS", value_parser = named)]
    pub servers: Vec<(NodeName, Ipv4Addr)>,
    /// An agent
    #[arg(long = "agent", value_name = "NAME=ADDRESS", value_parser = named)]
    pub agents: Vec<(NodeName, Ipv4Addr)>,
    /// The first node's VMID; the others count up
    #[arg(long, default_value_t = 101)]
    pub vmid: u32,
    /// The template's VMID
    #[arg(long, default_value_t = 9000)]
    pub template: u32,
    /// Headscale's address (default: Tailscale's own service)
    #[arg(long, value_name = "URL")]
    pub headscale: Option<String>,
    /// The id of Tailscale's OAuth client
    #[arg(long, value_name = "ID")]
    pub oauth_client: Option<String>,
}

fn named(text: &str) -> Result<(NodeName, Ipv4Addr), String> {
    let (name, address) = text.split_once('=').ok_or("expected NAME=ADDRESS")?;
    let name = name.parse::<NodeName>().map_err(|error| error.to_string())?;
    let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
    Ok((name, address))
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    match args.print {
        Some(Print::ProxmoxRole { major, token }) => {
            let scope = match inventory_there(global) {
                true => role::Scope::of(&load(global).await?),
                false => role::Scope::placeholders(),
            };
            anstream::print!("{}", role::text(&scope, major, &token));
            Ok(())
        }
        Some(Print::TailnetPolicy) => {
            let (plan, overlay): (TailnetPlan, Overlay) = match inventory_there(global) {
                true => {
                    let desired = load(global).await?;
                    (desired.tailnet, desired.k3s.overlay)
                }
                false => {
                    return Err(Failure::new(
                        Kind::Usage,
                        "the policy follows from the inventory's tag and overlay, and there is no inventory",
                    )
                    .at(&global.config)
                    .hint("`homelab init` writes one"));
                }
            };
            anstream::print!("{}", tailnet_policy::text(&plan, overlay));
            Ok(())
        }
        None => write(global, args.facts),
    }
}

fn inventory_there(global: &Global) -> bool {
    global.config.exists()
}

fn write(global: &Global, facts: Facts) -> Result<()> {
    let mut servers = facts.servers;
    if servers.is_empty() {
        let host = facts.network.hosts().nth(100).unwrap_or_else(|| facts.network.addr());
        servers.push((named_server(), host));
    }
    let new = NewInventory {
        cluster: facts.cluster,
        endpoint: facts.endpoint,
        tls: match (facts.fingerprint, facts.ca_file) {
            (Some(fingerprint), _) => NewTls::Fingerprint(fingerprint),
            (None, Some(file)) => NewTls::CaFile(file),
            (None, None) => NewTls::System,
        },
        proxmox_node: facts.proxmox_node,
        disk_storage: facts.storage,
        image_url: facts.image,
        user: facts.user,
        network: facts.network,
        gateway: facts.gateway,
        servers,
        agents: facts.agents,
        first_vmid: facts.vmid,
        template: facts.template,
        headscale: facts.headscale,
        oauth_client: facts.oauth_client,
        tailscale_version: TAILSCALE.to_owned(),
        k3s_version: K3S.to_owned(),
    };
    let text = inventory::new::new_inventory(&new, &global.config)?;
    inventory::new::write_new(&global.config, &text)?;
    anstream::eprintln!("Next: look through it, then `homelab lock`, then `homelab plan`.");
    anstream::println!("{}", global.config);
    Ok(())
}

fn named_server() -> NodeName {
    "k3s-server".parse().expect("it is a DNS label")
}
