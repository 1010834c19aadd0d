//! `probe`: all that there is to know about a node.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use super::{
    Told, Turn,
    desk::Desk,
    files::{sha256, sha256_of},
    system::{cloud_init, document, number, root_disk, string, word},
};
use crate::sim::guest::Answer;

const STORAGE_DISK: &str = "dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1";
const RELEASE: &str = "usr/local/lib/homelab/tailscale.release";
const CONFIG: &str = "etc/rancher/k3s/config.yaml";
const DATASTORE_KEY: &str = "homelab-datastore.yaml";
const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
/// What cannot be changed, in `config.yaml`.
const SETTINGS: [&str; 7] = [
    "server",
    "node-ip",
    "cluster-cidr",
    "service-cidr",
    "secrets-encryption",
    "cluster-init",
    "flannel-iface",
];

pub(super) fn probe(desk: &Desk<'_>) -> Told {
    let release = desk.text("etc/os-release");
    let os = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        word(value.unwrap_or_default().trim_matches('"'))
    };
    let kernel = desk.run(&["uname", "-r"]).stdout.trim().to_owned();
    let meminfo = desk.text("proc/meminfo");
    let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let device = ["show", "dev", "flannel.1"];
    let flannel = |words: &[&str]| document(&desk.run(&[words, &device].concat()));
    let seen = json!({
        "version": 1,
        "boot_id": word(&desk.first_line("proc/sys/kernel/random/boot_id")),
        "machine_id": word(&desk.first_line("etc/machine-id")),
        "system_uuid": word(&desk.first_line("sys/class/dmi/id/product_uuid")),
        "hostname": word(desk.run(&["uname", "-n"]).stdout.trim()),
        "kernel": word(&kernel),
        "architecture": word(desk.run(&["uname", "-m"]).stdout.trim()),
        "os": { "id": os("ID"), "version": os("VERSION_ID"), "name": os("PRETTY_NAME") },
        "time_seconds": now,
        "time_synchronized": desk.run(&["timedatectl"]).stdout == "yes\n",
        "memory_kib": number(memory),
        "cores": number(desk.run(&["nproc"]).stdout.trim()),
        "reboot_required": desk.place("run/reboot-required").exists(),
        "modules_present": desk.place("lib/modules").join(&kernel).is_dir(),
        "host_keys": host_keys(desk)?,
        "cloud_init": cloud_init(desk),
        "root_disk": root_disk(desk)?,
        "storage_disk": storage_disk(desk)?,
        "storage_host": {
            "iscsiadm": desk.has_program("iscsiadm"),
            "mount_nfs": desk.has_program("mount.nfs"),
            "cryptsetup": desk.has_program("cryptsetup"),
            "iscsi_tcp": desk.holds(&["modprobe", "--dry-run", "--quiet", "iscsi_tcp"]),
            "multipath_maps": [],
        },
        "links": document(&desk.run(&["ip", "-json", "-details", "address", "show"])),
        "routes": document(&desk.run(&["ip", "-json", "-4", "route", "show"])),
        "routes6": document(&desk.run(&["ip", "-json", "-6", "route", "show"])),
        "fdb": flannel(&["bridge", "-json", "fdb"]),
        "neighbours": flannel(&["ip", "-json", "neighbour"]),
        "overlay_filter": desk.holds(&["nft", "list", "table", "inet", "homelab"]),
        "exposure_filter": desk.holds(&["nft", "list", "table", "inet", "homelab_exposure"]),
        "files": hashes(desk)?,
        "units": units(desk)?,
        "tailscale": tailscale(desk),
        "k3s": k3s(desk)?,
    });
    let mut said = format!("{seen}\n");
    // On a server the line that stands in front of its kubeconfig, and that.
    if desk.script.has(&["cat", KUBECONFIG]) {
        let line = desk.script.before(&["cat", KUBECONFIG]).and_then(<[String]>::last);
        said.push_str(desk.known(line, "line in front of the kubeconfig")?);
        said.push('\n');
        said.push_str(&desk.text(KUBECONFIG));
    }
    Turn::said(said)
}

fn host_keys(desk: &Desk<'_>) -> Result<Vec<String>, Answer> {
    let mut names = Vec::new();
    for entry in desk.place("etc/ssh").read_dir_utf8()? {
        names.push(entry?.file_name().to_owned());
    }
    names.retain(|name| name.starts_with("ssh_host_") && name.ends_with("_key.pub"));
    names.sort();
    let keys = names.iter().flat_map(|name| {
        let text = desk.text(&format!("etc/ssh/{name}"));
        text.lines()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    });
    Ok(keys.collect())
}

