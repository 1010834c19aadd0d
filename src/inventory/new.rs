//! A new inventory, commented, from a few facts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use camino::Utf8Path;
use ipnet::Ipv4Net;

use super::{Fault, Faults, load};
use crate::{
    error::{Failure, Kind, Result},
    model::{ClusterId, NodeName},
};

/// The key that logs in, as a new inventory names it.
pub const PUBLIC_KEY: &str = "~/.ssh/id_ed25519.pub";

/// What a new inventory is made from.
#[derive(Clone, Debug)]
pub struct NewInventory {
    pub cluster: String,
    /// `https://host:8006`.
    pub endpoint: String,
    pub tls: NewTls,
    /// The pool that the guests are put in.
    pub pool: String,
    /// The Proxmox node that the guests go to.
    pub proxmox_node: String,
    pub bridge: String,
    pub disk_storage: String,
    /// Takes content `import`.
    pub image_storage: String,
    /// Takes content `iso`.
    pub seed_storage: String,
    pub image_url: String,
    pub user: String,
    pub network: Ipv4Net,
    /// The network's first host unless said.
    pub gateway: Option<Ipv4Addr>,
    /// Name and address; the first makes the cluster.
    pub servers: Vec<(NodeName, Ipv4Addr)>,
    pub agents: Vec<(NodeName, Ipv4Addr)>,
    /// The first node's VMID; the others count up. Unless said they follow the addresses.
    pub first_vmid: Option<u32>,
    pub template: u32,
    /// Headscale's address; Tailscale's own service unless said.
    pub headscale: Option<String>,
    /// The id of Tailscale's OAuth client; an API key is referred to without one.
    pub oauth_client: Option<String>,
    pub tailscale_version: String,
    pub k3s_version: String,
}

/// How the API's certificate is trusted.
#[derive(Clone, Debug)]
pub enum NewTls {
    System,
    CaFile(String),
    Fingerprint(String),
}

/// The text of a new inventory with an identity of its own.
///
/// # Errors
///
/// [`Kind::Usage`] with all faults of what was asked for, each with the flag that asked for it: there is
/// no file yet to point into.
pub fn new_inventory(new: &NewInventory) -> Result<String> {
    named_once(new)?;
    let text = render(new, &ClusterId::random());
    match load::validate_text(Utf8Path::new("homelab.yaml"), &text) {
        Ok(_) => Ok(text),
        Err(failure) => Err(match Faults::of(&failure) {
            Some(faults) => asked_for(faults),
            None => failure,
        }),
    }
}

/// A name that is given twice would be one key twice in the file.
fn named_once(new: &NewInventory) -> Result<()> {
    let mut flags: BTreeMap<&NodeName, Vec<&str>> = BTreeMap::new();
    let servers = new.servers.iter().map(|(name, _)| (name, "--server"));
    for (name, flag) in servers.chain(new.agents.iter().map(|(name, _)| (name, "--agent"))) {
        flags.entry(name).or_default().push(flag);
    }
    let twice: Vec<String> = flags
        .into_iter()
        .filter(|(_, flags)| flags.len() > 1)
        .map(|(name, flags)| format!("`{name}` is named more than once: {}", flags.join(", ")))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, twice.join("\n")).hint("give each node a name of its own"))
}

/// The flags, by the fields that they become.
const FLAGS: &[(&str, &str)] = &[
    ("cluster.name", "--cluster"),
    ("proxmox.endpoint", "--endpoint"),
    ("proxmox.tls.ca_file", "--ca-file"),
    ("proxmox.tls", "--fingerprint"),
    ("proxmox.pool", "--pool"),
    ("proxmox.bridge", "--bridge"),
    ("proxmox.storage.image", "--image-storage"),
    ("proxmox.storage.seeds", "--seed-storage"),
    ("proxmox.storage", "--storage"),
    ("image.url", "--image"),
    ("image.template", "--template"),
    ("access.user", "--user"),
    ("network.gateway", "--gateway"),
    ("network", "--network"),
    ("defaults.proxmox_node", "--proxmox-node"),
    ("nodes", "--server, --agent"),
    ("tailnet.control.headscale", "--headscale"),
    ("tailnet.control.tailscale", "--oauth-client"),
];

fn asked_for(faults: &Faults) -> Failure {
    let of = |fault: &Fault| {
        let flag = FLAGS.iter().find(|(field, _)| {
            fault
                .field
                .strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        // Other fields' lines are told with them, and there are no lines yet.
        let message = match fault.message.split_once(" (line ") {
            Some((before, after)) => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}{}", rest.strip_prefix(')').unwrap_or(rest))
            }
            None => fault.message.clone(),
        };
        match (flag, fault.field.strip_prefix("nodes.").and_then(|field| field.split('.').next())) {
            (Some((_, flag)), Some(node)) => format!("{flag} {node}: {message}"),
            (Some((_, flag)), None) => format!("{flag}: {message}"),
            (None, _) => message,
        }
    };
    let messages: Vec<String> = faults.0.iter().map(of).collect();
    let failure = Failure::new(Kind::Usage, messages.join("\n"));
    faults.0.iter().filter_map(|fault| fault.suggestion.clone()).fold(failure, Failure::hint)
}

/// Writes a new file; one that exists is never touched.
///
/// # Errors
///
/// [`Kind::Refused`] when the file exists.
pub fn write_new(path: &Utf8Path, text: &str) -> Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent().filter(|folder| *folder != "") {
        fs_err::create_dir_all(folder).map_err(|error| {
            Failure::new(Kind::Runtime, "the folder cannot be made")
                .at(folder)
                .hint("make it yourself, or write elsewhere: homelab -c OTHER.yaml init")
                .because(error)
        })?;
    }
    let opened = fs_err::OpenOptions::new().write(true).create_new(true).open(path.as_std_path());
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::Refused, "the file exists and is left as it is")
                .at(path)
                .hint(format!("write elsewhere: homelab -c OTHER.yaml init, or move {path} away"))
        }
        _ => Failure::new(Kind::Runtime, "the file can't be written")
            .at(path)
            .hint("write elsewhere: homelab -c OTHER.yaml init")
            .because(error),
    })?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// From here on nodes count up where nobody says otherwise. Proxmox has none below 100.
