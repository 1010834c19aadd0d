//! Resource pools.

use serde_json::{Value, json};

use super::{
    access::{data::Pool, permission::all_of},
    cluster::resources,
    endpoint::{Endpoint, Method},
    error::ApiError,
    guests,
    request::Request,
    schema::{
        Parameter, boolean,
        format::{matches, split_list},
        formatted, one_of, string,
    },
};

/// `/pools/{poolid}` is the deprecated form, which knows no nested pools.
const PATHS: [&str; 2] = ["/pools", "/pools/{poolid}"];

fn poolid() -> Parameter {
    formatted("pve-poolid").named("poolid")
}

fn comment() -> Parameter {
    string().optional().named("comment")
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let allocate = || all_of("/pool/{poolid}", &["Pool.Allocate"]);
    let kind = || one_of(["qemu", "lxc", "storage"]).optional();
    let mut found = vec![
        Endpoint::get("/pools")
            .parameters([
                formatted("pve-poolid").optional().named("poolid"),
                kind().requires("poolid").named("type"),
            ])
            .handler(list),
        Endpoint::get("/pools/{poolid}")
            .permission(all_of("/pool/{poolid}", &["Pool.Audit"]))
            .parameters([poolid(), kind().named("type")])
            .handler(async |request| read(&request)),
        Endpoint::post("/pools")
            .protected()
            .permission(allocate())
            .parameters([poolid(), comment()])
            .handler(async |request: Request| {
                create(&request).map_err(|error| error.within("create pool failed"))
            }),
    ];
    for path in PATHS {
        found.push(
            Endpoint::new(Method::Put, path)
                .protected()
                .permission(allocate())
                .parameters([
                    poolid(),
                    comment(),
                    formatted("pve-vmid-list").optional().named("vms"),
                    formatted("pve-storage-id-list").optional().named("storage"),
                    boolean().optional().named("allow-move"),
                    boolean().optional().named("delete"),
                ])
                .handler(async |request: Request| {
                    update(&request).map_err(|error| error.within("update pools failed"))
                }),
        );
        found.push(
            Endpoint::new(Method::Delete, path)
                .protected()
                .permission(allocate())
                .parameters([poolid()])
                .handler(async |request: Request| {
                    delete(&request).map_err(|error| error.within("delete pool failed"))
                }),
        );
    }
    found
}

fn absent(pool: &str) -> ApiError {
    ApiError::failure(format!("pool '{pool}' does not exist"))
}

fn name(request: &Request) -> String {
    request.text("poolid").unwrap_or_default()
}

async fn list(request: Request) -> Result<Value, ApiError> {
    if request.has("poolid") {
        return Ok(json!([read(&request)?]));
    }
    let pools = request.state.access.lock().pools.clone();
    Ok(pools
        .into_iter()
        .filter(|(name, _)| request.may(&format!("/pool/{name}"), &["Pool.Audit"]))
        .map(|(name, pool)| {
            let mut entry = json!({ "poolid": name });
            if let Some(comment) = pool.comment {
                entry["comment"] = comment.into();
            }
            entry
        })
        .collect())
}

fn read(request: &Request) -> Result<Value, ApiError> {
    let name = name(request);
    let kind = request.text("type");
    let asked = |wanted: &str| kind.as_deref().is_none_or(|kind| kind == wanted);
    let state = &request.state;
    let pool = state.access.lock().pools.get(&name).cloned().ok_or_else(|| absent(&name))?;
    let mut members = Vec::new();
    if asked("qemu") {
        members.extend(
            guests::summaries(state)
                .iter()
                .filter(|guest| pool.guests.contains(&guest.vmid))
                // A pool's members carry neither lock nor tags.
                .map(|guest| guests::Summary { lock: None, tags: None, ..guest.clone() })
                .map(|guest| resources::guest_entry(&guest)),
        );
    }
    if asked("storage") {
        let local = state.local_node();
        members.extend(
            state.config.storages.iter().filter(|storage| pool.storages.contains(&storage.id)).map(
                |storage| {
                    let used = guests::used_bytes(state, local, &storage.id);
                    resources::storage_entry(storage, local, used)
                },
            ),
        );
    }
    let mut entry = json!({ "poolid": name, "members": members });
    if let Some(comment) = pool.comment {
        entry["comment"] = comment.into();
    }
    Ok(entry)
}

