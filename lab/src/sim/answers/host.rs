//! Scripts that see to a host beside its cluster: the overlay's guard and packets, Longhorn's needs, the LAN side.

use super::{
    Told, Turn,
    desk::{Desk, fail},
    files::{listed, remove, write_files},
};
use crate::sim::guest::Answer;

const GUARD: &str = "homelab-guard.service";
const EXPOSURE: &str = "homelab-exposure.service";
const ROLLBACK: &str = "homelab-exposure-rollback.timer";
/// Program and package.
const LONGHORN: [(&str, &str); 3] =
    [("iscsiadm", "open-iscsi"), ("mount.nfs", "nfs-common"), ("cryptsetup", "cryptsetup-bin")];
/// What in ping's words is its verdict.
const VERDICTS: [&str; 6] = ["loss", "error", "unreachable", "long", "permitted", "not found"];

pub(super) fn install_guard(desk: &Desk<'_>) -> Told {
    let changes = write_files(desk)?;
    desk.must(&["systemctl", "daemon-reload"])?;
    desk.must(&["systemctl", "--quiet", "enable", GUARD])?;
    let verb = if changes.is_empty() { "start" } else { "restart" };
    desk.must(&["systemctl", verb, GUARD])?;
    Turn::said(listed(&changes))
}

pub(super) fn send_packets(desk: &Desk<'_>) -> Told {
    let mut said = String::new();
    for call in desk.script.calls(&["probe"]) {
        let [_, what, peer, address, mtu, ..] = call else {
            return desk.known(None, "target of a packet");
        };
        let mtu: u32 = desk.known(mtu.parse().ok(), "MTU")?;
        let size = mtu.saturating_sub(28).to_string();
        let options = ["ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "2", "-M", "do", "-s"];
        let answer = desk.run(&[&options[..], &[&size, address]].concat());
        let words = format!("{}{}", answer.stdout, answer.stderr);
        let verdict = words
            .lines()
            .rfind(|line| VERDICTS.iter().any(|verdict| line.contains(verdict)))
            .filter(|_| answer.status != 0);
        let verdict = verdict.unwrap_or(if answer.status == 0 { "ok" } else { "" });
        said.push_str(&format!("{what} {peer} {verdict}\n"));
        if what == "tailnet" {
            let straight =
                ["tailscale", "ping", "--c=5", "--timeout=3s", "--until-direct", address];
            let answer = desk.run(&straight);
            let words = format!("{}{}", answer.stdout, answer.stderr);
            let way =
                words.lines().rfind(|line| line.starts_with("pong") || line.contains("no reply"));
            said.push_str(&format!("path {peer} {}\n", way.unwrap_or_default()));
        }
    }
    Turn::said(said)
}

pub(super) fn prepare_for_longhorn(desk: &Desk<'_>) -> Told {
    let mut said = String::new();
    let missing: Vec<&str> = LONGHORN
        .iter()
        .filter(|(program, _)| !desk.has_program(program))
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        desk.must(&["apt-get", "-y", "-q", "update"])?;
        desk.must(&[&["apt-get", "-y", "-q", "install"], &missing[..]].concat())?;
        said.push_str(&format!("installed {}\n", missing.join(" ")));
    }
    let changes = write_files(desk)?;
    for module in ["iscsi_tcp", "dm_crypt", "nfs"] {
        desk.must(&["modprobe", module])?;
    }
    desk.must(&["systemctl", "daemon-reload"])?;
    desk.must(&["systemctl", "--quiet", "enable", "iscsid.socket"])?;
    desk.must(&["systemctl", "start", "iscsid.socket"])?;
    if changes.iter().any(|path| path.contains("initiatorname.iscsi")) {
        desk.must(&["systemctl", "try-restart", "iscsid.service"])?;
    }
    if desk.script.value("disk").is_some() {
        // Device nodes need root, so that no guest here has one.
        let disk = desk.place("dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1");
        return Err(fail(format_args!("the storage disk is not there: {disk}")));
    }
    said.push_str(&listed(&changes));
    Turn::said(said)
}

pub(super) fn close_lan(desk: &Desk<'_>) -> Told {
    let changes = write_files(desk)?;
    desk.must(&["systemctl", "daemon-reload"])?;
    desk.run(&["systemctl", "stop", ROLLBACK]);
    let call = desk.known(desk.script.call(&["systemd-run"]), "rollback")?;
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    desk.must(&words)?;
    desk.must(&["systemctl", "restart", EXPOSURE])?;
    Ok(Turn::Ended(Answer { stderr: listed(&changes), ..Answer::default() }))
}

pub(super) fn confirm_lan_closed(desk: &Desk<'_>) -> Told {
    if !desk.holds(&["systemctl", "--quiet", "is-active", EXPOSURE]) {
        return Err(fail("the LAN side is open again: the time to confirm had passed"));
    }
    desk.must(&["systemctl", "stop", ROLLBACK])?;
    desk.must(&["systemctl", "--quiet", "enable", EXPOSURE])?;
    Turn::said("")
}

pub(super) fn open_lan(desk: &Desk<'_>) -> Told {
    desk.run(&["systemctl", "stop", ROLLBACK]);
    desk.run(&["systemctl", "--quiet", "disable", "--now", EXPOSURE]);
    let call = desk.known(desk.script.calls(&["rm", "-f"]).last(), "files to remove")?;
    for path in &call[2..] {
        remove(&desk.place(path))?;
    }
    desk.must(&["systemctl", "daemon-reload"])?;
    Turn::said("")
}
