use serde_json::{Value, json};

use super::*;
use crate::sim::files::Artifact;

fn inventory(name: &str) -> Own {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../inventory");
    Own::read(&Utf8Path::new(folder).join(name)).unwrap()
}

/// Read from a folder that it lies in with a lock file.
fn with_lock(inventory: &Value, lock: &Value) -> Result<Own, OwnError> {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    fs_err::write(folder.join("homelab.lock"), lock.to_string()).unwrap();
    fs_err::write(folder.join("mine.yaml"), inventory.to_string()).unwrap();
    Own::read(&folder.join("mine.yaml"))
}

fn smallest() -> Value {
    json!({
        "version": 1,
        "cluster": {"name": "one"},
        "proxmox": {},
        "image": {"template": 9000},
        "network": {},
        "tailnet": {"control": {"auth_key": {"key": {"command": ["pass"]}}}},
        "nodes": {"one": {"role": "server", "vmid": 104, "address": "10.0.0.9"}},
    })
}

fn translate(own: &Own, ours: &Value) -> Value {
    let terrain = terrain(std::slice::from_ref(own));
    let release = |name: &str, version: &str| Artifact {
        url: format!("http://world/{name}-{version}"),
        sha256: "0".into(),
    };
    let place = |number: u32| Ipv4Addr::from(0x7f40_010a + number);
    let translation = own.translate(ours, &terrain, release, place).unwrap();
    serde_saphyr::from_str(&translation.text).unwrap()
}

#[test]
fn a_world_gets_the_hosts_bridges_and_storages_that_are_named() {
    let terrain = terrain(&[inventory("ha.yaml")]);
    assert_eq!(terrain.proxmox_nodes, ["pve1", "pve2", "pve3"]);
    let storages: Vec<String> = terrain
        .storages
        .iter()
        .map(|storage| format!("{} holds {}", storage.id, storage.content.join(", ")))
        .collect();
    insta::assert_snapshot!(storages.join("\n"), @r"
    cephfs holds import
    local holds import, iso
    seeds holds iso
    ceph-vm holds images
    local-lvm holds images
    ");
    assert!(terrain.vmids.contains(&9000) && terrain.vmids.contains(&212));
}

#[test]
fn what_two_inventories_name_is_there_once() {
    let terrain = terrain(&[inventory("ha.yaml"), inventory("ha.yaml")]);
    assert_eq!(terrain.addresses.len(), 5);
    assert_eq!(terrain.k3s, ["v1.34.9+k3s1"]);
}

#[test]
fn releases_that_the_inventory_leaves_to_its_lock_file_are_taken_from_there() {
    let lock = json!({"version": 1, "k3s": {"version": "v1.35.2+k3s1"}, "tailscale": {"version": "1.98.0"}});
    let own = with_lock(&smallest(), &lock).unwrap();
    let made = translate(&own, &json!({"k3s": {"version": "v1.34.9+k3s1"}}));
    assert_eq!(made["k3s"]["url"], "http://world/k3s-v1.35.2+k3s1");
    assert_eq!(made["tailnet"]["tailscale"]["version"], "1.98.0");
}

#[test]
fn no_reference_to_a_secret_is_left_but_the_worlds_own() {
    let made = translate(&inventory("homelab.yaml"), &json!({}));
    let text = made.to_string();
    for word in ["env", "file", "command", "age"] {
        assert!(!text.contains(&format!("\"{word}\":")), "{word}: {text}");
    }
}

#[test]
fn a_section_that_no_inventory_has_is_left_out() {
    let mut document = smallest();
    document["backups"] = json!({"key": {"command": ["rm"]}});
    let own = with_lock(&document, &json!({})).unwrap();
    let made = translate(&own, &json!({}));
    assert!(made["backups"].is_null(), "{made}");
}

#[test]
fn sections_of_another_shape_are_refused_all_at_once() {
    let mut document = smallest();
    document["k3s"] = json!("v1.34.9+k3s1");
    document["tailnet"]["tailscale"] = json!([]);
    document["network"] = Value::Null;
    document["nodes"]["two"] = json!("agent");
    let refusal = with_lock(&document, &json!({"k3s": {"version": "v1"}})).unwrap_err();
    let OwnError::Senseless { faults, .. } = refusal else { panic!("{refusal}") };
    insta::assert_snapshot!(faults.join("\n"), @r"
    it has no section `network`
    `k3s` is not made of keys and values
    `tailnet.tailscale` is not made of keys and values
    nodes.two has no `address`, such as 192.168.1.101
    nodes.two has no `vmid`, such as 101
    ");
}
