//! What a node is made of: its PCI devices and disks, and what could be looked for on it.
//!
//! An emulated node is itself a virtual machine: its devices are virtio's, and one disk holds its
//! root and its volume groups.

use serde_json::{Value, json};

use crate::pve::{
    access::permission::{Check, Permission, any_of},
    config::{NodeConfig, StorageKind},
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    root,
    schema::{boolean, format::split_list, formatted, node, one_of},
    state::State,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/nodes/{node}/hardware").parameters([node()]).handler(kinds),
        Endpoint::get("/nodes/{node}/hardware/pci")
            .proxied()
            .protected()
            .permission(any_of("/", &["Sys.Audit", "Sys.Modify"]))
            .parameters([
                node(),
                formatted("string-list").optional().named("pci-class-blacklist"),
                boolean().optional().named("verbose"),
            ])
            .handler(devices),
        Endpoint::get("/nodes/{node}/disks").proxied().parameters([node()]).handler(disk_calls),
        Endpoint::get("/nodes/{node}/disks/list")
            .proxied()
            .protected()
            .permission(audit_anywhere())
            .parameters([
                node(),
                boolean().optional().named("include-partitions"),
                boolean().optional().named("skipsmart"),
                one_of(["unused", "journal_disks"]).optional().named("type"),
            ])
            .handler(disks),
        Endpoint::get("/nodes/{node}/scan").parameters([node()]).handler(scans),
    ]
}

fn audit_anywhere() -> Permission {
    let on = |path| Check::Privileges { path, privileges: &["Sys.Audit"], any: false };
    Permission::Check(Check::Or(vec![on("/"), on("/nodes/{node}")]))
}

/// The vendor of every virtio device.
const VENDOR: &str = "0x1af4";
/// A modern virtio device's PCI id is this and the number of its type.
const MODERN: u32 = 0x1040;
/// What Proxmox leaves out where it is asked for nothing else: memory controllers, bridges,
/// processors.
const LEFT_OUT: &str = "05;06;0b";
/// The class of devices that fit no other.
const UNCLASSIFIED: &str = "0xffff00";

/// The virtio devices of a node: number of the type, PCI class, name.
const DEVICES: [(u32, &str, &str); 5] = [
    (5, UNCLASSIFIED, "balloon"),
    (2, "0x018000", "block device"),
    (1, "0x020000", "network device"),
    (19, UNCLASSIFIED, "socket"),
    (4, UNCLASSIFIED, "RNG"),
];

async fn kinds(_request: Request) -> Result<Value, ApiError> {
    Ok(["pci", "usb"].iter().map(|kind| json!({ "type": kind })).collect())
}

async fn devices(request: Request) -> Result<Value, ApiError> {
    let text = request.text("pci-class-blacklist");
    let left_out: Vec<String> = split_list(text.as_deref().unwrap_or(LEFT_OUT))
        .map(|class| format!("0x{}", class.to_lowercase()))
        .collect();
    let verbose = request.boolean("verbose").unwrap_or(true);
    Ok(DEVICES
        .iter()
        .enumerate()
        .filter(|(_, (_, class, _))| !left_out.iter().any(|start| class.starts_with(start)))
        .map(|(index, (kind, class, name))| {
            // Slot 0 is the bridge to the host.
            let mut entry = json!({ "id": format!("0000:00:{:02x}.0", index + 1) });
            if verbose {
                let device = format!("{:#06x}", MODERN + kind);
                entry["class"] = (*class).into();
                entry["vendor"] = VENDOR.into();
                entry["vendor_name"] = "Red Hat, Inc.".into();
                entry["device"] = device.clone().into();
                entry["device_name"] = format!("Virtio 1.0 {name}").into();
                entry["subsystem_vendor"] = VENDOR.into();
                entry["subsystem_vendor_name"] = "Red Hat, Inc.".into();
                entry["subsystem_device"] = device.into();
                entry["iommugroup"] = json!(-1);
            }
            entry
        })
        .collect())
}

async fn disk_calls(_request: Request) -> Result<Value, ApiError> {
    Ok(root::named(&["list", "initgpt", "smart", "lvm", "lvmthin", "directory", "wipedisk", "zfs"]))
}

async fn disks(request: Request) -> Result<Value, ApiError> {
    // Nothing on the node is free for a new use.
    if request.text("type").is_some() {
        return Ok(json!([]));
    }
    let config = request.state.node(&request.node());
    Ok(config.into_iter().map(|config| disk(&request.state, config)).collect())
}

/// A virtio disk tells nothing of a maker, of SMART, or of how it turns.
fn disk(state: &State, config: &NodeConfig) -> Value {
    let groups: u64 = state
        .storage
        .of_node(&config.name)
        .filter(|place| place.config.kind == StorageKind::LvmThin)
        .map(|place| place.config.total_bytes)
        .sum();
    json!({
        "devpath": "/dev/vda",
        "size": super::status::ROOT_DISK + groups,
        "gpt": 0,
        "vendor": VENDOR,
        "model": "unknown",
        "serial": "unknown",
        "wwn": "unknown",
        "type": "unknown",
        "rpm": -1,
        "health": "UNKNOWN",
        "wearout": "N/A",
        "osdid": -1,
        "osdid-list": null,
    })
}

async fn scans(_request: Request) -> Result<Value, ApiError> {
    let methods = ["cifs", "iscsi", "lvm", "nfs", "pbs", "zfs"];
    Ok(methods.iter().map(|method| json!({ "method": method })).collect())
}
