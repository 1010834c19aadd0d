//! Nodes: their list, status, network and names.

mod capabilities;
mod hardware;
mod network;
mod status;

use serde_json::{Value, json};

use super::{
    config::NodeConfig, endpoint::Endpoint, error::ApiError, request::Request, root, schema::node,
    state::State,
};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let own = vec![
        Endpoint::get("/nodes").handler(list),
        Endpoint::get("/nodes/{node}").parameters([node()]).handler(index),
        Endpoint::get("/nodes/{node}/version")
            .proxied()
            .parameters([node()])
            .handler(root::version),
    ];
    [
        own,
        status::endpoints(),
        network::endpoints(),
        hardware::endpoints(),
        capabilities::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A node as `/nodes` and `/cluster/resources` show it; its numbers only to those who may.
pub(crate) fn summary(state: &State, config: &NodeConfig, with_numbers: bool) -> Value {
    let mut entry = json!({
        "id": format!("node/{}", config.name),
        "type": "node",
        "node": config.name,
        "status": "online",
        "level": "",
    });
    if with_numbers {
        let numbers = status::Numbers::of(state, config);
        entry["cpu"] = json!(numbers.cpu);
        entry["maxcpu"] = config.cores.into();
        entry["mem"] = numbers.memory_used.into();
        entry["maxmem"] = config.memory_bytes.into();
        entry["disk"] = numbers.disk_used.into();
        entry["maxdisk"] = numbers.disk_total.into();
        entry["uptime"] = numbers.uptime.into();
    }
    entry
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let fingerprint = super::state::lock(&request.state.fingerprint).clone();
    Ok(request
        .state
        .nodes()
        .iter()
        .map(|config| {
            let may = request.may(&format!("/nodes/{}", config.name), &["Sys.Audit"]);
            let mut entry = summary(&request.state, config, may);
            entry["ssl_fingerprint"] = fingerprint.clone().into();
            entry
        })
        .collect())
}

async fn index(_request: Request) -> Result<Value, ApiError> {
    Ok(root::named(&[
        "aplinfo",
        "apt",
        "capabilities",
        "ceph",
        "certificates",
        "config",
        "disks",
        "dns",
        "firewall",
        "hardware",
        "hosts",
        "journal",
        "lxc",
        "migrateall",
        "netstat",
        "network",
        "qemu",
        "query-oci-repo-tags",
        "query-url-metadata",
        "replication",
        "report",
        "rrd",
        "rrddata",
        "scan",
        "sdn",
        "services",
        "spiceshell",
        "startall",
        "status",
        "stopall",
        "storage",
        "subscription",
        "suspendall",
        "syslog",
        "tasks",
        "termproxy",
        "time",
        "version",
        "vncshell",
        "vzdump",
        "wakeonlan",
    ]))
}
