//! `homelab init`: a commented inventory from flags, or what Proxmox and the tailnet must allow.

use std::{net::Ipv4Addr, path::PathBuf};

use camino::Utf8Path;
use clap::Subcommand;
use ipnet::Ipv4Net;

mod conversation;
mod fingerprint;
mod found;
mod next;
mod wizard;

use super::{
    bucket_policy, role,
    session::{load, wants_json},
    tailnet_policy,
};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::{
        self, Pins,
        new::{NewInventory, NewTls},
    },
    model::NodeName,
    render::{self, output},
};

/// The versions that a new inventory names; `homelab lock` pins them.
const TAILSCALE: &str = "1.102.5";
/// From here on Flannel keeps its routes when tailscaled restarts (TS-08).
const K3S: &str = "v1.34.9+k3s1";
const IMAGE: &str =
    "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2";

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  homelab init fingerprint --endpoint https://192.168.1.10:8006
                                          what to give as --fingerprint, once compared
  homelab init --ask                      asked for everything, with what Proxmox has on offer
  homelab init --endpoint https://192.168.1.10:8006 --fingerprint 5D:3A:... \\
      --network 192.168.1.0/24 --server k3s-server=192.168.1.102 \\
      --agent k3s-agent-1=192.168.1.101 --agent k3s-agent-2=192.168.1.103
  homelab init proxmox-role               what to type on the Proxmox host, once
  homelab init tailnet-policy             what the tailnet's policy must say
  homelab init bucket-policy              what the keys of backups must be allowed")]
pub struct Args {
    #[command(subcommand)]
    pub print: Option<Print>,
    #[command(flatten)]
    pub facts: Facts,
}

#[derive(Debug, Subcommand)]
pub enum Print {
    /// Show the fingerprint of the certificate that Proxmox shows, to be compared on its host
    #[command(after_help = "Examples:
  homelab init fingerprint --endpoint https://192.168.1.10:8006

On the Proxmox host the same is printed by
  openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem
(pveproxy-ssl.pem where that file exists). Pin it only when both are the same.")]
    Fingerprint {
        /// The Proxmox API (default: the inventory's)
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
    },
    /// Print the least-privilege role, user, token and ACLs for Proxmox
    #[command(after_help = "Examples:
  homelab init proxmox-role                               for the inventory, or Proxmox's own names
  homelab init proxmox-role --token 'me@pve!homelab'      for a token of another name
  homelab init proxmox-role -o json                       roles and grants as data")]
    ProxmoxRole {
        /// The major version of Proxmox VE: 8 or 9
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(8..=9))]
        major: u32,
        /// The token's id, `user@realm!name`: never its secret
        #[arg(long, value_name = "ID", default_value = role::DEFAULT_TOKEN)]
        token: String,
    },
    /// Print the tag owners, grants and scopes that the tailnet needs
    #[command(after_help = "Examples:
  homelab init tailnet-policy             to be merged into the tailnet's policy")]
    TailnetPolicy,
    /// Print the least-privilege IAM policy of each key that writes backups
    #[command(after_help = "Examples:
  homelab init bucket-policy > policy.json    what to do with it is told on stderr
  homelab init bucket-policy -o json          with several keys: each with its purposes")]
    BucketPolicy,
}

#[derive(Debug, clap::Args)]
pub struct Facts {
    /// Ask for everything, offering what Proxmox has; the flags are what is offered first
    #[arg(long)]
    pub ask: bool,
    /// The cluster's name
    #[arg(long, default_value = "homelab")]
    pub cluster: String,
    /// The Proxmox API
    #[arg(long, default_value = "https://192.168.1.10:8006", value_name = "URL")]
    pub endpoint: String,
    /// SHA-256 fingerprint of the Proxmox certificate; `homelab init fingerprint` shows it
    #[arg(long, conflicts_with = "ca_file")]
    pub fingerprint: Option<String>,
    /// The CA's PEM file (/etc/pve/pve-root-ca.pem of the host)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub ca_file: Option<String>,
    /// The Proxmox node that the guests go to
    #[arg(long, default_value = "pve")]
    pub proxmox_node: String,
    /// The pool of the guests: the token's rights end there
    #[arg(long, default_value = role::DEFAULT_POOL)]
    pub pool: String,
    /// The storage of the guests' disks
    #[arg(long, default_value = "local-lvm")]
    pub storage: String,
    /// The storage of the cloud image (content `import`)
    #[arg(long, default_value = "local", value_name = "STORAGE")]
    pub image_storage: String,
    /// The storage of the seeds (content `iso`)
    #[arg(long, default_value = "local", value_name = "STORAGE")]
    pub seed_storage: String,
    /// The bridge of the guests
    #[arg(long, default_value = "vmbr0")]
    pub bridge: String,
    /// The cloud image
    #[arg(long, default_value = IMAGE, value_name = "URL")]
    pub image: String,
    /// The user that is made in the guests
    #[arg(long, default_value = "debian")]
    pub user: String,
    /// The LAN
    #[arg(long, default_value = "192.168.1.0/24", value_name = "CIDR", value_parser = network)]
    pub network: Ipv4Net,
    /// Its gateway (default: the network's first host)
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<Ipv4Addr>,
    /// A server; the first one makes the cluster (default: k3s-server, the LAN's 101st host)
    #[arg(long = "server", value_name = "NAME=ADDRESS", value_parser = named)]
    pub servers: Vec<(NodeName, Ipv4Addr)>,
    /// An agent
    #[arg(long = "agent", value_name = "NAME=ADDRESS", value_parser = named)]
    pub agents: Vec<(NodeName, Ipv4Addr)>,
    /// The first node's VMID; the others count up (default: each the last number of its address, where all of
    /// those are from 100 on and differ; else from 101)
    #[arg(long)]
    pub vmid: Option<u32>,
    /// The template's VMID
    #[arg(long, default_value_t = 9000)]
    pub template: u32,
    /// Headscale's address (default: Tailscale's own service)
    #[arg(long, value_name = "URL", conflicts_with = "oauth_client")]
    pub headscale: Option<String>,
    /// The id of Tailscale's OAuth client
    #[arg(long, value_name = "ID")]
    pub oauth_client: Option<String>,
}

