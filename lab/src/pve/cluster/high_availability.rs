//! High availability: which guests are managed. Nothing here moves them; what starts and stops them on
//! request is in `qemu/managed.rs`.

use indexmap::IndexMap;
use serde_json::{Value, json};
use sha1::Digest as _;

use crate::pve::{
    access::permission::{Permission, all_of},
    endpoint::Endpoint,
    error::ApiError,
    guests,
    request::Request,
    root,
    schema::{Parameter, boolean, format::split_list, formatted, integer, one_of, string},
    state::lock,
};

const RESOURCE: &str = "/cluster/ha/resources/{sid}";

fn audit() -> Permission {
    all_of("/", &["Sys.Audit"])
}

fn console() -> Permission {
    all_of("/", &["Sys.Console"])
}

fn sid() -> Parameter {
    string().checked("pve-ha-resource-or-vm-id", check_sid).named("sid")
}

fn check_sid(text: &str) -> Result<(), String> {
    parse_sid(text).map(|_| ()).ok_or_else(|| format!("unable to parse HA resource ID '{text}'"))
}

fn parse_sid(text: &str) -> Option<u32> {
    text.strip_prefix("vm:").or(Some(text))?.parse().ok().filter(|vmid| *vmid >= 100)
}

fn settings() -> Vec<Parameter> {
    vec![
        string().max_length(4096).optional().named("comment"),
        boolean().optional().named("failback"),
        formatted("pve-configid").optional().named("group"),
        integer().minimum(0).optional().named("max_relocate"),
        integer().minimum(0).optional().named("max_restart"),
        one_of(["started", "stopped", "enabled", "disabled", "ignored"]).optional().named("state"),
    ]
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let kind = || one_of(["ct", "vm"]).optional().named("type");
    vec![
        Endpoint::get("/cluster/ha").permission(audit()).handler(async |_| {
            Ok(["status", "resources", "groups", "rules"]
                .iter()
                .map(|name| json!({ "id": name }))
                .collect::<Value>())
        }),
        Endpoint::get("/cluster/ha/resources")
            .permission(audit())
            .parameters([kind()])
            .handler(list),
        Endpoint::post("/cluster/ha/resources")
            .protected()
            .permission(console())
            .parameters([sid(), kind()])
            .parameters(settings())
            .handler(create),
        Endpoint::get(RESOURCE).permission(audit()).parameters([sid()]).handler(read),
        Endpoint::put(RESOURCE)
            .protected()
            .permission(console())
            .parameters([
                sid(),
                formatted("pve-configid-list").max_length(4096).optional().named("delete"),
                string().max_length(64).optional().named("digest"),
            ])
            .parameters(settings())
            .handler(update),
        Endpoint::delete(RESOURCE)
            .protected()
            .permission(console())
            .parameters([sid(), boolean().optional().named("purge")])
            .handler(delete),
        Endpoint::get("/cluster/ha/groups").permission(audit()).handler(groups),
        Endpoint::get("/cluster/ha/rules")
            .permission(audit())
            .parameters([
                string().optional().named("resource"),
                one_of(["node-affinity", "resource-affinity"]).optional().named("type"),
            ])
            .handler(async |_| Ok(json!([]))),
        Endpoint::get("/cluster/ha/status").handler(async |_| {
            Ok(root::named(&["current", "manager_status", "arm-ha", "disarm-ha"]))
        }),
        Endpoint::get("/cluster/ha/status/current").permission(audit()).handler(current),
    ]
}

fn vmid(request: &Request) -> u32 {
    request.text("sid").as_deref().and_then(parse_sid).unwrap_or(0)
}

fn shown(vmid: u32, settings: &IndexMap<String, String>) -> Value {
    let mut entry = json!({ "sid": format!("vm:{vmid}"), "type": "vm" });
    for (name, text) in settings {
        entry[name] = match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.clone().into(),
        };
    }
    entry
}

