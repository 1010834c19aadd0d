//! Clients that others wrote drive the emulator over HTTPS and verify its certificate, so that the
//! two do not only agree with us.

use std::{ffi::OsString, process::Stdio};

use super::*;

/// Somebody who may do everything that is not root's alone, and somebody who may only look.
fn furnished() -> Setup {
    let access = |subject: &str, role: &str| AccessSetup {
        path: "/".to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
        propagate: true,
    };
    Setup {
        users: vec!["life@pve".to_owned(), "onlooker@pve".to_owned()],
        tokens: vec![token("life@pve", "test", false), token("onlooker@pve", "test", false)],
        access: vec![access("life@pve", "Administrator"), access("onlooker@pve", "PVEAuditor")],
        ..Setup::default()
    }
}

/// Starts a client, gives it what it needs to know, and wants it to end with `done`.
async fn lives_a_whole_life(client: &mut tokio::process::Command) {
    let world = world(furnished()).await;
    let given = json!({
        "address": world.running.address().to_string(),
        "authority": world.running.ca_file(),
        "node": "pve1",
        "password": "rootpw12345",
        "user": "life@pve",
        "token": "test",
        "secret": world.tokens["life@pve!test"],
        "onlooker": "onlooker@pve",
        "onlooker_secret": world.tokens["onlooker@pve!test"],
    });
    let mut child = client
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(given.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("done\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn named(variable: &str, what: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        eprintln!("skipped: {variable} names no {what}");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn proxmoxer_leads_a_guest_through_its_life() {
    let python = named("HOMELAB_TEST_PROXMOXER", "Python that has the package `proxmoxer`");
    let Some(python) = python else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/proxmoxer_life.py");
    lives_a_whole_life(tokio::process::Command::new(python).arg("-B").arg(script)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_go_leads_a_guest_through_its_life() {
    let program = named("HOMELAB_TEST_GO_PROXMOX", "program of lab/go/proxmox");
    let Some(program) = program else { return };
    lives_a_whole_life(&mut tokio::process::Command::new(program)).await;
}