fn network(text: &str) -> Result<Ipv4Net, String> {
    text.parse().map_err(|_| "an IPv4 network such as 192.168.1.0/24 is wanted".to_owned())
}

fn named(text: &str) -> Result<(NodeName, Ipv4Addr), String> {
    let (name, address) = text.split_once('=').ok_or("expected NAME=ADDRESS")?;
    let name = name.parse::<NodeName>().map_err(|error| error.to_string())?;
    let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
    Ok((name, address))
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    match args.print {
        Some(Print::Fingerprint { endpoint }) => fingerprint::run(global, endpoint).await,
        Some(Print::ProxmoxRole { major, token }) => proxmox_role(global, major, &token),
        Some(Print::TailnetPolicy) => policy(global),
        Some(Print::BucketPolicy) => buckets(global),
        None if args.facts.ask => write(global, wizard::run(global, args.facts).await?),
        None => write(global, args.facts),
    }
}

fn proxmox_role(global: &Global, major: u32, token: &str) -> Result<()> {
    if !role::is_token_id(token) {
        // What was given may be a secret, so it is not repeated.
        let failure = Failure::new(Kind::Usage, "--token takes a token's id: user@realm!name");
        return Err(match token.contains('=') {
            true => failure
                .hint("give what stands before the `=`; the secret belongs into `proxmox.token`"),
            false => failure.hint(format!("such as '{}'", role::DEFAULT_TOKEN)),
        });
    }
    let assumed = !inventory_there(global);
    let scope = match assumed {
        true => role::Scope::placeholders(),
        false => role::Scope::of(&load(global, Pins::Optional)?),
    };
    if wants_json(global) {
        let mut document = role::document(&scope, token);
        if assumed {
            document["assumed"] = role::assumption::document(&scope);
        }
        return render::document(&document);
    }
    let assumption = match assumed {
        true => role::assumption::text(&scope, &global.config),
        false => String::new(),
    };
    output::data(assumption + &role::text(&scope, major, token))
}

fn policy(global: &Global) -> Result<()> {
    if !inventory_there(global) {
        return Err(Failure::new(
            Kind::Usage,
            "the policy follows from the inventory's tag and overlay, and there is no inventory",
        )
        .at(&global.config)
        .hint("`homelab init` writes one"));
    }
    let desired = load(global, Pins::Optional)?;
    let operator = desired.gitops.as_ref().and_then(|gitops| gitops.tailscale_operator.as_ref());
    let text = tailnet_policy::text(&desired.tailnet, desired.k3s.overlay, operator);
    if wants_json(global) {
        return render::document(&serde_json::json!({ "policy": text }));
    }
    output::data(text)
}

fn buckets(global: &Global) -> Result<()> {
    if !inventory_there(global) {
        return Err(Failure::new(
            Kind::Usage,
            "the policy follows from the inventory's buckets, and there is no inventory",
        )
        .at(&global.config)
        .hint("`homelab init` writes one"));
    }
    let policies = bucket_policy::policies(&load(global, Pins::Optional)?);
    if wants_json(global) {
        let documents: Vec<serde_json::Value> = policies
            .iter()
            .map(|policy| {
                let purposes: Vec<&str> = policy.purposes.iter().map(|it| it.name()).collect();
                serde_json::json!({
                    "key": policy.key,
                    "backups_of": purposes,
                    "policy": policy.document,
                })
            })
            .collect();
        return render::document(&documents);
    }
    if policies.is_empty() {
        return Err(Failure::new(Kind::Usage, "the inventory names no bucket")
            .at(&global.config)
            .hint(
                "`k3s.datastore_backup`, `longhorn.backup` and `gitops.cloudnative_pg.backup` do",
            ));
    }
    for policy in &policies {
        let text = serde_json::to_string_pretty(&policy.document).map_err(|error| {
            Failure::new(Kind::Runtime, format!("the policy cannot be written: {error}"))
        })?;
        output::line(text)?;
    }
    if !global.quiet {
        output::talk(bucket_policy::instructions(&policies));
    }
    Ok(())
}

