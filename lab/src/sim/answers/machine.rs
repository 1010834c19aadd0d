//! Scripts of a guest's first hour: cloud-init, its host key, its root file system.

use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey, ssh_key::LineEnding};
use serde_json::json;

use super::{
    Told, Turn,
    desk::{Desk, fail},
    files::{remove, set_mode, write},
    system::{cloud_init, root_disk, string},
};
use crate::sim::guest::Answer;

const HOST_KEY: &str = "etc/ssh/ssh_host_ed25519_key";
const DISABLED: &str = "etc/cloud/cloud-init.disabled";

pub(super) fn await_cloud_init(desk: &Desk<'_>) -> Told {
    let log = desk.text("var/log/cloud-init-output.log");
    let last = log.lines().next_back().unwrap_or_default();
    let said = json!({ "state": cloud_init(desk), "last_line": string(last) });
    let said = Answer::said(format!("{said}\n"));
    let finished = desk.place("run/cloud-init/result.json").exists()
        || desk.place(DISABLED).exists()
        || !desk.has_program("cloud-init");
    if finished {
        return Ok(Turn::Ended(said));
    }
    let seconds = desk.known(desk.script.patience(), "deadline")?;
    Ok(Turn::Waits { patience: Duration::from_secs(seconds), otherwise: said })
}

/// `ssh-keygen -y` on a private key of the guest's.
fn public_half(desk: &Desk<'_>, path: &str) -> Option<String> {
    let key = PrivateKey::from_openssh(desk.text(path)).ok()?;
    let shown = key.public_key().to_openssh().ok()?;
    Some(shown.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

pub(super) fn rotate_host_key(desk: &Desk<'_>) -> Told {
    let next = format!("{HOST_KEY}.homelab-next");
    if let Some(known) = public_half(desk, &next) {
        return Turn::said(format!("{known}\n"));
    }
    let unfit = |error: russh::keys::ssh_key::Error| fail(error);
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(unfit)?;
    let public = key.public_key().to_openssh().map_err(unfit)?;
    let private = key.to_openssh(LineEnding::LF).map_err(unfit)?;
    write(&desk.place(&next), 0o600, private.as_bytes())?;
    write(&desk.place(&format!("{next}.pub")), 0o644, format!("{public}\n").as_bytes())?;
    Turn::said(format!("{public}\n"))
}

pub(super) fn install_host_key(desk: &Desk<'_>) -> Told {
    let expected = desk.known(desk.script.value("expected"), "key")?;
    let next = format!("{HOST_KEY}.homelab-next");
    let current = desk.place(HOST_KEY);
    if public_half(desk, HOST_KEY).as_deref() != Some(expected) {
        let place = desk.place(&next);
        if public_half(desk, &next).as_deref() != Some(expected) {
            return Err(fail(format_args!(
                "the host key to install is not there: {place} is not the one with the public half {expected}"
            )));
        }
        set_mode(&place, 0o600)?;
        fs_err::rename(place, &current)?;
    }
    let public = desk.place(&format!("{HOST_KEY}.pub"));
    write(&public, 0o644, format!("{expected}\n").as_bytes())?;
    remove(&desk.place(&next))?;
    remove(&desk.place(&format!("{next}.pub")))?;
    for kind in ["rsa", "dsa", "ecdsa"] {
        remove(&desk.place(&format!("etc/ssh/ssh_host_{kind}_key")))?;
        remove(&desk.place(&format!("etc/ssh/ssh_host_{kind}_key.pub")))?;
    }
    let config = desk.text("etc/ssh/sshd_config").to_lowercase();
    let includes = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("include") && words.any(|word| word.contains("sshd_config.d"))
    };
    if config.lines().any(includes) {
        let header = desk.script.call(&["printf", "%s\\nHostKey %s\\n"]);
        let header = desk.known(header.and_then(|call| call.get(2)), "header")?;
        let text = format!("{header}\nHostKey {current}\n");
        write(&desk.place("etc/ssh/sshd_config.d/10-homelab.conf"), 0o644, text.as_bytes())?;
    }
    desk.must(&["sync"])?;
    desk.must(&["sshd", "-t"])?;
    for unit in ["ssh.service", "sshd.service"] {
        if desk.holds(&["systemctl", "--quiet", "is-active", unit]) {
            desk.must(&["systemctl", "reload", unit])?;
            return Turn::said("");
        }
    }
    Err(fail(
        "neither ssh.service nor sshd.service is active: sshd was not told of its new host key",
    ))
}

pub(super) fn finish_cloud_init(desk: &Desk<'_>) -> Told {
    let place = desk.place(DISABLED);
    if !place.exists() {
        let ours = |call: &&[String]| call.last().is_some_and(|word| word.ends_with(DISABLED));
        let header = desk.script.calls(&["printf", "%s\\n"]).find(ours);
        let header = desk.known(header.and_then(|call| call.get(2)), "header")?;
        write(&place, 0o600, format!("{header}\n").as_bytes())?;
    }
    desk.must(&["sync"])?;
    Turn::said("")
}

pub(super) fn grow_root(desk: &Desk<'_>) -> Told {
    let before = root_disk(desk)?;
    let grown = desk.run(&["growpart", "/dev/sda", "1"]);
    // It ends with 1 when there is nothing to grow.
    if grown.status > 1 {
        let status = grown.status;
        return Err(fail(format_args!(
            "{}growpart ended with status {status} for partition 1 of sda",
            grown.stderr
        )));
    }
    desk.must(&["resize2fs", "/dev/sda1"])?;
    let after = root_disk(desk)?;
    Turn::said(format!("{}\n", json!({ "before": before, "after": after })))
}
