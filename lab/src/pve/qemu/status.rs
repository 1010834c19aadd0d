//! What guests are doing: lists and `status/current`.

use serde_json::{Map, Value, json};

use super::{call::Subject, config::Section, network, size, spec, table::Guest};
use crate::{
    hypervisor::PowerState,
    pve::{error::ApiError, request::Request, state::State},
};

/// A guest in short, for the cluster's lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) vmid: u32,
    pub(crate) node: String,
    pub(crate) name: String,
    pub(crate) running: bool,
    pub(crate) template: bool,
    pub(crate) tags: Option<String>,
    pub(crate) lock: Option<String>,
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    /// Size of the boot disk.
    pub(crate) disk_bytes: u64,
    pub(crate) uptime_seconds: u64,
}

/// Every guest in short, by VMID.
pub(crate) fn summaries(state: &State) -> Vec<Summary> {
    state
        .qemu
        .all()
        .into_iter()
        .map(|(vmid, guest)| {
            let section = &guest.config.current;
            let uptime = match state.hypervisor().power_state(vmid) {
                PowerState::Running { uptime, .. } => Some(uptime.as_secs()),
                PowerState::Stopped => None,
            };
            Summary {
                vmid,
                name: spec::name(vmid, section),
                running: uptime.is_some(),
                template: guest.config.is_template(),
                tags: section.get("tags").filter(|tags| !tags.trim().is_empty()).cloned(),
                lock: section.get("lock").cloned(),
                cpus: spec::cpus(section),
                memory_bytes: spec::memory(section) << 20,
                disk_bytes: boot_disk_bytes(section),
                uptime_seconds: uptime.unwrap_or(0),
                node: guest.node,
            }
        })
        .collect()
}

fn boot_disk_bytes(section: &Section) -> u64 {
    spec::boot_disk(section).and_then(|drive| size::parse(drive.get("size")?)).unwrap_or(0)
}

/// What lists and `status/current` share (`vmstatus`).
fn facts(state: &State, vmid: u32, guest: &Guest) -> Map<String, Value> {
    let section = &guest.config.current;
    let power = state.hypervisor().power_state(vmid);
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| {
        answer.insert(name.to_owned(), value);
    };
    put("vmid", json!(vmid));
    put("name", json!(spec::name(vmid, section)));
    put("cpus", json!(spec::cpus(section)));
    put("maxmem", json!(spec::memory(section) << 20));
    put("maxdisk", json!(boot_disk_bytes(section)));
    for zero in ["disk", "mem", "memhost", "cpu", "netin", "netout"] {
        put(zero, json!(0));
    }
    put("uptime", json!(0));
    put("status", json!("stopped"));
    put("qmpstatus", json!("stopped"));
    if section.contains_key("serial0") {
        put("serial", json!(1));
    }
    if guest.config.is_template() {
        put("template", json!(1));
    }
    for option in ["lock", "tags"] {
        if let Some(value) = section.get(option) {
            put(option, json!(value));
        }
    }
    if let PowerState::Running { pid, uptime } = power {
        put("status", json!("running"));
        put("qmpstatus", json!(if guest.paused { "paused" } else { "running" }));
        put("pid", json!(pid));
        put("uptime", json!(uptime.as_secs().max(1)));
        for pressure in ["cpu", "io", "memory"] {
            put(&format!("pressure{pressure}some"), json!(0));
            put(&format!("pressure{pressure}full"), json!(0));
        }
        let nics: Map<String, Value> = section
            .keys()
            .filter(|option| network::is_network(option))
            .map(|option| {
                let tap = format!("tap{vmid}i{}", option.trim_start_matches("net"));
                (tap, json!({ "netin": 0, "netout": 0 }))
            })
            .collect();
        if !nics.is_empty() {
            put("nics", Value::Object(nics));
        }
    }
    answer
}

pub(crate) async fn list(request: Request) -> Result<Value, ApiError> {
    let node = request.node();
    let mut answer = Vec::new();
    for (vmid, guest) in request.state.qemu.all() {
        if guest.node == node && request.may(&format!("/vms/{vmid}"), &["VM.Audit"]) {
            let mut facts = facts(&request.state, vmid, &guest);
            if !request.boolean("full").unwrap_or(false) {
                facts.shift_remove("nics");
                facts.shift_remove("qmpstatus");
            }
            answer.push(Value::Object(facts));
        }
    }
    Ok(Value::Array(answer))
}

pub(crate) async fn current(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let config = subject.load().map_err(ApiError::failure)?;
    let guest = subject.state.qemu.find(subject.vmid);
    let paused = guest.is_some_and(|guest| guest.paused);
    let guest = Guest { node: subject.node.clone(), config, paused };
    let mut facts = facts(&subject.state, subject.vmid, &guest);
    let ha = if subject.state.cluster.is_managed(subject.vmid) {
        json!({ "managed": 1, "state": null })
    } else {
        json!({ "managed": 0 })
    };
    facts.insert("ha".to_owned(), ha);
    let section = &guest.config.current;
    if spec::has_agent(section) {
        facts.insert("agent".to_owned(), json!(1));
    }
    if section.contains_key("vga") && facts.contains_key("pid") {
        facts.insert("clipboard".to_owned(), Value::Null);
    }
    Ok(Value::Object(facts))
}
