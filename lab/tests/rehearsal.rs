//! A command in a simulated world in which things go wrong as a script says, as a person runs it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

/// Asks Proxmox for its version, and prints the status of the answer.
const ASK: &str = r#"endpoint=$(sed -n 's/^ *endpoint: //p' "$HOMELAB_CONFIG")
curl --silent --insecure --output /dev/null --write-out '%{http_code}\n' \
    --header "Authorization: PVEAPIToken=$PROXMOX_VE_API_TOKEN" "$endpoint/api2/json/version""#;

fn rehearse(faults: &str, network: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.yaml");
    fs_err::write(&script, faults).unwrap();
    Command::new(env!("CARGO_BIN_EXE_homelab-lab"))
        .args(["sim", "--network", network, "--report", "-", "--faults"])
        .arg(&script)
        .args(["--", "sh", "-c", ASK])
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_refusal_meets_the_command_and_is_told() {
    let output = rehearse("- {at: GET /version, do: refuse, status: 596, message: gone}\n", "186");
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.starts_with("596\n# Rehearsal of `sh -c "), "{text}");
    assert!(text.contains("| `GET /version`: refused | 1 | `GET /version` |"), "{text}");
    assert!(text.contains("| Proxmox VE | `GET /version` | 1 |  |"), "{text}");
    assert!(text.contains("| VM | 104 gameserver | stopped, "), "{text}");
}

#[test]
fn a_killed_command_begins_anew() {
    let output = rehearse("- {at: GET /version, do: kill}\n", "187");
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    // The first one died before it had an answer.
    assert!(text.starts_with("200\n"), "{text}");
    assert!(text.contains("| 1 | killed | ") && text.contains("| 2 | exit code 0 | "), "{text}");
}

#[test]
fn a_fault_that_met_nothing_says_so() {
    let output = rehearse("- {at: exec *, do: lose-answer}\n", "188");
    assert!(printed(&output).contains("| 0 | **nothing: it never came to that** |"));
}

#[test]
fn a_script_that_cannot_be_played_is_refused_before_anything_runs() {
    let output = rehearse("- {at: x, do: delay}\n", "189");
    assert!(!output.status.success());
    assert_eq!(printed(&output), "");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("fault 1: `seconds` goes with `do: delay`"), "{told}");
}
