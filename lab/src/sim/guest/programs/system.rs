//! The kernel, the clock and the journal.

use crate::sim::guest::{Answer, Guest, folder::KERNEL};

pub(super) fn call(guest: &Guest, program: &str, words: &[&str]) -> Answer {
    match (program, words) {
        ("uname", words) => Answer::said(uname(&guest.state().node_name, words)),
        ("hostname", []) => Answer::said(format!("{}\n", guest.state().node_name)),
        ("nproc", _) => Answer::said(format!("{}\n", guest.state().booted.cores)),
        ("timedatectl", _) => Answer::said("yes\n"),
        // Every module that scripts ask for is there.
        ("modprobe", _) => Answer::default(),
        ("journalctl", words) => {
            let unit = words
                .iter()
                .position(|word| matches!(*word, "--unit" | "-u"))
                .and_then(|at| words.get(at + 1))
                .copied()
                .unwrap_or_default();
            let name = super::systemctl::full_name(unit);
            let line = guest.state().journals.get(&name).cloned();
            Answer::said(line.map_or_else(String::new, |line| format!("{line}\n")))
        }
        _ => Answer::failed(1, format!("{program}: not simulated: {}\n", words.join(" "))),
    }
}

/// In its own order, whatever the order of the options.
fn uname(node_name: &str, words: &[&str]) -> String {
    let known = [("-s", "Linux"), ("-n", node_name), ("-r", KERNEL), ("-m", "x86_64")];
    let said: Vec<&str> = known
        .iter()
        .filter(|(option, _)| words.contains(option) || (words.is_empty() && *option == "-s"))
        .map(|(_, value)| *value)
        .collect();
    said.join(" ") + "\n"
}
