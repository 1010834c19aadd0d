//! tailscaled, and what `tailscale` says of it.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::sim::guest::{
    Answer, Guest, folder,
    state::{Tailscale, Tun},
    surroundings::{Device, JoinRequest},
};

const UNIT: &str = "tailscaled.service";

pub(super) fn call(guest: &Guest, words: &[&str]) -> Answer {
    if let ["version", ..] = words {
        return Answer::said(format!("{}\n", version(guest)));
    }
    if !guest.state().units.is_active(UNIT) {
        let socket = "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)";
        return Answer::failed(1, format!("{socket}\n"));
    }
    match words {
        ["status", ..] => Answer::said(format!("{:#}\n", status(guest))),
        ["debug", "prefs"] => Answer::said(format!("{:#}\n", preferences(guest))),
        ["ip", "-4"] => match device(guest) {
            Some(device) => Answer::said(format!("{}\n", device.address)),
            None => Answer::failed(1, "no current Tailscale IPs; state: NeedsLogin\n"),
        },
        ["up", flags @ ..] => up(guest, flags),
        ["set", flags @ ..] => set(guest, flags),
        ["logout"] => {
            let device = guest.state().tailscale.device.take();
            if let Some(device) = device {
                guest.surroundings().log_out(&device);
            }
            Answer::default()
        }
        ["ping", .., peer] => ping(guest, peer),
        other => Answer::failed(1, format!("tailscale: not simulated: {}\n", other.join(" "))),
    }
}

/// Nobody is far away here: whoever answers does so straight.
fn ping(guest: &Guest, peer: &str) -> Answer {
    match peer.parse::<Ipv4Addr>() {
        Ok(address) if guest.surroundings().answers(address) => {
            Answer::said(format!("pong from peer ({peer}) via {peer}:41641 in 1ms\n"))
        }
        _ => Answer::failed(1, "no reply\n"),
    }
}

/// What the installed binary calls itself: its second line says so.
fn version(guest: &Guest) -> String {
    let binary = guest.root().join("usr/local/sbin/tailscaled");
    let text = fs_err::read_to_string(binary).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("# tailscale "));
    line.unwrap_or("unknown").to_owned()
}

fn device(guest: &Guest) -> Option<Device> {
    let id = guest.state().tailscale.device.clone()?;
    guest.surroundings().device(&id)
}

/// The daemon runs: with an identity that the control plane still has it is online at once.
pub(super) fn started(guest: &Guest) {
    let known = device(guest);
    if let Some(device) = &known {
        guest.surroundings().set_online(&device.id, true);
    }
    let mut state = guest.state();
    if state.tun.is_none() {
        let index = state.new_interface();
        state.tun = Some(Tun { index, persistent: false, mtu: environment_mtu(guest) });
        // What cannot be written is told by whoever looks for it.
        folder::links(guest.root(), &state).ok();
    }
}

/// `TS_DEBUG_MTU`, 1280 unless said.
fn environment_mtu(guest: &Guest) -> u32 {
    let file = guest.root().join("etc/homelab/tailscaled.env");
    let text = fs_err::read_to_string(file).unwrap_or_default();
    let set = text.lines().find_map(|line| line.strip_prefix("TS_DEBUG_MTU="));
    set.and_then(|mtu| mtu.trim_matches('"').parse().ok()).unwrap_or(1280)
}

pub(super) fn stopped(guest: &Guest) {
    let device = guest.state().tailscale.device.clone();
    if let Some(device) = device {
        guest.surroundings().set_online(&device, false);
    }
    let mut state = guest.state();
    if state.tun.as_ref().is_some_and(|tun| !tun.persistent) {
        state.tun = None;
        // flannel.1 stands on it.
        state.flannel = None;
        folder::links(guest.root(), &state).ok();
    }
}

