//! A node in the tailnet: tailscaled at its pinned version on a lasting interface, joined with its tag.
//!
//! The effects stand alone, so that the caller can write down its intent before each: deliver the
//! artifact, [`install`], [`mint_key`], [`join`]. What is there is judged by [`checks`]; devices that an
//! earlier life of the node left behind by [`twins::find`].

pub mod prefs;
pub mod twins;
mod verify;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use camino::Utf8Path;
use ipnet::IpNet;
use serde_json::json;

pub use verify::{checks, failing, foreign_address};

use super::{
    artifact,
    files::{ManagedFile, drift},
    paths,
    run::{run, run_for},
};
use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::{Desired, Node, Overlay, TailnetControl},
    plan::probe::{HostProbe, TailscalePrefs, TailscaleStatus},
    ports::{Device, Host, KeyMark, MintedKey, RemoteFile, Tailnet},
    script::Script,
    secret::Secret,
    template,
};

/// How long a minted key lives unused.
pub const KEY_LIFETIME: Duration = Duration::from_secs(600);

/// Our files around tailscaled.
pub fn files(desired: &Desired) -> Result<Vec<ManagedFile>> {
    let plan = &desired.tailnet;
    let (prefixes4, prefixes6): (Vec<IpNet>, Vec<IpNet>) =
        plan.prefixes.iter().partition(|prefix| matches!(prefix, IpNet::V4(_)));
    let tun = json!({
        "persistent": plan.persistent_tun,
        "mtu": plan.mtu,
        "prefixes4": prefixes4,
        "prefixes6": prefixes6,
    });
    let environment: &BTreeMap<String, String> = &plan.environment;
    let peers: Vec<Ipv4Addr> = desired.nodes.values().map(|node| node.address).collect();
    let interface = match desired.k3s.overlay {
        Overlay::Tailscale => "tailscale0",
        Overlay::Lan => "",
    };
    Ok(vec![
        ManagedFile::rendered(
            paths::FILTER,
            "0644",
            "files/overlay.nft",
            json!({ "interface": interface, "peers": peers }),
        )?,
        ManagedFile::rendered(
            paths::FILTER_UNIT,
            "0644",
            "files/homelab-filter.service",
            json!({}),
        )?,
        ManagedFile::rendered(paths::TUN_PROGRAM, "0755", "files/tun", tun)?,
        ManagedFile::rendered(paths::TUN_UNIT, "0644", "files/homelab-tun.service", json!({}))?,
        ManagedFile::rendered(
            paths::TAILSCALED_ENVIRONMENT,
            "0600",
            "files/tailscaled.env",
            json!({ "mtu": plan.mtu, "environment": environment }),
        )?,
        ManagedFile::rendered(
            paths::TAILSCALED_UNIT,
            "0644",
            "files/tailscaled.service",
            json!({}),
        )?,
    ])
}

/// What [`install`] would change on a node: empty when nothing.
pub fn install_drift(desired: &Desired, probe: &HostProbe) -> Result<Vec<String>> {
    let mut differs: Vec<String> =
        drift(&files(desired)?, probe).iter().map(|path| format!("{path} differs")).collect();
    let release = probe
        .tailscale
        .as_ref()
        .and_then(|tailscale| tailscale.release.as_deref().filter(|_| tailscale.release_intact));
    let wanted = &desired.tailnet.tailscale;
    if release != Some(wanted.sha256.as_str()) {
        differs.insert(0, format!("Tailscale {} is not installed", wanted.version));
    }
    for unit in ["homelab-filter.service", "homelab-tun.service", "tailscaled.service"] {
        let state = probe.unit(unit);
        if !state.is_active() || !state.is_enabled() {
            differs.push(format!("{unit} is not running and enabled"));
        }
    }
    Ok(differs)
}

/// Why [`install`] is needed; empty when it is not.
pub fn install_reasons(desired: &Desired, _node: &Node, probe: &HostProbe) -> Vec<String> {
    install_drift(desired, probe).unwrap_or_else(|failure| vec![failure.message])
}

