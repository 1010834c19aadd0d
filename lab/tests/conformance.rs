//! The emulator under other names, ids and sizes: nothing in it may know the recording's own.

use std::process::Command;

/// Any would do; a fixed one makes a failure come back.
const SEED: &str = "20261129";

#[test]
fn a_run_under_other_names_ids_and_sizes_reaches_the_same_share() {
    let run = Command::new(env!("CARGO_BIN_EXE_homelab-lab"))
        .args(["conformance", "--permuted", SEED])
        .output()
        .expect("homelab-lab starts");
    let said = String::from_utf8_lossy(&run.stdout);
    if said.starts_with("conformance: skipped") {
        eprintln!("{}", said.trim_end());
        return;
    }
    let faults = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{faults}");
    assert!(said.contains(SEED), "the seed is told: {said}");
    assert!(said.contains("section tasks: matched"), "every script was run: {said}{faults}");
}