pub const FIRST_VMID: u32 = 101;

/// Each node's VMID, servers first. A person who knows one of VMID and address knows the other where they agree.
fn vmids(new: &NewInventory) -> Vec<u32> {
    let addresses: Vec<u32> = (new.servers.iter().chain(&new.agents))
        .map(|(_, address)| address.octets()[3].into())
        .collect();
    let distinct: BTreeSet<u32> = addresses.iter().copied().chain([new.template]).collect();
    let agree = addresses.iter().all(|last| *last >= 100) && distinct.len() > addresses.len();
    match new.first_vmid {
        None if agree => addresses,
        first => (first.unwrap_or(FIRST_VMID)..).take(addresses.len()).collect(),
    }
}

fn render(new: &NewInventory, id: &ClusterId) -> String {
    let NewInventory { cluster, endpoint, image_url, user, network, .. } = new;
    let gateway =
        new.gateway.or_else(|| network.hosts().next()).unwrap_or_else(|| network.network());
    let tls = match &new.tls {
        NewTls::System => "system".to_owned(),
        NewTls::CaFile(file) => format!("{{ca_file: {}}}", yaml(file)),
        NewTls::Fingerprint(text) => format!("{{fingerprints: [{}]}}", yaml(text)),
    };
    let control = match (&new.headscale, &new.oauth_client) {
        (Some(url), _) => format!(
            "    headscale:\n      login_server: {}\n      api_key: {{env: HEADSCALE_API_KEY}} # headscale \
             apikeys create\n      user: homelab\n",
            yaml(url)
        ),
        (None, Some(client)) => format!(
            "    tailscale:\n      oauth: # scopes auth_keys and devices:core, and the tag below\n        \
             client_id: {}\n        client_secret: {{env: TAILSCALE_OAUTH_SECRET}}\n",
            yaml(client)
        ),
        (None, None) => "    tailscale:\n      # An OAuth client is better, since a key expires: \
                         oauth: {client_id: ..., client_secret: {env: ...}}\n      api_key: {env: \
                         TAILSCALE_API_KEY}\n"
            .to_owned(),
    };
    let servers = new.servers.iter().map(|node| (node, "server"));
    let agents = new.agents.iter().map(|node| (node, "agent"));
    let nodes: String = servers
        .chain(agents)
        .zip(vmids(new))
        .map(|(((name, address), role), vmid)| {
            format!("  {name}:\n    role: {role}\n    vmid: {vmid}\n    address: {address}\n")
        })
        .collect();
    format!(
        "# Made by `homelab init`. Every field, with its meaning: `homelab schema`.
#
#   homelab validate     every fault at once, with line and column
#   homelab lock         pin what is downloaded
#   homelab plan         what would be done, and at what price
#   homelab up           do it; run it again after anything
version: 1

cluster:
  name: {cluster}
  # Made for this cluster alone: by it the program knows its own guests. Never copy it.
  id: {id}

proxmox:
  endpoint: {endpoint}
  # `system`, `ca_file` (/etc/pve/pve-root-ca.pem of the host) or `fingerprints`.
  tls: {tls}
  # user@realm!name=uuid; `homelab init proxmox-role` prints how to make one that may do no more than it must.
  token: {{env: PROXMOX_VE_API_TOKEN}}
  # The guests are put in this pool, and the token's rights on guests end there: others stay out of its
  # reach. `homelab init proxmox-role` prints how to make it.
  pool: {pool}
  bridge: {bridge}
  storage:
    disks: {disks}
    image: {images} # content `import`
    seeds: {seeds} # content `iso`

# The template is made from this image; `homelab lock` finds its SHA-256.
image:
  url: {image_url}
  template: {template}

access:
  user: {user}
  public_key_files: [{PUBLIC_KEY}]
  # `tailnet` closes SSH and 6443 on the LAN once contact over the tailnet is confirmed.
  exposure: lan

network:
  cidr: {network}
  gateway: {gateway}

# For each node that does not say otherwise.
defaults:
  proxmox_node: {proxmox_node}
  cores: 2
  memory: 4G
  disk: 32G
  tags: [homelab]

nodes:
{nodes}
tailnet:
  control:
{control}  tag: tag:k3s
  tailscale: {{version: {tailscale}}}
  mtu: auto

k3s:
  version: {k3s}
  # Fixed when the cluster is made.
  cluster_cidr: 10.42.0.0/16
  service_cidr: 10.43.0.0/16
  # `tailscale` encrypts what pods say to each other; `lan` does not.
  overlay: tailscale
",
        cluster = yaml(cluster),
        endpoint = yaml(endpoint),
        pool = yaml(&new.pool),
        bridge = yaml(&new.bridge),
        disks = yaml(&new.disk_storage),
        images = yaml(&new.image_storage),
        seeds = yaml(&new.seed_storage),
        image_url = yaml(image_url),
        template = new.template,
        user = yaml(user),
        proxmox_node = yaml(&new.proxmox_node),
        tailscale = yaml(&new.tailscale_version),
        k3s = yaml(&new.k3s_version),
    )
}

/// A text as YAML: as it is where that is safe, in quotes otherwise.
fn yaml(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+@~".contains(&byte);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let word = !matches!(
        text.to_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off"
    );
    if first && word && text.bytes().all(plain) && !text.ends_with(':') {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests;