/// The archive to send before [`install`], from our own copy; `None` when its binaries are there.
pub fn archive(desired: &Desired, local: &Utf8Path, probe: &HostProbe) -> Option<RemoteFile> {
    let wanted = &desired.tailnet.tailscale;
    let known = probe.tailscale.as_ref().filter(|tailscale| tailscale.release_intact);
    if known.and_then(|tailscale| tailscale.release.as_deref()) == Some(wanted.sha256.as_str()) {
        return None;
    }
    Some(RemoteFile {
        local: local.to_owned(),
        remote: artifact::cached_path(wanted),
        mode: 0o600,
        sha256: wanted.sha256.clone(),
    })
}

fn status(probe: &HostProbe) -> Option<&TailscaleStatus> {
    probe.tailscale.as_ref()?.status.as_ref()
}

/// Whether tailscaled runs.
pub fn is_running(probe: &HostProbe) -> bool {
    probe.unit("tailscaled.service").is_active()
}

/// Whether the node has joined and its connection is up.
pub fn is_logged_in(probe: &HostProbe) -> bool {
    status(probe).is_some_and(|status| status.backend_state == "Running")
}

/// Whether the node ever was a device of the tailnet, logged in or not.
pub fn has_identity(probe: &HostProbe) -> bool {
    node_id(probe).is_some()
}

/// The stable node id of the device that the node is.
pub fn node_id(probe: &HostProbe) -> Option<String> {
    let id = &status(probe)?.this.as_ref()?.id;
    (!id.is_empty()).then(|| id.clone())
}

/// Whether a device of that node id is in the control plane's list.
pub fn is_listed(devices: &[Device], node_id: &str) -> bool {
    devices.iter().any(|device| device.node_id == node_id || device.id == node_id)
}

/// Whether the control plane, where it was asked, no longer has the device that the node takes itself for.
pub fn is_forgotten(devices: Option<&Vec<Device>>, probe: &HostProbe) -> bool {
    devices.zip(node_id(probe)).is_some_and(|(devices, id)| !is_listed(devices, &id))
}

/// Why a node has to join, or its preferences be set; empty when neither.
pub fn join_reasons(desired: &Desired, node: &Node, probe: &HostProbe) -> Vec<String> {
    let ids = ["tailnet/running", "tailnet/tag"];
    let mut reasons = causes(failing(desired, node, probe, None, &ids));
    if let Some(prefs) = probe.tailscale.as_ref().and_then(|tailscale| tailscale.prefs.as_ref()) {
        reasons.extend(prefs::drift(prefs, node).into_iter().map(|flag| format!("needs {flag}")));
    }
    reasons
}

/// Whether the tailnet is as planned on a node, after a join.
pub fn verify_join(desired: &Desired, node: &Node, probe: &HostProbe) -> Result<()> {
    let mut reasons = join_reasons(desired, node, probe);
    let further = ["tailnet/name", "tailnet/expiry", "tailnet/mtu", "tailnet/tun"];
    reasons.extend(causes(failing(desired, node, probe, None, &further)));
    if probe.ipv4("tailscale0").is_none() {
        reasons.push("tailscale0 has no address yet".into());
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Tailnet, reasons.join("; ")).at(&node.name))
}

fn causes(failed: Vec<(String, String)>) -> Vec<String> {
    failed.into_iter().map(|(_, cause)| cause).collect()
}

/// Sets all preferences to what they should be.
pub async fn set_preferences(host: &impl Host, node: &Node) -> Result<()> {
    let all = TailscalePrefs {
        accept_dns: true,
        accept_routes: true,
        ssh: true,
        shields_up: true,
        ..TailscalePrefs::default()
    };
    prefs::set(host, &prefs::drift(&all, node)).await
}

pub(crate) fn install_script(desired: &Desired) -> Result<Script> {
    let artifact = &desired.tailnet.tailscale;
    let context = json!({
        "sha256": artifact.sha256,
        "version": artifact.version,
        "tailscale": paths::TAILSCALE.trim_start_matches('/'),
        "tailscaled": paths::TAILSCALED.trim_start_matches('/'),
        "persistent": desired.tailnet.persistent_tun,
        "overlay": desired.k3s.overlay == Overlay::Tailscale,
        "files": files(desired)?,
    });
    template::script("tailnet/install-tailscale.sh", context)
}

