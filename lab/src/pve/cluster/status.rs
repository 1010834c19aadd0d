//! Is the cluster whole, which VMID is free, what was logged.

use serde_json::{Value, json};

use crate::pve::{
    access::permission::all_of,
    endpoint::Endpoint,
    error::ApiError,
    guests,
    request::Request,
    root,
    schema::{integer, property_string::PropertyString},
};

/// Proxmox never hands out VMIDs from here on by itself.
const HIGHEST_FREE: u32 = 1_000_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/cluster").handler(index),
        Endpoint::get("/cluster/status")
            .protected()
            .permission(all_of("/", &["Sys.Audit"]))
            .handler(status),
        Endpoint::get("/cluster/nextid")
            .parameters([integer()
                .format("pve-vmid")
                .minimum(100)
                .maximum(999_999_999)
                .optional()
                .named("vmid")])
            .handler(next_id),
        Endpoint::get("/cluster/log")
            .parameters([integer().minimum(1).optional().named("max")])
            .handler(log),
    ]
}

async fn index(_request: Request) -> Result<Value, ApiError> {
    Ok(root::named(&[
        "acme",
        "backup",
        "backup-info",
        "bulk-action",
        "ceph",
        "config",
        "firewall",
        "ha",
        "jobs",
        "log",
        "mapping",
        "metrics",
        "notifications",
        "nextid",
        "options",
        "qemu",
        "replication",
        "resources",
        "status",
        "tasks",
        "sdn",
    ]))
}

async fn status(request: Request) -> Result<Value, ApiError> {
    let state = &request.state;
    let alone = state.config.cluster_name.is_none();
    let mut found = Vec::new();
    if let Some(name) = &state.config.cluster_name {
        found.push(json!({
            "type": "cluster",
            "id": "cluster",
            "name": name,
            "nodes": state.nodes().len(),
            "version": state.nodes().len(),
            "quorate": 1,
        }));
    }
    for (index, node) in state.nodes().iter().enumerate() {
        found.push(json!({
            "type": "node",
            "id": format!("node/{}", node.name),
            "name": node.name,
            "nodeid": if alone { 0 } else { index + 1 },
            "local": i32::from(node.name == state.local_node()),
            "online": 1,
            "ip": node.address,
            "level": "",
        }));
    }
    Ok(Value::Array(found))
}

/// Never reserves: two callers get the same answer.
async fn next_id(request: Request) -> Result<Value, ApiError> {
    let taken: Vec<u32> =
        guests::summaries(&request.state).iter().map(|guest| guest.vmid).collect();
    if let Some(vmid) = request.integer("vmid") {
        if taken.iter().any(|known| i64::from(*known) == vmid) {
            return Err(ApiError::parameter("vmid", format!("VM {vmid} already exists")));
        }
        return Ok(vmid.to_string().into());
    }
    let range = request
        .state
        .cluster
        .option("next-id")
        .and_then(|text| range_format().parse(&text, "next-id").ok())
        .unwrap_or_default();
    let bound = |key: &str, default: u32| {
        range.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (lower, upper) = (bound("lower", 100), bound("upper", HIGHEST_FREE));
    match (lower..upper).find(|vmid| !taken.contains(vmid)) {
        Some(vmid) => Ok(vmid.to_string().into()),
        None => Err(ApiError::failure(format!(
            "unable to get any free VMID in range [{lower}, {upper}]"
        ))),
    }
}

/// The option `next-id`.
pub(super) fn range_format() -> PropertyString {
    PropertyString::new().key("lower", integer().optional()).key("upper", integer().optional())
}

async fn log(request: Request) -> Result<Value, ApiError> {
    let see_all = request.may("/", &["Sys.Syslog"]);
    let own = request.caller.identity();
    let maximum = request.integer("max").and_then(|most| most.try_into().ok()).unwrap_or(50);
    Ok(request.state.messages(|message| see_all || message.user == own, maximum))
}
