//! `/cluster/resources`: everything that the caller may see, in one list.

use serde_json::{Value, json};

use crate::pve::{
    config::{StorageConfig, StorageKind},
    endpoint::Endpoint,
    error::ApiError,
    guests::{self, Summary},
    node,
    request::Request,
    schema::one_of,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/cluster/resources")
            .parameters([one_of(["vm", "storage", "node", "sdn"]).optional().named("type")])
            .handler(list),
    ]
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let wanted = request.text("type");
    let asked = |kind: &str| wanted.as_deref().is_none_or(|wanted| wanted == kind);
    let mut found = Vec::new();
    if wanted.is_none() {
        found.extend(pools(&request));
    }
    if asked("vm") {
        found.extend(guest_entries(&request));
    }
    if asked("node") {
        found.extend(request.state.nodes().iter().map(|config| {
            let may = request.may(&format!("/nodes/{}", config.name), &["Sys.Audit"]);
            let mut entry = node::summary(&request.state, config, may);
            entry["cgroup-mode"] = 2.into();
            entry
        }));
    }
    if asked("storage") {
        found.extend(storages(&request));
    }
    if wanted.is_none() && request.may("/sdn/zones/localnetwork", &["SDN.Audit"]) {
        found.extend(request.state.nodes().iter().map(|config| {
            json!({
                "id": format!("network/{}/zone/localnetwork", config.name),
                "type": "network",
                "network-type": "zone",
                "network": "localnetwork",
                "node": config.name,
                "status": "ok",
            })
        }));
    }
    Ok(Value::Array(found))
}

fn pools(request: &Request) -> Vec<Value> {
    let pools: Vec<String> = request.state.access.lock().pools.keys().cloned().collect();
    pools
        .into_iter()
        .filter(|pool| request.may(&format!("/pool/{pool}"), &["Pool.Audit"]))
        .map(|pool| json!({ "id": format!("/pool/{pool}"), "pool": pool, "type": "pool" }))
        .collect()
}

fn guest_entries(request: &Request) -> Vec<Value> {
    let state = &request.state;
    guests::summaries(state)
        .into_iter()
        .filter(|guest| request.may(&format!("/vms/{}", guest.vmid), &["VM.Audit"]))
        .map(|guest| {
            let mut entry = guest_entry(&guest);
            if let Some(pool) = state.access.pool_of_guest(guest.vmid)
                && request.may(&format!("/pool/{pool}"), &["Pool.Audit"])
            {
                entry["pool"] = pool.into();
            }
            if let Some(hastate) = state.cluster.managed_state(guest.vmid) {
                entry["hastate"] = hastate.into();
            }
            entry
        })
        .collect()
}

/// A guest as this list and the members of a pool show it.
pub(crate) fn guest_entry(guest: &Summary) -> Value {
    let mut entry = json!({
        "id": format!("qemu/{}", guest.vmid),
        "type": "qemu",
        "vmid": guest.vmid,
        "node": guest.node,
        "name": guest.name,
        "status": if guest.running { "running" } else { "stopped" },
        "template": i32::from(guest.template),
        "uptime": guest.uptime_seconds,
        "cpu": 0,
        "maxcpu": guest.cpus,
        "mem": if guest.running { guest.memory_bytes / 2 } else { 0 },
        "maxmem": guest.memory_bytes,
        "memhost": 0,
        "disk": 0,
        "maxdisk": guest.disk_bytes,
        "diskread": 0,
        "diskwrite": 0,
        "netin": 0,
        "netout": 0,
    });
    for (name, value) in [("lock", &guest.lock), ("tags", &guest.tags)] {
        if let Some(value) = value {
            entry[name] = value.clone().into();
        }
    }
    entry
}

fn storages(request: &Request) -> Vec<Value> {
    let state = &request.state;
    let mut found = Vec::new();
    for storage in &state.config.storages {
        if !request.may(&format!("/storage/{}", storage.id), &["Datastore.Audit"]) {
            continue;
        }
        for config in state.nodes() {
            let here = storage.nodes.as_ref().is_none_or(|nodes| nodes.contains(&config.name));
            if here {
                let used = guests::used_bytes(state, &config.name, &storage.id);
                found.push(storage_entry(storage, &config.name, used));
            }
        }
    }
    found
}

/// A storage as this list and the members of a pool show it.
pub(crate) fn storage_entry(storage: &StorageConfig, node: &str, used: u64) -> Value {
    json!({
        "id": format!("storage/{node}/{}", storage.id),
        "type": "storage",
        "storage": storage.id,
        "node": node,
        "plugintype": match storage.kind {
            StorageKind::Directory => "dir",
            StorageKind::LvmThin => "lvmthin",
        },
        "status": "available",
        "shared": i32::from(storage.shared),
        "content": storage.content.join(","),
        "disk": used,
        "maxdisk": storage.total_bytes,
    })
}
