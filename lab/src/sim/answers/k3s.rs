//! Scripts of the cluster: k3s as it is pinned, how it comes up, what joins need.

use std::{
    os::unix::fs::symlink,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::RngExt;
use serde_json::json;

use super::{
    Told, Turn,
    desk::{Desk, fail},
    files::{listed, remove, set_mode, sha256, sha256_of, write, write_files},
    probe::drop_ins,
    system::{number, string, word},
};
use crate::sim::guest::Answer;

const K3S: &str = "usr/local/bin/k3s";
const DATA: &str = "var/lib/rancher/k3s";
const TOKEN: &str = "/etc/rancher/k3s/token";
const DATASTORE_KEY: &str = "etc/rancher/k3s/config.yaml.d/homelab-datastore.yaml";
const KUBECONFIG: &str = "etc/rancher/k3s/k3s.yaml";

pub(super) fn install(desk: &Desk<'_>) -> Told {
    refuse_others(desk)?;
    let pinned = desk.script.behind("=", |line| {
        line[0] == "[" && line.get(1).is_some_and(|word| word.starts_with("$(sha256sum $k3s"))
    });
    let pinned = desk.known(pinned, "sha256")?;
    let binary = desk.place(K3S);
    if sha256_of(&binary).as_deref() != Some(pinned) {
        return Err(fail(format_args!(
            "{binary} is not the pinned one: it must be brought here first"
        )));
    }
    let mut changes = Vec::new();
    if desk.script.has(&["write_secret", TOKEN]) {
        forget_former_authority(desk)?;
    }
    write_secrets(desk, &mut changes)?;
    changes.extend(write_files(desk)?);
    for name in ["kubectl", "crictl", "ctr"] {
        let link = binary.with_file_name(name);
        if !link.exists() {
            symlink("k3s", link)?;
        }
    }
    let mut said = set_mtu(desk)?;
    let stamp = "run/homelab/k3s.started";
    if desk.text(stamp).trim() != pinned {
        let version = desk.script.behind("echo", |line| {
            line[0] == "[" && line.get(1).is_some_and(|word| word.starts_with("$(cat $stamp"))
        });
        changes.push(desk.known(version, "version")?.to_owned());
    }
    changes.extend(restart_reason(desk));
    start(desk, !changes.is_empty())?;
    write(&desk.place(stamp), 0o600, format!("{pinned}\n").as_bytes())?;
    said.push_str(&listed(&changes));
    Turn::said(said)
}

/// A node is one or the other, once and for all; and nobody else configures it.
fn refuse_others(desk: &Desk<'_>) -> Result<(), Answer> {
    let other = desk.script.behind("-e", |line| {
        line[0] == "[" && line.get(3).is_some_and(|word| word.starts_with("/etc/systemd/system/"))
    });
    let other = desk.known(other, "other role")?;
    if desk.place(other).exists() {
        let why = desk.script.calls(&["fail"]).find_map(|call| call.get(1));
        return Err(fail(desk.known(why, "word for the other role")?));
    }
    let agent = desk.script.begins("Sets up k3s as agent");
    let database = desk.place(DATA).join("server/db");
    if agent && database.exists() {
        return Err(fail(format_args!(
            "this node holds a server's database ({database}): it cannot become an agent"
        )));
    }
    match drop_ins(desk)?.first() {
        Some(file) => Err(fail(format_args!(
            "{file} would override our configuration: move its settings into the inventory"
        ))),
        None => Ok(()),
    }
}

/// The authority that an earlier cluster gave this node is of no use in this one.
fn forget_former_authority(desk: &Desk<'_>) -> Result<(), Answer> {
    let token = desk.script.value("JOIN_TOKEN").unwrap_or_default();
    let pinned = token.trim_start_matches("K10").split("::").next().unwrap_or_default();
    let agent = desk.place(DATA).join("agent");
    let Some(known) = sha256_of(&agent.join("server-ca.crt")).filter(|known| known != pinned)
    else {
        return Ok(());
    };
    let volumes = desk.place("var/lib/longhorn");
    if volumes.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(fail(format_args!(
            "this node belongs to a cluster with another authority ({known}) and holds Longhorn volumes"
        )));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let aside = agent.join(format!("homelab-former-{now}"));
    fs_err::create_dir(&aside)?;
    for entry in agent.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let theirs = name.starts_with("client-")
            || name.starts_with("serving-")
            || name.ends_with(".kubeconfig")
            || ["server-ca.crt", "etc"].contains(&name);
        if theirs {
            fs_err::rename(entry.path(), aside.join(name))?;
        }
    }
    Ok(())
}

