//! Every script that may run on a node, with what it would say for that node: for `homelab render`, and
//! for the tests that hold them to account.

use std::time::Duration;

use super::{access, artifact, cluster, guest, longhorn, network, overlay, tailnet};
use crate::{
    error::Result,
    inventory::desired::{Desired, Node},
    script::Script,
    secret::Secret,
    template,
};

/// Stands in a shown script where a value is only known when it runs.
const LATER: &str = "<known when it runs>";

/// All scripts for a node, in the order in which a node meets them. Secrets are not in them.
pub fn catalogue(desired: &Desired, node: &Node) -> Result<Vec<Script>> {
    // Addresses of the tailnet are known when it runs; these stand for them.
    let first = desired.first_server().name == node.name;
    let place = cluster::Place {
        address: [100, 64, 0, 1].into(),
        lan_interface: Some("eth0".into()),
        server: (!first).then_some([100, 64, 0, 2].into()),
    };
    let membership = cluster::Membership {
        server: [100, 64, 0, 2].into(),
        token: Secret::new(""),
        agent_token: Some(Secret::new("")),
    };
    let key = desired.k3s.datastore_backup.as_ref().map(|_| Secret::new(""));
    let peer = |node: &&Node| node.name != desired.first_server().name;
    let targets = desired.nodes.values().find(peer).map_or_else(Vec::new, |peer| {
        network::targets(desired, &peer.name, [100, 64, 0, 2].into(), [10, 42, 1, 0].into())
    });
    Ok(vec![
        guest::probe_script(false)?,
        guest::await_cloud_init_script(Duration::from_secs(10))?,
        template::script("guest/rotate-host-key.sh", serde_json::json!({}))?,
        guest::install_host_key_script(LATER)?,
        template::script("guest/finish-cloud-init.sh", serde_json::json!({}))?,
        template::script("guest/grow-root.sh", serde_json::json!({}))?,
        artifact::fetch_script(&desired.tailnet.tailscale)?,
        tailnet::install_script(desired)?,
        tailnet::join_script(desired, node, Secret::new(""), false)?,
        tailnet::await_address_script([100, 64, 0, 1].into(), Duration::from_secs(60))?,
        tailnet::prefs::set_script(&["--accept-dns=false".into()])?,
        cluster::install_script(desired, node, &place, Some(&membership), key.as_ref(), None)?,
        cluster::await_script(node.role, Duration::from_secs(15))?,
        cluster::kubeconfig_script()?,
        template::script("k3s/read-join-tokens.sh", serde_json::json!({}))?,
        overlay::guard_script(desired, node)?,
        network::packets_script(&targets)?,
        longhorn::prepare_script(desired, node)?,
        access::close_script(desired)?,
        template::script("access/confirm-lan-closed.sh", serde_json::json!({}))?,
        access::open_script()?,
    ])
}

#[cfg(test)]
pub(crate) mod tests;