/// Installs what differs and (re)starts it; what was changed. The archive must have been delivered,
/// unless its binaries are installed already. Restarts tailscaled when anything of its own differs.
pub async fn install(host: &impl Host, desired: &Desired) -> Result<Vec<String>> {
    let printed = run(host, &install_script(desired)?).await?;
    Ok(printed.lines().map(str::to_owned).collect())
}

/// A new mark for a node's key: it names cluster and node.
pub fn key_mark(desired: &Desired, node: &Node) -> KeyMark {
    KeyMark::new(&format!("homelab {} {}", desired.id.short(), node.name), KEY_LIFETIME)
}

/// Mints a one-shot key for a node. Revoke it when the join fails.
pub async fn mint_key(
    tailnet: &impl Tailnet,
    desired: &Desired,
    node: &Node,
    mark: &KeyMark,
) -> Result<MintedKey> {
    tailnet
        .mint_key(&desired.tailnet.tag, mark)
        .await
        .map_err(|error| Failure::from(error).at(&node.name))
}

/// The server to log in to; `None`: Tailscale's own.
pub fn login_server(control: &TailnetControl) -> Option<&str> {
    match control {
        TailnetControl::Tailscale { .. } => None,
        TailnetControl::Headscale { login_server, .. } => Some(login_server),
        TailnetControl::AuthKey { login_server, .. } => login_server.as_deref(),
    }
}

pub(crate) fn join_script(
    desired: &Desired,
    node: &Node,
    key: Secret,
    anew: bool,
) -> Result<Script> {
    let timeout = desired.tailnet.join_timeout;
    let context = json!({
        "hostname": node.name,
        "login_server": login_server(&desired.tailnet.control),
        "seconds": timeout.as_secs(),
        "anew": anew,
    });
    let script = template::script("tailnet/join-tailnet.sh", context)?;
    Ok(script.secret("AUTH_KEY", key).timeout(timeout + Duration::from_secs(90)))
}

/// Joins the tailnet; a node that has joined already is left as it is, and its key unused, unless it is to
/// join `anew`, as another device.
pub async fn join(
    host: &impl Host,
    desired: &Desired,
    node: &Node,
    key: &Secret,
    anew: bool,
) -> Result<TailscaleStatus> {
    let script = join_script(desired, node, key.clone(), anew)?;
    run_for(host, &script).await.map_err(|failure| explain_join(failure, &desired.tailnet.control))
}

/// Adds what is known of the refusals of control planes (TS-01, TS-06).
fn explain_join(failure: Failure, control: &TailnetControl) -> Failure {
    let spent = match control {
        TailnetControl::AuthKey { .. } => {
            "the key was used, revoked or has expired: put another one where `tailnet.control.auth_key.key` leads (a reusable one serves all nodes), then run again"
        }
        _ => "the key was used, revoked or has expired: run again, a new one is minted",
    };
    let known = [
        ("requested tags", "the policy's `tagOwners` must let the key's owner give out this tag"),
        ("invalid key", spent),
        ("authkey", spent),
        // Headscale's words for a key that it does not know, up to 0.27, in 0.28, from 0.29 on.
        ("AuthKey not found", spent),
        ("auth-key not found", spent),
        ("invalid pre auth key", spent),
        (
            "timeout waiting",
            "the control server was not reached, or waits for somebody to approve the device",
        ),
        ("x509", "the node does not trust the login server's certificate, or its clock is wrong"),
    ];
    if failure.kind != Kind::RemoteCommand {
        return failure;
    }
    let hint = known.iter().find(|(text, _)| failure.message.contains(text));
    let failure = Failure { kind: Kind::Tailnet, ..failure };
    match hint {
        Some((_, hint)) => failure.hint(*hint),
        None => failure.hint("`journalctl -u tailscaled` on the node tells more"),
    }
}

pub(crate) fn await_address_script(address: Ipv4Addr, patience: Duration) -> Result<Script> {
    let context = json!({ "address": address, "seconds": patience.as_secs() });
    let script = template::script("tailnet/await-tailnet-address.sh", context)?;
    Ok(script.timeout(patience + Duration::from_secs(30)))
}

/// Waits until a node has the address that the control plane was asked to give it (TS-04).
pub async fn await_address(host: &impl Host, address: Ipv4Addr, patience: Duration) -> Result<()> {
    run(host, &await_address_script(address, patience)?).await.map(drop)
}

#[cfg(test)]
mod tests;