fn write_secrets(desk: &Desk<'_>, changes: &mut Vec<String>) -> Result<(), Answer> {
    for call in desk.script.calls(&["write_secret"]) {
        let [_, path, value, ..] = call else { return desk.known(None, "secret") };
        let place = if path == "$datastore_key" { DATASTORE_KEY } else { path };
        let sent = value.strip_prefix("${").and_then(|name| name.strip_suffix(":?}"));
        let secret = match sent {
            Some(name) => desk.known(desk.script.value(name), "value for a secret")?.to_owned(),
            // Made here and never sent.
            None if value.starts_with("$(od ") && desk.text(path).is_empty() => {
                hex::encode(rand::rng().random::<[u8; 16]>())
            }
            None if value.starts_with("$(od ") => continue,
            None => return desk.known(None, "known secret"),
        };
        write_secret(desk, place, &secret, changes)?;
    }
    let unwanted = desk.place(DATASTORE_KEY);
    if !desk.script.has(&["write_secret", "$datastore_key"]) && unwanted.exists() {
        remove(&unwanted)?;
        changes.push("homelab-datastore.yaml is gone".to_owned());
    }
    Ok(())
}

fn write_secret(
    desk: &Desk<'_>,
    path: &str,
    secret: &str,
    changes: &mut Vec<String>,
) -> Result<(), Answer> {
    let place = desk.place(path);
    if desk.text(path).trim_end_matches('\n') == secret {
        return Ok(set_mode(&place, 0o600)?);
    }
    write(&place, 0o600, format!("{secret}\n").as_bytes())?;
    changes.extend(place.file_name().map(str::to_owned));
    Ok(())
}

/// Flannel's device and the pods' bridge keep the MTU that they were made with.
fn set_mtu(desk: &Desk<'_>) -> Result<String, Answer> {
    let wanted = desk
        .script
        .behind("!=", |line| line[0] == "[" && line.get(1).is_some_and(|word| word == "$found"));
    let wanted = desk.known(wanted, "MTU")?;
    let mut said = String::new();
    for device in ["flannel.1", "cni0"] {
        let found = desk.text(&format!("sys/class/net/{device}/mtu"));
        let differs = !found.is_empty() && found.trim() != wanted;
        if differs && desk.holds(&["ip", "link", "set", "dev", device, "mtu", wanted]) {
            said.push_str(&format!(
                "{device}: MTU {wanted}; pods that run keep theirs until they are made anew\n"
            ));
        }
    }
    Ok(said)
}

/// Why it is to be started anew whatever changed.
fn restart_reason(desk: &Desk<'_>) -> Option<String> {
    let mut calls = desk.script.calls(&["echo"]);
    let reason = calls.find_map(|call| match call {
        [_, reason, to] if to == ">>$changes" && !reason.starts_with('$') => Some(reason),
        _ => None,
    });
    reason.cloned()
}

fn start(desk: &Desk<'_>, changed: bool) -> Result<(), Answer> {
    let unit = desk.script.call(&["systemctl", "--quiet", "enable"]).and_then(|call| call.get(3));
    let unit = desk.known(unit, "unit")?;
    desk.must(&["systemctl", "daemon-reload"])?;
    desk.must(&["systemctl", "--quiet", "enable", unit])?;
    if !desk.holds(&["systemctl", "--quiet", "is-active", unit]) {
        desk.run(&["systemctl", "reset-failed", unit]);
        desk.must(&["systemctl", "--no-block", "start", unit])?;
    } else if changed {
        desk.must(&["systemctl", "--no-block", "restart", unit])?;
    }
    Ok(())
}

pub(super) fn follow(desk: &Desk<'_>) -> Told {
    let unit = desk.known(desk.script.value("unit"), "unit")?;
    let asks = desk.script.has(&["timeout", "10", "k3s", "kubectl"]);
    let ready = desk.holds(&["systemctl", "--quiet", "is-active", unit])
        && (!asks || desk.holds(&["k3s", "kubectl", "get", "--raw", "/readyz"]));
    let property = |name: &str| {
        let property = format!("--property={name}");
        desk.run(&["systemctl", "show", &property, "--value", unit]).stdout
    };
    let said = json!({
        "ready": ready,
        "active_state": word(property("ActiveState").trim()),
        "sub_state": word(property("SubState").trim()),
        "restarts": number(property("NRestarts").trim()),
        "journal": string(&desk.run(&["journalctl", "--unit", unit]).stdout),
    });
    let said = Answer::said(format!("{said}\n"));
    if ready {
        return Ok(Turn::Ended(said));
    }
    let seconds = desk.known(desk.script.patience(), "deadline")?;
    Ok(Turn::Waits { patience: Duration::from_secs(seconds), otherwise: said })
}

pub(super) fn kubeconfig(desk: &Desk<'_>) -> Told {
    Turn::said(fs_err::read_to_string(desk.place(KUBECONFIG))?)
}

pub(super) fn join_tokens(desk: &Desk<'_>) -> Told {
    let server = desk.place(DATA).join("server");
    let mut said = String::new();
    for name in ["tls/server-ca.crt", "token", "agent-token"] {
        let file = server.join(name);
        let text = fs_err::read_to_string(&file).unwrap_or_default();
        let Some(first) = text.lines().next() else {
            return Err(fail(format_args!("{file} is not there: has k3s started here?")));
        };
        let line = if name == "tls/server-ca.crt" { sha256(&text) } else { first.to_owned() };
        said.push_str(&format!("{line}\n"));
    }
    Turn::said(said)
}
