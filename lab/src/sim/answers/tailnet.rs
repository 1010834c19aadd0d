//! Scripts of the tailnet: Tailscale as it is pinned, with our units around it, and its join.

use std::{io::Read, time::Duration};

use flate2::read::GzDecoder;

use super::{
    Told, Turn,
    desk::{Desk, fail},
    files::{listed, remove, sha256_of, write, write_files},
    system::document,
};
use crate::sim::guest::Answer;

const RELEASE: &str = "usr/local/lib/homelab/tailscale.release";
const STATUS: [&str; 4] = ["tailscale", "status", "--json", "--peers=false"];
const ADDRESSES: [&str; 7] = ["ip", "-4", "-o", "address", "show", "dev", "tailscale0"];

pub(super) fn install(desk: &Desk<'_>) -> Told {
    let sha256 = desk.known(desk.script.value("sha256"), "sha256")?;
    let archive = desk.place("var/cache/homelab").join(sha256);
    let mut changes = Vec::new();
    if !is_installed(desk, sha256) {
        unpack(desk, sha256, &fs_err::read(&archive)?)?;
        let echoed = desk.script.calls(&["echo"]);
        let version =
            echoed.filter_map(|call| call.get(1)).find(|word| word.starts_with("tailscale "));
        changes.push(desk.known(version, "version")?.clone());
    }
    if !desk.has_program("nft") {
        desk.must(&["apt-get", "-y", "-q", "install", "nftables"])?;
    }
    changes.extend(write_files(desk)?);
    desk.must(&["systemctl", "daemon-reload"])?;
    let units = ["homelab-filter.service", "homelab-tun.service", "tailscaled.service"];
    desk.must(&[&["systemctl", "--quiet", "enable"], &units[..]].concat())?;
    let filter_changed = changes.iter().any(|change| change.contains("overlay.nft"));
    let verb = if filter_changed { "restart" } else { "start" };
    desk.must(&["systemctl", verb, "homelab-filter.service"])?;
    let persistent = desk.script.has(&["!", "ip", "-details"]);
    let link = desk.run(&["ip", "-details", "link", "show", "dev", "tailscale0"]);
    let wrong = persistent && !link.stdout.contains("persist on");
    let changed = changes.iter().any(|change| !change.contains("overlay.nft"));
    if wrong || changed || !desk.holds(&["systemctl", "--quiet", "is-active", "tailscaled.service"])
    {
        let before = device(desk);
        for (verb, unit) in [
            ("stop", "tailscaled.service"),
            ("restart", "homelab-tun.service"),
            ("start", "tailscaled.service"),
        ] {
            desk.must(&["systemctl", verb, unit])?;
        }
        let overlay = desk.script.has(&["start_vteps_anew()"]);
        if overlay && !before.is_empty() && (!persistent || device(desk) != before) {
            start_vteps_anew(desk, &mut changes)?;
        }
    }
    remove(&archive)?;
    Turn::said(listed(&changes))
}

/// The number of the interface.
fn device(desk: &Desk<'_>) -> String {
    desk.first_line("sys/class/net/tailscale0/ifindex")
}

fn start_vteps_anew(desk: &Desk<'_>, changes: &mut Vec<String>) -> Result<(), Answer> {
    for unit in ["k3s", "k3s-agent"] {
        let service = format!("{unit}.service");
        if desk.holds(&["systemctl", "--quiet", "is-active", &service]) {
            changes.push(format!("{unit} starts anew: tailscale0 is another device"));
            desk.must(&["systemctl", "--no-block", "restart", &service])?;
        }
    }
    Ok(())
}

fn is_installed(desk: &Desk<'_>, sha256: &str) -> bool {
    let release = desk.text(RELEASE);
    let mut lines = release.lines();
    lines.next() == Some(sha256)
        && lines.all(|line| {
            line.split_once("  ")
                .is_some_and(|(hash, path)| sha256_of(&desk.place(path)).as_deref() == Some(hash))
        })
}

/// Both programs, and what they are.
fn unpack(desk: &Desk<'_>, sha256: &str, archive: &[u8]) -> Result<(), Answer> {
    let mut release = format!("{sha256}\n");
    let calls: Vec<&[String]> = desk.script.calls(&["install_program"]).collect();
    for call in calls {
        let [_, name, path] = call else { return desk.known(None, "place for a program") };
        let mut unpacked = tar::Archive::new(GzDecoder::new(archive));
        let mut program = None;
        for entry in unpacked.entries()? {
            let mut entry = entry?;
            if entry.path()?.file_name().is_some_and(|found| found == name.as_str()) {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                program = Some(bytes);
                break;
            }
        }
        let program =
            program.ok_or_else(|| fail(format_args!("the archive holds no file {name}")))?;
        let place = desk.place(path);
        write(&place, 0o755, &program)?;
        let path = path.trim_start_matches('/');
        release.push_str(&format!("{}  {path}\n", super::files::sha256(&program)));
    }
    Ok(write(&desk.place(RELEASE), 0o644, release.as_bytes())?)
}

/// The daemon's state; empty while it does not answer.
fn backend_state(desk: &Desk<'_>) -> String {
    let status = document(&desk.run(&STATUS));
    status["BackendState"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn join(desk: &Desk<'_>) -> Told {
    let state = backend_state(desk);
    if state.is_empty() || state == "NoState" {
        let why = "tailscaled did not answer within 60 s: see `journalctl -u tailscaled`";
        return Ok(Turn::Waits { patience: Duration::from_secs(60), otherwise: fail(why) });
    }
    if desk.script.has(&["tailscale", "logout"]) {
        desk.run(&["tailscale", "logout"]);
    }
    if backend_state(desk) != "Running" {
        let key = desk.known(desk.script.value("AUTH_KEY"), "key")?;
        let file = desk.place("run/homelab/tailnet-key");
        write(&file, 0o600, key.as_bytes())?;
        let up = desk.known(desk.script.call(&["tailscale", "up"]), "`tailscale up`")?;
        let auth_key = format!("--auth-key=file:{file}");
        let words: Vec<&str> = up
            .iter()
            .map(String::as_str)
            .filter(|word| *word != ">&2")
            .map(|word| if word.starts_with("--auth-key=") { &auth_key } else { word })
            .collect();
        let joined = desk.must(&words);
        remove(&file)?;
        joined?;
    }
    desk.run(&["tailscale", "set", "--auto-update=false"]);
    Turn::said(desk.must(&STATUS)?)
}

pub(super) fn await_address(desk: &Desk<'_>) -> Told {
    let address = desk.known(desk.script.value("address"), "address")?;
    let shown = desk.run(&ADDRESSES).stdout;
    let there = shown.contains(&format!(" {address}/"));
    if there && desk.run(&["tailscale", "ip", "-4"]).stdout.trim() == address {
        return Turn::said("");
    }
    let seconds = desk.known(desk.script.patience(), "deadline")?;
    let seen = shown.split_whitespace().nth(3).unwrap_or_default();
    let why = format!("tailscale0 did not get {address} within {seconds} s; it has {seen}");
    Ok(Turn::Waits { patience: Duration::from_secs(seconds), otherwise: fail(why) })
}

pub(super) fn set_preferences(desk: &Desk<'_>) -> Told {
    let call = desk.known(desk.script.call(&["tailscale", "set"]), "`tailscale set`")?;
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    Turn::said(desk.must(&words)?)
}
