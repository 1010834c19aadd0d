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

fn translation(own: &Own, ours: &Value) -> Translation {
    let terrain = terrain(std::slice::from_ref(own));
    let release = |name: &str, version: &str| Artifact {
        url: format!("http://world/{name}-{version}"),
        sha256: "0".into(),
    };
    let place = |number: u32| Ipv4Addr::from(0x7f40_010a + number);
    own.translate(ours, &terrain, release, place).unwrap()
}

fn translate(own: &Own, ours: &Value) -> Value {
    serde_saphyr::from_str(&translation(own, ours).text).unwrap()
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
fn what_a_world_could_have_and_does_not_is_told_as_left_out() {
    let own = inventory("homelab.yaml");
    let without_flux = json!({"access": {"public_keys": ["ssh-ed25519 AAAA"]}});
    let left_out = translation(&own, &without_flux).left_out;
    for key in ["longhorn.backup", "gitops.cert_manager"] {
        assert!(left_out.iter().any(|left| left == key), "{key}: {left_out:?}");
    }
    assert!(!left_out.iter().any(|left| left == "access.public_key_files"), "{left_out:?}");
}

#[test]
fn every_key_that_an_inventory_can_have_is_known() {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../inventory/schema.json");
    let schema: Value = serde_json::from_str(&fs_err::read_to_string(schema).unwrap()).unwrap();
    let known: std::collections::BTreeMap<_, _> = sections::known().into_iter().collect();
    for (name, section) in schema["properties"].as_object().unwrap() {
        let keys = known.get(&**name).unwrap_or_else(|| panic!("section {name}"));
        let reference = section["$ref"].as_str().or(section["anyOf"][0]["$ref"].as_str());
        let shape = reference.map(|path| schema.pointer(path.trim_start_matches('#')).unwrap());
        let fields = shape.and_then(|shape| shape["properties"].as_object()).into_iter().flatten();
        for (field, _) in fields.filter(|_| !keys.is_empty()) {
            assert!(keys.contains(&&**field), "{name}.{field}");
        }
    }
    assert!(known["gitops"].contains(&"cloudflared"));
}

#[test]
fn what_no_inventory_can_have_stays_for_homelab_to_refuse() {
    let mut document = smallest();
    document["proxmox"]["endpiont"] = json!("https://pve");
    document["falvour"] = json!({});
    let made = translate(&with_lock(&document, &json!({})).unwrap(), &json!({}));
    assert_eq!(made["proxmox"]["endpiont"], "https://pve");
    assert!(made["falvour"].is_object());
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

#[test]
fn names_that_would_lead_out_of_the_worlds_folder_are_refused() {
    let mut document = smallest();
    document["proxmox"] = json!({
        "pool": "a/b", "bridge": 7,
        "storage": {"disks": "../../disks", "image": "/tmp/image", "seeds": "seeds"},
    });
    document["k3s"] = json!({"version": "../../etc/passwd", "cluster_cidr": "10.0.0.0/25"});
    document["tailnet"]["tag"] = json!("tag:a b");
    document["image"]["template"] = json!(99);
    document["nodes"]["one"]["proxmox_node"] = json!("..");
    let refusal = with_lock(&document, &json!({})).unwrap_err();
    let OwnError::Senseless { faults, .. } = refusal else { panic!("{refusal}") };
    insta::assert_snapshot!(faults.join("\n"), @r#"
    `proxmox.pool` cannot be "a/b"
    `proxmox.bridge` cannot be 7
    `proxmox.storage.disks` cannot be "../../disks"
    `proxmox.storage.image` cannot be "/tmp/image"
    `k3s.version` cannot be "../../etc/passwd"
    `image.template` cannot be 99
    `tailnet.tag` cannot be "tag:a b"
    `k3s.cluster_cidr` cannot be "10.0.0.0/25"
    nodes.one.proxmox_node is no name of a Proxmox node
    "#);
}

#[test]
fn a_release_of_a_lock_file_is_held_to_the_same() {
    let lock = json!({"k3s": {"version": "a/../../b"}});
    assert!(matches!(with_lock(&smallest(), &lock), Err(OwnError::Senseless { .. })));
}

#[test]
fn a_guest_of_nobodys_keeps_out_of_the_templates_way() {
    let mut document = smallest();
    document["image"]["template"] = json!(103);
    document["nodes"]["one"]["vmid"] = json!(500);
    for (vmid, host) in [(501, "pve2"), (502, "pve3")] {
        let address = format!("10.0.0.{}", vmid - 490);
        document["nodes"][host] = json!({"vmid": vmid, "proxmox_node": host, "address": address});
    }
    let terrain = terrain(&[with_lock(&document, &json!({})).unwrap()]);
    assert!(terrain.vmids.contains(&104));
}