/// Device nodes need root, so that no guest here has one.
fn storage_disk(desk: &Desk<'_>) -> Result<Value, Answer> {
    let kind = fs_err::metadata(desk.place(STORAGE_DISK)).map(|found| found.file_type());
    let found = kind.is_ok_and(|kind| kind.is_block_device());
    desk.known((!found).then_some(Value::Null), "answer for a storage disk")
}

/// Path and sha256 of those files that exist.
fn hashes(desk: &Desk<'_>) -> Result<Value, Answer> {
    let call = desk.known(desk.script.call(&["json_hashes"]), "files")?;
    let hashes: Map<String, Value> = call[1..]
        .iter()
        .filter_map(|path| Some((path.clone(), json!(sha256_of(&desk.place(path))?))))
        .collect();
    Ok(Value::Object(hashes))
}

fn units(desk: &Desk<'_>) -> Result<Value, Answer> {
    let call = desk.known(desk.script.call(&["json_units"]), "units")?;
    let properties = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,InvocationID,ActiveEnterTimestampMonotonic";
    let names = call[1..].iter().map(String::as_str);
    let words: Vec<&str> = ["systemctl", "show", properties].into_iter().chain(names).collect();
    let shown = desk.run(&words).stdout;
    let units: Map<String, Value> = shown
        .split("\n\n")
        .filter_map(|block| {
            let fields = block.lines().filter_map(|line| line.split_once('='));
            let fields: Map<String, Value> =
                fields.map(|(key, value)| (key.to_owned(), json!(value))).collect();
            Some((fields.get("Id")?.as_str()?.to_owned(), Value::Object(fields)))
        })
        .collect();
    Ok(Value::Object(units))
}

fn tailscale(desk: &Desk<'_>) -> Value {
    if !desk.has_program("tailscale") {
        return Value::Null;
    }
    let version = desk.run(&["tailscale", "version"]).stdout;
    json!({
        "version": word(version.lines().next().unwrap_or_default()),
        "release": word(&desk.first_line(RELEASE)),
        "release_intact": is_intact(desk),
        "status": document(&desk.run(&["tailscale", "status", "--json", "--peers=false"])),
        "prefs": document(&desk.run(&["tailscale", "debug", "prefs"])),
    })
}

/// Whether the binaries are those that the release file lists.
fn is_intact(desk: &Desk<'_>) -> bool {
    let release = desk.text(RELEASE);
    let mut listed = release.lines().skip(1).peekable();
    listed.peek().is_some()
        && listed.all(|line| {
            let mut words = line.split_whitespace();
            let (Some(hash), Some(path)) = (words.next(), words.next()) else { return false };
            sha256_of(&desk.place(path)).as_deref() == Some(hash)
        })
}

fn k3s(desk: &Desk<'_>) -> Result<Value, Answer> {
    let data = "var/lib/rancher/k3s";
    let version = desk.run(&["k3s", "--version"]).stdout;
    let authority = ["server/tls/server-ca.crt", "agent/server-ca.crt"]
        .iter()
        .find_map(|path| fs_err::read(desk.place(data).join(path)).ok());
    let there = |path: &str| desk.place(path).exists();
    let datastore = if desk.place(data).join("server/db/etcd").is_dir() {
        "etcd"
    } else if there("var/lib/rancher/k3s/server/db/state.db") {
        "sqlite"
    } else {
        ""
    };
    let folder = format!("{CONFIG}.d");
    let configured = [CONFIG.to_owned(), format!("{folder}/{DATASTORE_KEY}")]
        .iter()
        .filter_map(|path| fs_err::metadata(desk.place(path)).ok())
        .map(|found| found.mtime())
        .max();
    let config = desk.text(CONFIG);
    let settings = config
        .lines()
        .filter(|line| line.split_once(':').is_some_and(|(key, _)| SETTINGS.contains(&key)));
    let password = fs_err::metadata(desk.place("etc/rancher/node/password"));
    Ok(json!({
        "version": word(version.split_whitespace().nth(2).unwrap_or_default()),
        "ca_sha256": word(&authority.map(sha256).unwrap_or_default()),
        "datastore": word(datastore),
        "agent_data": there("var/lib/rancher/k3s/agent/client-ca.crt"),
        "node_password": password.is_ok_and(|file| file.len() > 0),
        "drop_ins": drop_ins(desk)?,
        "configured_seconds": configured,
        "settings": settings.map(string).collect::<Vec<_>>(),
    }))
}

/// Others' files in `config.yaml.d`.
pub(super) fn drop_ins(desk: &Desk<'_>) -> Result<Vec<String>, Answer> {
    let folder = desk.place(CONFIG).with_extension("yaml.d");
    let mut names = Vec::new();
    if folder.exists() {
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            let ours = entry.file_name() == DATASTORE_KEY;
            if !ours && entry.path().extension() == Some("yaml") {
                names.push(entry.path().to_string());
            }
        }
    }
    names.sort();
    Ok(names)
}
