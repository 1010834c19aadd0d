//! The kernel, the clock and the journal.

use crate::sim::guest::{Answer, Guest, folder::KERNEL};

pub(super) fn call(guest: &Guest, program: &str, words: &[&str]) -> Answer {
    match (program, words) {
        ("uname", ["-r"]) => Answer::said(format!("{KERNEL}\n")),
        ("uname", ["-m"]) => Answer::said("x86_64\n"),
        ("uname", ["-n"]) | ("hostname", []) => {
            Answer::said(format!("{}\n", guest.state().node_name))
        }
        ("uname", _) => Answer::said("Linux\n"),
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
