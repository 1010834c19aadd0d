//! k3s: what its start leaves in files, in the kernel and in the cluster.

use std::net::Ipv4Addr;

use camino::Utf8PathBuf;
use sha2::{Digest, Sha256};

use crate::sim::guest::{
    Answer, Guest, folder,
    state::Flannel,
    surroundings::{ClusterSecrets, NodeReport},
};

/// What VXLAN takes of a packet, in bytes.
const VXLAN: u32 = 50;

pub(super) fn call(guest: &Guest, words: &[&str]) -> Answer {
    match words {
        ["--version"] => Answer::said(format!("k3s version {} (simulated)\n", version(guest))),
        ["kubectl", rest @ ..] if rest.contains(&"/readyz") => {
            Answer::whether(guest.state().units.is_active("k3s.service"))
        }
        other => Answer::failed(1, format!("k3s: not simulated: {}\n", other.join(" "))),
    }
}

/// What the installed binary calls itself.
fn version(guest: &Guest) -> String {
    let text = fs_err::read_to_string(guest.root().join("usr/local/bin/k3s")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("# k3s "));
    line.unwrap_or("unknown").to_owned()
}

/// Our configuration, a line a setting; lists are read by their items.
struct Settings(Vec<(String, String)>);

impl Settings {
    fn read(guest: &Guest) -> Self {
        let file = guest.root().join("etc/rancher/k3s/config.yaml");
        let text = fs_err::read_to_string(file).unwrap_or_default();
        let mut settings = Vec::new();
        let mut list = String::new();
        let bare = |value: &str| value.trim().trim_matches(['"', '\'']).to_owned();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            if let Some(item) = line.trim_start().strip_prefix("- ") {
                settings.push((list.clone(), bare(item)));
            } else if let Some((key, value)) = line.split_once(':') {
                key.trim().clone_into(&mut list);
                if !value.trim().is_empty() {
                    settings.push((list.clone(), bare(value)));
                }
            }
        }
        Self(settings)
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn get<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).next()
    }
}

/// Starts it: what `level=fatal` would say, where it can't.
pub(super) fn start(guest: &Guest, unit: &str) -> Result<(), String> {
    let server = unit == "k3s.service";
    let settings = Settings::read(guest);
    let fatal = |why: &str| format!("level=fatal msg=\"{why}\"");
    let own: Ipv4Addr = settings
        .get("node-ip")
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| fatal("Error: no node-ip"))?;
    let secrets = if settings.get("server").is_some() {
        join(guest, &settings, server).map_err(|why| fatal(&why))?
    } else {
        let machine = guest.state().machine_id.clone();
        guest.surroundings().cluster(&machine)
    };
    write_files(guest, &secrets, server).map_err(|error| fatal(&error.to_string()))?;
    let report = report(guest, &settings, server, own).map_err(|why| fatal(&why))?;
    let pods = guest.surroundings().node_reports(&report).map_err(|why| fatal(&why))?;
    let mut state = guest.state();
    let below = settings.get("flannel-iface").unwrap_or("eth0").to_owned();
    let mtu = match below.as_str() {
        "tailscale0" => state.tun.as_ref().map(|tun| tun.mtu),
        _ => state.ethernet.as_ref().map(|ethernet| ethernet.mtu),
    };
    let Some(mtu) = mtu else { return Err(fatal(&format!("failed to find interface {below}"))) };
    state.flannel = Some(Flannel {
        local: report.vtep,
        below,
        mtu: mtu - VXLAN,
        mac: report.vtep_mac.clone(),
        pods,
    });
    state.journals.insert(
        unit.to_owned(),
        format!("level=info msg=\"k3s is up and running, node {}\"", report.name),
    );
    folder::links(guest.root(), &state).map_err(|error| fatal(&error.to_string()))
}

/// A kubelet that stopped tells nothing; pods and the overlay stay.
pub(super) fn stopped(guest: &Guest) {
    let name = guest.state().node_name.clone();
    guest.surroundings().node_is_silent(&name);
}

/// Whether the token that was brought here opens the cluster.
fn join(guest: &Guest, settings: &Settings, server: bool) -> Result<ClusterSecrets, String> {
    let token =
        settings.get("token-file").map(|file| guest.root().join(file.trim_start_matches('/')));
    let token = token.and_then(|file| fs_err::read_to_string(file).ok()).unwrap_or_default();
    let secrets = guest.surroundings().cluster("");
    let hash = hex::encode(Sha256::digest(&secrets.authority));
    if token.trim().strip_prefix("K10").and_then(|rest| rest.split("::").next()) != Some(&hash) {
        return Err("starting kubernetes: preparing server: token CA hash does not match the Cluster CA certificate hash".to_owned());
    }
    let kind = if server { "::server:" } else { "::node:" };
    if !token.contains(kind) {
        return Err("Node password rejected, or the token is of another kind".to_owned());
    }
    Ok(secrets)
}

fn write_files(guest: &Guest, secrets: &ClusterSecrets, server: bool) -> std::io::Result<()> {
    let data = guest.root().join("var/lib/rancher/k3s");
    let write = |path: Utf8PathBuf, text: &str| {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::write(path, text)
    };
    write(data.join("agent/server-ca.crt"), &secrets.authority)?;
    write(data.join("agent/client-ca.crt"), &secrets.authority)?;
    write(guest.root().join("etc/rancher/node/password"), "simulated\n")?;
    if !server {
        return Ok(());
    }
    let hash = hex::encode(Sha256::digest(&secrets.authority));
    let agent = fs_err::read_to_string(guest.root().join("etc/rancher/k3s/agent-token"));
    let agent = agent.unwrap_or_else(|_| secrets.server_token.clone());
    let folder = data.join("server");
    write(folder.join("tls/server-ca.crt"), &secrets.authority)?;
    write(folder.join("db/state.db"), "")?;
    write(folder.join("token"), &format!("K10{hash}::server:{}\n", secrets.server_token))?;
    write(folder.join("agent-token"), &format!("K10{hash}::node:{}\n", agent.trim()))?;
    write(guest.root().join("etc/rancher/k3s/k3s.yaml"), &secrets.kubeconfig)
}

fn report(
    guest: &Guest,
    settings: &Settings,
    server: bool,
    own: Ipv4Addr,
) -> Result<NodeReport, String> {
    let version = version(guest);
    let overlay = settings.get("flannel-iface").unwrap_or("eth0").to_owned();
    let tailnet = {
        let id = guest.state().tailscale.device.clone();
        id.and_then(|id| guest.surroundings().device(&id)).map(|device| device.address)
    };
    let state = guest.state();
    let vtep = match overlay.as_str() {
        "tailscale0" => tailnet,
        _ => state.ethernet.as_ref().map(|ethernet| ethernet.address),
    };
    let vtep = vtep.ok_or_else(|| format!("failed to find the address of {overlay}"))?;
    let digest = Sha256::digest(&state.machine_id);
    let mac: Vec<String> = digest[..5].iter().map(|byte| format!("{byte:02x}")).collect();
    let labels = settings
        .all("node-label")
        .filter_map(|label| label.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Ok(NodeReport {
        name: state.node_name.clone(),
        server,
        version,
        internal_ip: own,
        vtep,
        // Locally administered, unicast.
        vtep_mac: format!("02:{}", mac.join(":")),
        boot_id: state.boot_id.clone(),
        system_uuid: state.booted.uuid.clone(),
        labels,
        taints: settings.all("node-taint").map(str::to_owned).collect(),
    })
}
