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

#[test]
fn a_command_stays_in_its_world_whatever_its_operator_has_set_for_the_real_one() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homelab-lab"));
    let real = "https://pve.example:8006";
    for variable in [
        "PROXMOX_VE_ENDPOINT",
        "HOMELAB_LOCK",
        "HOMELAB_SSH_KEY",
        "HOMELAB_CHANGED",
        "KUBECONFIG",
        "HTTP_PROXY",
        "all_proxy",
        "SSH_AUTH_SOCK",
    ] {
        command.env(variable, real);
    }
    let output = command.args(["sim", "--network", "184", "--", "env"]).output().unwrap();
    let text = printed(&output);
    assert!(output.status.success() && text.contains("\nHOMELAB_CONFIG=/"), "{text}");
    assert!(!text.contains(real), "{text}");
}

#[test]
fn a_report_tells_of_hosts_by_whatever_name() {
    let output = own("ha.yaml", "180", &["--report", "-", "--", "true"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(printed(&output).contains("| VM | 104 gameserver | stopped, "), "{told}");
}

/// An inventory of the repository in a world, and what is asked for there.
fn own(name: &str, network: &str, words: &[&str]) -> Output {
    let inventory = format!("{}/../inventory/{name}", env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_homelab-lab"))
        .args(["sim", "--network", network, "--inventory", &inventory])
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn an_inventory_of_somebodys_own_keeps_its_guests_and_gets_the_worlds_addresses_and_secrets() {
    let output = own("one-node.yaml", "183", &["--", "sh", "-c", "cat $HOMELAB_CONFIG"]);
    let folder = regex_lite::Regex::new("/[^ \n]*/key|/[^ \n]*/pve-root-ca.pem").unwrap();
    let text = printed(&output);
    insta::with_settings!({filters => vec![
        (r"127\.0\.0\.1:\d+", "[endpoint]"),
        (r"[0-9a-f]{64}", "[sha256]"),
        (r"AAAA[A-Za-z0-9+/]+", "[key]"),
    ]}, {
        insta::assert_snapshot!(folder.replace_all(&text, "[file]"));
    });
}

#[test]
fn what_a_world_has_nothing_for_is_left_out_and_told() {
    let output = own("homelab.yaml", "182", &["--", "sh", "-c", "cat $HOMELAB_CONFIG"]);
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(told.contains("nothing for access.exposure, k3s.datastore_backup, gitops."), "{told}");
    let inventory = printed(&output);
    for real in ["pve1.lan", "oauth", "pass", "192.168.1.10", "age_key", "cloudflared"] {
        assert!(!inventory.contains(real), "{real}: {inventory}");
    }
}

#[test]
fn a_pipe_that_nobody_writes_into_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("homelab.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (number, flag) in ["--inventory", "--faults"].into_iter().enumerate() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homelab-lab"));
        let network = (178 + number).to_string();
        command.args(["sim", "--network", &network, flag]).arg(&pipe).args(["--", "true"]);
        let told = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(told.contains("must be a plain file"), "{told}");
    }
}

#[test]
fn an_inventory_that_is_none_is_refused_with_all_that_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("homelab.yaml");
    fs_err::write(&inventory, "cluster: {}\nproxmox: x\nnodes:\n  one: {vmid: 1}\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_homelab-lab"))
        .args(["sim", "--network", "181", "--inventory"])
        .arg(&inventory)
        .args(["--", "true"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let place = inventory.to_str().unwrap();
    insta::assert_snapshot!(told.replace(place, "homelab.yaml"));
}
