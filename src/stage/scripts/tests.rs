use std::{io::Write, process::Command};

use super::*;
use crate::{inventory::desired::*, ports::Taint};

/// A server and an agent, as an inventory would mean them.
pub(crate) fn desired() -> Desired {
    let artifact = |version: &str, file: &str| Artifact {
        version: version.into(),
        url: format!("http://192.0.2.1/{file}"),
        sha256: "ab".repeat(32),
    };
    let node = |name: &str, role, vmid, address: [u8; 4]| Node {
        name: name.parse().unwrap(),
        role,
        proxmox_node: "pve1".into(),
        vmid: crate::model::Vmid(vmid),
        cores: 4,
        memory_mib: 4096,
        disk_bytes: 32 << 30,
        storage_disk_bytes: None,
        storage_disk_storage: "local-lvm".into(),
        address: address.into(),
        prefix: 24,
        gateway: [192, 168, 1, 1].into(),
        nameservers: vec![[192, 168, 1, 1].into()],
        search_domain: None,
        link_mtu: 1500,
        labels: [("homelab.example/rack".to_owned(), "one".to_owned())].into(),
        taints: vec![Taint { key: "storage".into(), value: None, effect: "NoSchedule".into() }],
        on_boot: true,
        cpu_type: "host".into(),
        tags: vec![],
    };
    let nodes = [
        node("k3s-server", Role::Server, 102, [192, 168, 1, 102]),
        node("k3s-agent-1", Role::Agent, 101, [192, 168, 1, 101]),
    ];
    Desired {
        cluster: "home".into(),
        id: "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap(),
        proxmox: ProxmoxSite {
            endpoint: "https://192.168.1.10:8006".into(),
            tls: TlsTrust::System,
            token: SecretSource::Env("TOKEN".into()),
            pool: None,
            bridge: "vmbr0".into(),
            vlan: None,
            disk_storage: "local-lvm".into(),
            image_storage: "local".into(),
            seed_storage: "local".into(),
            parallel_clones: 2,
        },
        image: CloudImage {
            artifact: artifact("debian-12", "debian.qcow2"),
            template: crate::model::Vmid(9000),
        },
        access: Access {
            user: "ubuntu".into(),
            public_keys: vec!["ssh-ed25519 AAAA me".into()],
            private_key: None,
            port: 22,
            exposure: Exposure::Tailnet,
        },
        nodes: nodes.into_iter().map(|node| (node.name.clone(), node)).collect(),
        tailnet: TailnetPlan {
            control: TailnetControl::AuthKey {
                login_server: Some("http://192.0.2.1:8080".into()),
                key: SecretSource::Env("KEY".into()),
            },
            tag: "tag:k3s".into(),
            tailscale: artifact("1.102.5", "tailscale_1.102.5_amd64.tgz"),
            mtu: 1420,
            persistent_tun: true,
            guard: true,
            environment: [("TS_DEBUG_USE_DERP_HTTP".to_owned(), "1".to_owned())].into(),
            prefixes: vec![
                "100.64.0.0/10".parse().unwrap(),
                "fd7a:115c:a1e0::/48".parse().unwrap(),
            ],
            join_timeout: Duration::from_secs(90),
        },
        longhorn: None,
        flux: None,
        gitops: None,
        age_files: Vec::new(),
        k3s: K3s {
            binary: artifact("v1.34.4+k3s1", "k3s"),
            images: Some(artifact("v1.34.4+k3s1", "k3s-airgap-images-amd64.tar.zst")),
            cluster_cidr: "10.42.0.0/16".parse().unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            overlay: Overlay::Tailscale,
            tls_sans: vec!["k3s.example".into()],
            disable: vec!["servicelb".into()],
            secrets_encryption: true,
            datastore_backup: None,
            server_config: serde_json::Map::new(),
            agent_config: serde_json::Map::new(),
        },
    }
}

/// The agent has a disk of its own for Longhorn.
fn with_storage_disk() -> Desired {
    let mut desired = desired();
    desired.nodes.values_mut().next_back().unwrap().storage_disk_bytes = Some(10 << 30);
    desired
}