fn inventory_there(global: &Global) -> bool {
    global.config.exists()
}

fn write(global: &Global, facts: Facts) -> Result<()> {
    let mut servers = facts.servers;
    if servers.is_empty() && !facts.agents.is_empty() {
        return Err(Failure::new(Kind::Usage, "an agent needs a server to join")
            .hint("give one, too: --server k3s-server=ADDRESS"));
    }
    let made_up = match servers.is_empty() {
        true => {
            let host = default_server(facts.network, facts.gateway).ok_or_else(|| {
                let message = format!("{} has no room for a gateway and a server", facts.network);
                Failure::new(Kind::Usage, message).hint("give a larger one as --network")
            })?;
            servers.push((named_server(), host));
            Some(host)
        }
        false => None,
    };
    let new = NewInventory {
        cluster: facts.cluster,
        endpoint: facts.endpoint,
        tls: match (facts.fingerprint, facts.ca_file) {
            (Some(fingerprint), _) => NewTls::Fingerprint(fingerprint),
            (None, Some(file)) => NewTls::CaFile(authority(&global.config, file)?),
            (None, None) => NewTls::System,
        },
        pool: facts.pool,
        proxmox_node: facts.proxmox_node,
        bridge: facts.bridge,
        disk_storage: facts.storage,
        image_storage: facts.image_storage,
        seed_storage: facts.seed_storage,
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
    let text = inventory::new::new_inventory(&new)?;
    inventory::new::write_new(&global.config, &text)?;
    if let Some(host) = made_up.filter(|_| !global.quiet) {
        output::say(format_args!(
            "no --server was given: the inventory names one, k3s-server at {host}"
        ));
    }
    let steps = next::steps(&new, &global.config, has_key());
    if wants_json(global) {
        let steps: Vec<_> = steps
            .iter()
            .map(|step| serde_json::json!({ "command": step.command, "why": step.why }))
            .collect();
        let document = serde_json::json!({ "inventory": global.config, "next": steps });
        return render::document(&document);
    }
    output::line(&global.config)?;
    if !global.quiet {
        output::say(next::text(&steps));
    }
    Ok(())
}

/// The network's 101st host, or the last one before it that is not the gateway.
fn default_server(network: Ipv4Net, gateway: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let gateway = gateway.or_else(|| network.hosts().next());
    if network.prefix_len() > 30 {
        return None;
    }
    network.hosts().take(101).filter(|host| Some(*host) != gateway).last()
}

/// The CA's file, as the inventory that names it will look for it.
fn authority(inventory: &Utf8Path, file: String) -> Result<String> {
    let found = path_of(inventory, &file);
    if found.is_file() {
        return Ok(file);
    }
    Err(Failure::new(Kind::Usage, "--ca-file names a file that is not there")
        .at(found.display())
        .hint("it is the Proxmox host's /etc/pve/pve-root-ca.pem: copy it")
        .hint("a relative path begins in the inventory's folder"))
}

/// Whether there is the key that the new inventory names.
fn has_key() -> bool {
    path_of(Utf8Path::new(""), inventory::new::PUBLIC_KEY).exists()
}

/// A path of an inventory: relative ones begin in its folder.
fn path_of(inventory: &Utf8Path, file: &str) -> PathBuf {
    match (file.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => inventory.parent().unwrap_or(Utf8Path::new("")).join(file).into(),
    }
}

fn named_server() -> NodeName {
    "k3s-server".parse().expect("it is a DNS label")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_that_nobody_named_has_a_hosts_address() {
        let server = |network: &str, gateway: Option<&str>| {
            let gateway = gateway.map(|gateway| gateway.parse().unwrap());
            default_server(network.parse().unwrap(), gateway).map(|host| host.to_string())
        };
        assert_eq!(server("192.168.1.0/24", None).unwrap(), "192.168.1.101");
        assert_eq!(server("192.168.1.0/24", Some("192.168.1.101")).unwrap(), "192.168.1.100");
        assert_eq!(server("192.168.1.0/30", None).unwrap(), "192.168.1.2");
        assert_eq!(server("192.168.1.0/31", None), None);
    }
}
