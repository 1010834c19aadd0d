//! Probes that no script of ours prints: a part that cannot be read spoils no other.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::{
    damage::{any_json, cases, damaged, damaged_json},
    inventory::Desired,
    stage::{guest, tailnet},
    topology::tests::example,
};

/// With Longhorn, and a disk of its own for it.
static DESIRED: LazyLock<Desired> = LazyLock::new(|| {
    let mut desired = example();
    desired.nodes.values_mut().for_each(|node| node.storage_disk_bytes = Some(10 << 30));
    desired
});

fn recorded() -> Value {
    json!({
        "version": 1, "boot_id": "b", "machine_id": "m", "system_uuid": "u", "hostname": "h", "kernel": "6.1",
        "architecture": "x86_64", "os": {"id": "debian", "version": "12"}, "time_seconds": 1_764_000_000,
        "time_synchronized": true, "memory_kib": 4_000_000, "cores": 4, "modules_present": true,
        "host_keys": ["ssh-ed25519 AAAA"],
        "cloud_init": {"installed": true, "disabled": false, "status": {"v1": {"stage": null, "init": {"errors": []}}},
            "result": {"v1": {"errors": [], "recoverable_errors": {"WARNING": ["w"]}}}},
        "root_disk": {"device": "/dev/sda1", "partition": 1, "filesystem_bytes": 30, "disk_bytes": 32},
        "storage_disk": {"device": "/dev/sdb", "bytes": 10, "uuid": "u"},
        "storage_host": {"iscsiadm": true, "multipath_maps": ["a"]},
        "links": [{"ifindex": 4, "ifname": "tailscale0", "flags": ["UP"], "mtu": 1420, "linkinfo": {"info_kind": "tun",
            "info_data": {"persist": true}}, "addr_info": [{"local": "100.64.0.1", "prefixlen": 32}]}],
        "routes": [{"dst": "default", "gateway": "10.79.0.1", "dev": "eth0", "flags": []}],
        "routes6": [], "fdb": [{"mac": "4a:00:00:00:00:01", "dst": "100.64.0.2"}],
        "neighbours": [{"dst": "10.42.1.0", "lladdr": "4a:00:00:00:00:01", "state": ["PERMANENT"]}],
        "overlay_filter": true, "exposure_filter": false, "files": {"/usr/local/bin/k3s": "ab"},
        "units": {"k3s.service": {"LoadState": "loaded", "ActiveState": "active", "NRestarts": "0"}},
        "tailscale": {"version": "1.102.5", "release": "ab", "release_intact": true, "status": {"BackendState":
            "Running", "Self": {"ID": "n1", "DNSName": "a-1.tail.ts.net.", "TailscaleIPs": ["100.64.0.1"],
            "KeyExpiry": "2027-01-01T00:00:00Z"}}, "prefs": {"Hostname": "a", "AutoUpdate": {"Apply": null}}},
        "k3s": {"version": "v1.34.4+k3s1", "datastore": "etcd", "settings": ["node-ip: 100.64.0.7", "server: \"x\""]},
    })
}

/// Everything that a step or a check derives from a probe.
fn derive_all(probe: &HostProbe) {
    let desired = &*DESIRED;
    for node in desired.nodes.values() {
        let reasons =
            crate::plan::diff::join_reasons(desired, node, probe, Some([100, 64, 0, 9].into()));
        assert!(reasons.iter().all(|reason| !reason.is_empty()));
        crate::plan::diff::tailscale_reasons(desired, node, probe);
        crate::stage::cluster::install_reasons(desired, node, probe, None);
        crate::stage::cluster::immutable_change(desired, node, probe, None);
        crate::stage::longhorn::reasons(desired, node, probe);
    }
    for disk_bytes in [0, 32 << 30, u64::MAX] {
        guest::root_is_smaller_than_disk(probe, disk_bytes);
    }
    for now in [i64::MIN, 0, i64::MAX] {
        assert_eq!(probe.clock_skew(now).is_some(), probe.time_seconds.is_some());
    }
    let _ = guest::cloud_init_verdict(&probe.cloud_init.state());
    tailnet::foreign_address(desired, probe);
    assert_eq!(
        probe.root_disk.unused().is_some(),
        probe.root_disk.disk_bytes.and(probe.root_disk.filesystem_bytes).is_some()
    );
}

#[test]
fn a_part_of_any_shape_is_left_out_and_the_rest_is_read() {
    // Those that tools of others print; the others are our own script's.
    for part in [
        "links",
        "routes",
        "routes6",
        "fdb",
        "neighbours",
        "units",
        "tailscale",
        "storage_disk",
        "storage_host",
    ] {
        for value in [json!(null), json!("text"), json!([1]), json!({"a": {"b": []}}), json!(-1)] {
            let mut document = recorded();
            document[part] = value.clone();
            let probe = HostProbe::parse(&document.to_string())
                .unwrap_or_else(|error| panic!("{part}: {value}: {error}"));
            assert_eq!(probe.boot_id.as_deref(), Some("b"), "{part}: {value}");
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_probe_of_any_shape_is_read_or_refused(json in prop_oneof![
        1 => any_json(),
        4 => damaged_json(recorded()),
    ]) {
        match HostProbe::parse(&json.to_string()) {
            Ok(probe) => derive_all(&probe),
            Err(failure) => prop_assert!(failure.message.contains("line "), "{failure}"),
        }
    }

    #[test]
    fn a_probe_that_broke_off_or_has_a_banner_is_read_or_refused(
        text in damaged(format!("{:#}", recorded())), banner in "\\PC{0,40}", bytes in vec(any::<u8>(), 0..20),
    ) {
        let banner = banner + &String::from_utf8_lossy(&bytes);
        for text in [text.clone(), format!("{banner}\n{text}")] {
            match HostProbe::parse(&text) {
                Ok(probe) => derive_all(&probe),
                Err(failure) => prop_assert!(!failure.hints.is_empty() && failure.message.contains("line "), "{failure}"),
            }
        }
    }
}