/// Each script once a node, under the node's name.
fn all() -> Vec<(String, Script)> {
    let desired = with_storage_disk();
    let scripts_of = |node: &Node| {
        let scripts = catalogue(&desired, node).unwrap();
        scripts.into_iter().map(|script| (node.name.to_string(), script)).collect::<Vec<_>>()
    };
    desired.nodes.values().flat_map(scripts_of).collect()
}

fn with_input(
    program: &str,
    arguments: &[&str],
    input: &str,
) -> std::io::Result<std::process::Output> {
    use std::process::Stdio;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut standard_input = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || standard_input.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // A program that ends before it has read everything is judged by its status.
    let _ = writer.join().unwrap();
    Ok(output)
}

#[test]
fn every_script_parses_as_posix_shell() {
    for (node, script) in all() {
        let whole = script.standard_input();
        let output = with_input("/bin/sh", &["-n"], whole.expose()).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} for {node}: {said}", script.name);
    }
}

#[test]
fn shellcheck_has_nothing_to_say_about_any_script() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        eprintln!("SKIPPED: shellcheck is not installed; the scripts were not linted");
        return;
    }
    let mut complaints = Vec::new();
    for (node, script) in all() {
        let declared: String =
            script.secrets.iter().map(|(variable, _)| format!("{variable}=''\n")).collect();
        let text = format!("{declared}{}", script.text);
        let output =
            with_input("shellcheck", &["--shell=sh", "--severity=style", "-"], &text).unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            complaints.push(format!("{} for {node}:\n{said}", script.name));
        }
    }
    let output = with_input(
        "shellcheck",
        &["--shell=sh", "--severity=style", "-"],
        crate::script::SUPERVISOR,
    )
    .unwrap();
    complaints.push(String::from_utf8_lossy(&output.stdout).into_owned());
    complaints.retain(|complaint| !complaint.is_empty());
    // Programs that stay on the node travel as quoted words: looked at as what they are.
    let desired = with_storage_disk();
    let place =
        cluster::Place { address: [100, 64, 0, 1].into(), lan_interface: None, server: None };
    let node = desired.first_server();
    let mut files = tailnet::files(&desired).unwrap();
    let mut passing = desired.clone();
    passing.tailnet.persistent_tun = false;
    files.extend(tailnet::files(&passing).unwrap());
    files.extend(cluster::files(&desired, node, &place).unwrap());
    files.extend(overlay::guard_files(&desired, node).unwrap());
    files.extend(longhorn::files(&desired, desired.nodes.values().next_back().unwrap()).unwrap());
    for file in files.iter().filter(|file| file.content.starts_with("#!/bin/sh\n")) {
        let output = with_input("shellcheck", &["--severity=style", "-"], &file.content).unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            complaints.push(format!("{}:\n{said}", file.path));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Whether an absolute path in a line of shell stands without the prefix variable.
fn bare_path(line: &str) -> Option<&str> {
    const ROOTS: [&str; 15] = [
        "/etc/", "/usr/", "/var/", "/run/", "/proc/", "/sys/", "/dev/", "/opt/", "/root/",
        "/home/", "/lib/", "/bin/", "/sbin/", "/tmp/", "/boot/",
    ];
    let allowed = |rest: &str| rest.starts_with("/dev/null") || rest.starts_with("/bin/sh");
    (0..line.len())
        .filter(|index| line.is_char_boundary(*index))
        .map(|index| (index, &line[index..]))
        .find_map(|(index, rest)| {
            let begins = ROOTS.iter().any(|root| rest.starts_with(root)) && !allowed(rest);
            let before = line[..index].chars().next_back();
            // A path goes on behind a letter or a brace; behind a quote it may follow the prefix.
            let begins_word = before.is_none_or(|before| " \t='\"(<>:;|&`".contains(before));
            let prefixed = line[..index].trim_end_matches(['\'', '"']).ends_with("${HOMELAB_ROOT}");
            let bare = begins_word && !prefixed;
            (begins && bare).then_some(rest)
        })
}

#[test]
fn every_absolute_path_stands_behind_the_prefix() {
    assert!(bare_path("cat /etc/passwd").is_some());
    assert!(bare_path("cat \"/etc/passwd\"").is_some());
    assert!(bare_path("cat \"${HOMELAB_ROOT}/etc/passwd\" >/dev/null").is_none());
    for (node, script) in all() {
        // What is written into files is the node's own business: it runs there, without a prefix.
        let outside_files = script.text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut in_file = false;
        for line in outside_files {
            if line.starts_with("write_file ") {
                in_file = true;
            }
            let found = if in_file { None } else { bare_path(line) };
            assert_eq!(found, None, "{} for {node}: {line}", script.name);
            if in_file && line.ends_with('\'') {
                in_file = false;
            }
        }
    }
}

#[test]
fn the_probe_of_this_very_machine_can_be_read() {
    let script = guest::probe_script(false).unwrap();
    let output = with_input("/bin/sh", &["-s"], script.standard_input().expose()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let probe =
        crate::plan::probe::HostProbe::parse(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert_eq!(probe.version, 1);
    assert!(probe.boot_id.is_some() && probe.kernel.is_some() && probe.time_seconds.is_some());
    assert!(
        probe.root_disk.filesystem_bytes.is_some_and(|bytes| bytes > 0),
        "{:?}",
        probe.root_disk
    );
    let room = crate::plan::Room::of(&probe.root_disk);
    assert!(room.is_some(), "{:?}", probe.root_disk);
    assert!(probe.root_disk.available_bytes <= probe.root_disk.usable_bytes);
    assert!(probe.root_disk.free_inodes <= probe.root_disk.inodes);
}

#[test]
fn a_noted_hash_is_believed_only_of_a_file_that_nothing_has_touched_since() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let file = folder.path().join("big");
    let notes = folder.path().join("run/homelab/hashes");
    let library = template::text("lib/hashes.sh", serde_json::json!({})).unwrap();
    let hash = || {
        let input = format!("HOMELAB_ROOT={root}\n{library}\nhashes {root}/big {root}/none\n");
        let output = with_input("/bin/sh", &["-eus"], &input).unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap_or_default().to_owned()
    };
    let seen = |content: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(content));
    let content = vec![7; 2 << 20];
    fs_err::write(&file, &content).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    assert_eq!(hash(), seen(&content));
    assert!(!notes.exists(), "what is so young may change without its times moving");
    // It grows old while it is looked at.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !notes.exists() && std::time::Instant::now() < deadline {
        assert_eq!(hash(), seen(&content));
    }
    let noted = fs_err::read_to_string(&notes).unwrap();
    assert!(noted.contains(&seen(&content)), "{noted}");
    // It is what answers from now on.
    fs_err::write(&notes, noted.replace(&seen(&content), "noted")).unwrap();
    assert_eq!(hash(), "noted");
    // Other bytes, of the same length, under the same date.
    let other = vec![8; 2 << 20];
    fs_err::write(&file, &other).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    assert_eq!(hash(), seen(&other));
    // And another file of that date in its place.
    let next = folder.path().join("next");
    fs_err::write(&next, &content).unwrap();
    std::fs::File::options().write(true).open(&next).unwrap().set_modified(before).unwrap();
    fs_err::rename(&next, &file).unwrap();
    assert_eq!(hash(), seen(&content));
}

#[test]
fn every_script_says_what_it_said_before() {
    let mut seen = std::collections::BTreeMap::new();
    for (node, script) in all() {
        // What does not differ between nodes is kept once.
        let known = seen.insert(script.name, script.text.clone());
        if known.as_ref() != Some(&script.text) {
            let name = if known.is_some() {
                format!("{}@{node}", script.name)
            } else {
                script.name.into()
            };
            insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(name, script.text);
            });
        }
    }
}