fn up(guest: &Guest, flags: &[&str]) -> Answer {
    let value = |name: &str| {
        flags.iter().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let key = value("--auth-key").unwrap_or_default();
    let key = match key.strip_prefix("file:") {
        Some(file) => match fs_err::read_to_string(file) {
            Ok(key) => key.trim().to_owned(),
            Err(error) => return Answer::failed(1, format!("{error}\n")),
        },
        None => key,
    };
    let request = {
        let mut state = guest.state();
        let hostname = value("--hostname").unwrap_or_else(|| state.node_name.clone());
        state.tailscale.login_server = value("--login-server");
        state.tailscale.hostname.clone_from(&hostname);
        JoinRequest {
            key,
            hostname,
            machine: state.machine_id.clone(),
            login_server: state.tailscale.login_server.clone(),
        }
    };
    match guest.surroundings().join(&request) {
        Ok(device) => {
            {
                let mut state = guest.state();
                state.tailscale.device = Some(device.id.clone());
                change_flags(&mut state.tailscale, flags);
            }
            guest.surroundings().set_online(&device.id, true);
            Answer::default()
        }
        Err(said) => Answer::failed(1, format!("{said}\n")),
    }
}

fn set(guest: &Guest, flags: &[&str]) -> Answer {
    let mut state = guest.state();
    change_flags(&mut state.tailscale, flags);
    Answer::default()
}

fn change_flags(tailscale: &mut Tailscale, flags: &[&str]) {
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        let on = value == "true";
        match name {
            "--accept-routes" => tailscale.flags.insert("RouteAll", on),
            "--accept-dns" => tailscale.flags.insert("CorpDNS", on),
            "--ssh" => tailscale.flags.insert("RunSSH", on),
            "--shields-up" => tailscale.flags.insert("ShieldsUp", on),
            "--auto-update" => {
                tailscale.auto_update = Some(on);
                None
            }
            "--hostname" => {
                value.clone_into(&mut tailscale.hostname);
                None
            }
            _ => None,
        };
    }
}

fn status(guest: &Guest) -> Value {
    let version = version(guest);
    let known = guest.state().tailscale.device.is_some();
    let Some(device) = device(guest) else {
        let host = guest.state().node_name.clone();
        return json!({
            "Version": format!("{version}-tsim"), "TUN": true, "BackendState": "NeedsLogin",
            "HaveNodeKey": known, "AuthURL": "", "TailscaleIPs": null,
            "Self": { "ID": "", "HostName": host, "DNSName": "", "TailscaleIPs": null, "Online": false },
            "Health": ["You are logged out."],
        });
    };
    let mut this = json!({
        "ID": device.id, "HostName": guest.state().tailscale.hostname,
        "DNSName": format!("{}.tailnet.test.", device.name),
        "TailscaleIPs": [device.address], "Tags": device.tags, "Online": true,
    });
    if let Some(expiry) = &device.expiry {
        this["KeyExpiry"] = json!(expiry);
    }
    json!({
        "Version": format!("{version}-tsim"), "TUN": true, "BackendState": "Running",
        "HaveNodeKey": true, "AuthURL": "", "TailscaleIPs": [device.address], "Self": this,
        "Health": [], "MagicDNSSuffix": "tailnet.test",
    })
}

fn preferences(guest: &Guest) -> Value {
    let state = guest.state();
    let tailscale = &state.tailscale;
    let flag = |name: &str| tailscale.flags.get(name).copied().unwrap_or(false);
    let control = tailscale.login_server.as_deref().unwrap_or("https://controlplane.tailscale.com");
    json!({
        "ControlURL": control,
        "RouteAll": flag("RouteAll"), "CorpDNS": flag("CorpDNS"), "RunSSH": flag("RunSSH"),
        "ShieldsUp": flag("ShieldsUp"), "WantRunning": true, "LoggedOut": tailscale.device.is_none(),
        "Hostname": tailscale.hostname,
        "AutoUpdate": { "Check": true, "Apply": tailscale.auto_update },
    })
}
