//! What keeps the pods' network alive on a node: the guard that compares the kernel's tables with what
//! Kubernetes says of the peers, and restarts k3s when they part (TS-08). The interface, the routes and the
//! filter below it are installed with Tailscale.

use serde_json::json;

use super::{
    cluster::unit_name,
    files::{ManagedFile, drift},
    paths,
    run::run,
};
use crate::{
    error::Result,
    inventory::desired::{Desired, Node, Overlay},
    plan::probe::HostProbe,
    ports::Host,
    script::Script,
    template,
};

/// The guard's files.
pub fn guard_files(desired: &Desired, node: &Node) -> Result<Vec<ManagedFile>> {
    let unit = unit_name(node.role);
    let interface = match desired.k3s.overlay {
        Overlay::Tailscale => "tailscale0",
        Overlay::Lan => "",
    };
    let context = json!({ "unit": unit, "node": node.name, "interface": interface });
    Ok(vec![
        ManagedFile::rendered(paths::GUARD_PROGRAM, "0755", "files/guard", &context)?,
        ManagedFile::rendered(paths::GUARD_UNIT, "0644", "files/homelab-guard.service", &context)?,
    ])
}

/// What [`install_guard`] would change; empty when nothing, and when no guard is wanted.
pub fn guard_reasons(desired: &Desired, node: &Node, probe: &HostProbe) -> Vec<String> {
    if !desired.tailnet.guard {
        return Vec::new();
    }
    // A template that cannot be rendered is told when it is installed.
    let files = guard_files(desired, node).unwrap_or_default();
    let mut reasons: Vec<String> =
        drift(&files, probe).iter().map(|path| format!("{path} differs")).collect();
    if reasons.is_empty() && !probe.unit("homelab-guard.service").is_active() {
        reasons.push("homelab-guard.service does not run".into());
    }
    reasons
}

pub(crate) fn guard_script(desired: &Desired, node: &Node) -> Result<Script> {
    template::script("k3s/install-guard.sh", json!({ "files": guard_files(desired, node)? }))
}

/// Installs the guard and starts it.
pub async fn install_guard(host: &impl Host, desired: &Desired, node: &Node) -> Result<()> {
    run(host, &guard_script(desired, node)?).await.map(drop)
}