fn digest(request: &Request) -> String {
    let text = format!("{:?}", *lock(&request.state.cluster.managed));
    hex::encode(sha1::Sha1::digest(text.as_bytes()))
}

async fn list(request: Request) -> Result<Value, ApiError> {
    if request.text("type").as_deref() == Some("ct") {
        return Ok(json!([]));
    }
    let digest = digest(&request);
    Ok(lock(&request.state.cluster.managed)
        .iter()
        .map(|(vmid, settings)| {
            let mut entry = shown(*vmid, settings);
            entry["digest"] = digest.clone().into();
            entry
        })
        .collect())
}

async fn create(request: Request) -> Result<Value, ApiError> {
    let vmid = vmid(&request);
    if !guests::summaries(&request.state).iter().any(|guest| guest.vmid == vmid) {
        let text = format!("resource 'vm:{vmid}' does not exist in cluster");
        return Err(ApiError::failure(text));
    }
    let mut managed = lock(&request.state.cluster.managed);
    if managed.contains_key(&vmid) {
        return Err(ApiError::failure(format!("resource ID 'vm:{vmid}' already defined")));
    }
    managed.insert(vmid, given(&request));
    Ok(Value::Null)
}

fn given(request: &Request) -> IndexMap<String, String> {
    settings()
        .into_iter()
        .filter_map(|setting| {
            let text = request.text(setting.name)?;
            // Old names of the two states.
            let text = match (setting.name, text.as_str()) {
                ("state", "enabled") => "started".to_owned(),
                ("state", "disabled") => "stopped".to_owned(),
                _ => text,
            };
            Some((setting.name.to_owned(), text))
        })
        .collect()
}

fn absent(vmid: u32) -> ApiError {
    ApiError::failure(format!("no such resource 'vm:{vmid}'"))
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let vmid = vmid(&request);
    let digest = digest(&request);
    let managed = lock(&request.state.cluster.managed);
    let mut entry = shown(vmid, managed.get(&vmid).ok_or_else(|| absent(vmid))?);
    entry["digest"] = digest.into();
    Ok(entry)
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let vmid = vmid(&request);
    let mut managed = lock(&request.state.cluster.managed);
    let settings = managed.get_mut(&vmid).ok_or_else(|| absent(vmid))?;
    for name in split_list(&request.text("delete").unwrap_or_default()) {
        settings.shift_remove(name);
    }
    settings.extend(given(&request));
    Ok(Value::Null)
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let vmid = vmid(&request);
    match lock(&request.state.cluster.managed).shift_remove(&vmid) {
        Some(_) => Ok(Value::Null),
        None => {
            Err(ApiError::failure(format!("cannot delete service 'vm:{vmid}', not HA managed!")))
        }
    }
}

async fn groups(request: Request) -> Result<Value, ApiError> {
    if request.state.config.era < 9 {
        return Ok(json!([]));
    }
    Err(ApiError::failure("cannot index groups: ha groups have been migrated to rules"))
}

async fn current(request: Request) -> Result<Value, ApiError> {
    let node = request.state.local_node().to_owned();
    let mut found = vec![
        json!({ "id": "quorum", "type": "quorum", "node": node, "status": "OK", "quorate": 1 }),
        json!({
            "id": "fencing",
            "type": "fencing",
            "node": node,
            "status": "standby (CRM watchdog standby)",
            "armed-state": "standby",
        }),
    ];
    for (vmid, settings) in lock(&request.state.cluster.managed).iter() {
        let state = settings.get("state").cloned().unwrap_or_else(|| "started".to_owned());
        found.push(json!({
            "id": format!("service:vm:{vmid}"),
            "sid": format!("vm:{vmid}"),
            "type": "service",
            "node": node,
            "state": state,
            "status": format!("vm:{vmid} ({node}, {state})"),
        }));
    }
    Ok(Value::Array(found))
}