fn create(request: &Request) -> Result<Value, ApiError> {
    let name = name(request);
    let mut data = request.state.access.lock();
    if data.pools.contains_key(&name) {
        return Err(ApiError::failure(format!("pool '{name}' already exists")));
    }
    let leaf = match name.rsplit_once('/') {
        Some((parent, leaf)) => {
            if !data.pools.contains_key(parent) {
                let text = format!("parent '{parent}' of pool '{name}' does not exist");
                return Err(ApiError::failure(text));
            }
            leaf
        }
        None => &name,
    };
    if !matches("[A-Za-z].*", leaf) {
        return Err(ApiError::failure("pool name must start with a letter"));
    }
    let comment = request.text("comment").filter(|comment| !comment.is_empty());
    data.pools.insert(name, Pool { comment, ..Pool::default() });
    Ok(Value::Null)
}

fn update(request: &Request) -> Result<Value, ApiError> {
    let name = name(request);
    let access = &request.state.access;
    let mut pools = access.lock().pools.clone();
    let pool = pools.get_mut(&name).ok_or_else(|| absent(&name))?;
    if let Some(comment) = request.text("comment") {
        pool.comment = Some(comment);
    }
    let delete = request.boolean("delete").unwrap_or(false);
    for vmid in split_list(&request.text("vms").unwrap_or_default()) {
        access.require_modify(&request.caller, &format!("/vms/{vmid}"))?;
        let number: u32 = vmid.parse().unwrap_or(0);
        let pool = pools.get_mut(&name).ok_or_else(|| absent(&name))?;
        let member = pool.guests.contains(&number);
        if delete {
            if !member {
                return Err(ApiError::failure(format!("VM {vmid} is not a pool member")));
            }
            pool.guests.remove(&number);
            continue;
        }
        if member {
            return Err(ApiError::failure(format!("VM {vmid} is already a pool member")));
        }
        let other = pools
            .iter()
            .find(|(_, pool)| pool.guests.contains(&number))
            .map(|(other, _)| other.clone());
        if let Some(other) = other {
            if request.boolean("allow-move") != Some(true) {
                return Err(ApiError::failure(format!(
                    "VM {vmid} belongs already to pool '{other}' and 'allow-move' is not set"
                )));
            }
            request.require(&format!("/pool/{other}"), &["Pool.Allocate"])?;
            if let Some(other) = pools.get_mut(&other) {
                other.guests.remove(&number);
            }
        }
        if let Some(pool) = pools.get_mut(&name) {
            pool.guests.insert(number);
        }
    }
    for storage in split_list(&request.text("storage").unwrap_or_default()) {
        access.require_modify(&request.caller, &format!("/storage/{storage}"))?;
        let pool = pools.get_mut(&name).ok_or_else(|| absent(&name))?;
        let member = pool.storages.contains(storage);
        if delete != member {
            let problem = if delete { "not a" } else { "already a" };
            let text = format!("Storage '{storage}' is {problem} pool member");
            return Err(ApiError::failure(text));
        }
        if delete {
            pool.storages.remove(storage);
        } else {
            pool.storages.insert(storage.to_owned());
        }
    }
    access.lock().pools = pools;
    Ok(Value::Null)
}

fn delete(request: &Request) -> Result<Value, ApiError> {
    let name = name(request);
    let existing: Vec<u32> =
        guests::summaries(&request.state).iter().map(|guest| guest.vmid).collect();
    let mut data = request.state.access.lock();
    let pool = data.pools.get(&name).ok_or_else(|| absent(&name))?;
    let nested = format!("{name}/");
    if let Some(inner) = data.pools.keys().find(|other| other.starts_with(&nested)) {
        let text = format!("pool '{name}' is not empty (contains pool '{inner}')");
        return Err(ApiError::failure(text));
    }
    if let Some(vmid) = pool.guests.iter().find(|vmid| existing.contains(vmid)) {
        let text = format!("pool '{name}' is not empty (contains VM {vmid})");
        return Err(ApiError::failure(text));
    }
    if let Some(storage) = pool.storages.iter().next() {
        let text = format!("pool '{name}' is not empty (contains storage '{storage}')");
        return Err(ApiError::failure(text));
    }
    data.pools.remove(&name);
    data.acl.remove(&format!("/pool/{name}"));
    Ok(Value::Null)
}
