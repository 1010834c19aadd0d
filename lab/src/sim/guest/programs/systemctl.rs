//! systemd: what a unit's start does, and what `systemctl` says of it.

use crate::sim::guest::{Answer, Guest, folder, state::Tun};

use super::{k3s, tailscale};

/// `k3s` is `k3s.service`.
pub(super) fn full_name(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

pub(super) fn call(guest: &Guest, words: &[&str]) -> Answer {
    let flags: Vec<&str> = words.iter().copied().filter(|word| word.starts_with('-')).collect();
    let mut plain = words.iter().copied().filter(|word| !word.starts_with('-'));
    let verb = plain.next().unwrap_or_default();
    let units: Vec<String> = plain.map(full_name).collect();
    match verb {
        "show" => show(guest, &flags, &units),
        "is-active" => Answer {
            status: if units.iter().all(|unit| guest.state().units.is_active(unit)) {
                0
            } else {
                3
            },
            ..Answer::default()
        },
        "enable" => each(guest, &units, |guest, unit| {
            guest.state().units.entry(unit).enabled = true;
            if flags.contains(&"--now") { start(guest, unit) } else { Answer::default() }
        }),
        "disable" => each(guest, &units, |guest, unit| {
            guest.state().units.entry(unit).enabled = false;
            if flags.contains(&"--now") { stop(guest, unit) } else { Answer::default() }
        }),
        "start" => each(guest, &units, start),
        "stop" => each(guest, &units, stop),
        "restart" => each(guest, &units, |guest, unit| {
            stop(guest, unit);
            start(guest, unit)
        }),
        "try-restart" => each(guest, &units, |guest, unit| {
            if !guest.state().units.is_active(unit) {
                return Answer::default();
            }
            stop(guest, unit);
            start(guest, unit)
        }),
        "daemon-reload" | "reload" | "reset-failed" => Answer::default(),
        other => Answer::failed(1, format!("systemctl: not simulated: {other}\n")),
    }
}

fn each(guest: &Guest, units: &[String], mut act: impl FnMut(&Guest, &str) -> Answer) -> Answer {
    let answers: Vec<Answer> = units.iter().map(|unit| act(guest, unit)).collect();
    answers.into_iter().find(|answer| answer.status != 0).unwrap_or_default()
}

fn has_file(guest: &Guest, unit: &str) -> bool {
    guest.root().join("etc/systemd/system").join(unit).exists()
        || guest.state().units.get(unit).is_some_and(|unit| unit.of_the_image)
}

/// Starts a unit, unless it is active.
pub(in crate::sim::guest) fn start(guest: &Guest, unit: &str) -> Answer {
    if !has_file(guest, unit) {
        return Answer::failed(5, format!("Failed to start {unit}: Unit {unit} not found.\n"));
    }
    if guest.state().units.is_active(unit) {
        return Answer::default();
    }
    if unit == "tailscaled.service" && !guest.state().units.is_active("homelab-tun.service") {
        // `Requires=`
        let below = start(guest, "homelab-tun.service");
        if below.status != 0 {
            return below;
        }
    }
    let done = match unit {
        "homelab-tun.service" => make_tun(guest),
        "homelab-filter.service" => load_table(guest, "homelab"),
        "homelab-exposure.service" => load_table(guest, "homelab_exposure"),
        "k3s.service" | "k3s-agent.service" => k3s::start(guest, unit),
        _ => Ok(()),
    };
    let mut state = guest.state();
    let since = state.monotonic();
    let entry = state.units.entry(unit);
    entry.starts += 1;
    entry.one_shot = matches!(
        unit,
        "homelab-tun.service" | "homelab-filter.service" | "homelab-exposure.service"
    );
    entry.failed = done.is_err();
    entry.active = done.is_ok();
    entry.active_since = since;
    drop(state);
    match done {
        Ok(()) => {
            if unit == "tailscaled.service" {
                tailscale::started(guest);
            }
            Answer::default()
        }
        Err(line) => {
            guest.state().journals.insert(unit.to_owned(), line);
            Answer::failed(
                1,
                format!(
                    "Job for {unit} failed because the control process exited with error code.\n"
                ),
            )
        }
    }
}

fn stop(guest: &Guest, unit: &str) -> Answer {
    if !guest.state().units.is_active(unit) {
        return Answer::default();
    }
    guest.state().units.entry(unit).active = false;
    match unit {
        "homelab-filter.service" => {
            guest.state().tables.remove("homelab");
        }
        "homelab-exposure.service" => {
            guest.state().tables.remove("homelab_exposure");
        }
        "tailscaled.service" => tailscale::stopped(guest),
        "k3s.service" | "k3s-agent.service" => k3s::stopped(guest),
        _ => {}
    }
    Answer::default()
}

fn load_table(guest: &Guest, table: &str) -> Result<(), String> {
    guest.state().tables.insert(table.to_owned());
    Ok(())
}

/// What our program `tun` does, as the file that a script wrote says it.
fn make_tun(guest: &Guest) -> Result<(), String> {
    let program = guest.root().join("usr/local/lib/homelab/tun");
    let text = fs_err::read_to_string(&program).map_err(|error| error.to_string())?;
    let after = |mark: &str| {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix(mark))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let persistent = !after("ip tuntap add dev tailscale0").is_empty();
    let mtu = after("ip link set dev tailscale0 mtu ").first().and_then(|mtu| mtu.parse().ok());
    let mut state = guest.state();
    state.unreachable = ["ip -4 route replace unreachable ", "ip -6 route replace unreachable "]
        .iter()
        .flat_map(|mark| after(mark))
        .filter_map(|rest| rest.split(' ').next().and_then(|prefix| prefix.parse().ok()))
        .collect();
    if persistent {
        let index = match &state.tun {
            Some(tun) if tun.persistent => tun.index,
            _ => state.new_interface(),
        };
        state.tun = Some(Tun { index, persistent, mtu: mtu.unwrap_or(1500) });
    }
    folder::links(guest.root(), &state).map_err(|error| error.to_string())
}

fn show(guest: &Guest, flags: &[&str], units: &[String]) -> Answer {
    let wanted: Vec<&str> = flags
        .iter()
        .find_map(|flag| flag.strip_prefix("--property="))
        .map(|list| list.split(',').collect())
        .unwrap_or_default();
    let bare = flags.contains(&"--value");
    let blocks: Vec<String> = units
        .iter()
        .map(|unit| {
            let lines = wanted.iter().map(|property| {
                let value = property_of(guest, unit, property);
                if bare { format!("{value}\n") } else { format!("{property}={value}\n") }
            });
            lines.collect()
        })
        .collect();
    Answer::said(blocks.join("\n"))
}

fn property_of(guest: &Guest, name: &str, property: &str) -> String {
    let there = has_file(guest, name);
    let state = guest.state();
    let unit = state.units.get(name).cloned().unwrap_or_default();
    let word =
        |holds: bool, yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
    match property {
        "Id" => name.to_owned(),
        "LoadState" => word(there, "loaded", "not-found"),
        "ActiveState" if unit.failed => "failed".to_owned(),
        "ActiveState" => word(unit.active, "active", "inactive"),
        "SubState" if unit.failed => "failed".to_owned(),
        "SubState" if unit.active => word(unit.one_shot, "exited", "running"),
        "SubState" => "dead".to_owned(),
        "UnitFileState" if there => word(unit.enabled, "enabled", "disabled"),
        "Result" => word(unit.failed, "exit-code", "success"),
        "NRestarts" => "0".to_owned(),
        "InvocationID" if unit.starts > 0 => {
            let of = format!("{}/{name}/{}", state.boot_id, unit.starts);
            hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(of)[..16])
        }
        "ActiveEnterTimestampMonotonic" if unit.active => unit.active_since.to_string(),
        "ActiveEnterTimestampMonotonic" => "0".to_owned(),
        _ => String::new(),
    }
}
