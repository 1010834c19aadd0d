//! `homelab init --ask`, with a person at a terminal.

use crate::{terminal::Terminal, world::World};

fn asking(world: &World) -> Terminal {
    let endpoint = world.endpoint();
    let words = ["-c", "new.yaml", "init", "--ask", "--vmid", "102", "--endpoint", &endpoint];
    let mut command = world.command(&words);
    command.env("PROXMOX_VE_API_TOKEN", world.token()).env("TERM", "xterm");
    Terminal::start(command)
}

async fn until_the_certificate(terminal: &mut Terminal, answer: &str) {
    terminal.answer("Name of the cluster", "\r").await;
    terminal.answer("Proxmox API", "\r").await;
    terminal.answer("Are both the same?", answer).await;
}

#[tokio::test]
async fn who_takes_what_is_offered_has_an_inventory_that_fits_the_host() {
    let world = World::new().await;
    let mut terminal = asking(&world);
    until_the_certificate(&mut terminal, "y").await;
    terminal.answer("LAN", "127.79.0.0/24\r").await;
    terminal.answer("Gateway", "\r").await;
    terminal.answer("Control plane", "\r").await;
    terminal.answer("Agents", "\r").await;
    terminal.answer("First of 3 addresses", "\r").await;
    // The third one from 102 on is the bystander's: what is offered is the next row that is free.
    terminal.answer("First of 3 VMIDs in a row", "\r").await;
    terminal.answer("VMID of the template", "\r").await;
    // The cursor's key goes to the last of three.
    terminal.answer("Tailnet", "\u{1b}[B\u{1b}[B\r").await;
    terminal.answer("Headscale's address", "\r").await;
    assert_eq!(terminal.code().await, Some(0), "{}", terminal.seen());
    let seen = terminal.seen();
    assert!(seen.contains(&world.fingerprint()), "{seen}");
    assert!(!seen.contains(&world.secret()), "{seen}");
    let text = fs_err::read_to_string(world.path("new.yaml")).unwrap();
    let text = text.replace(&world.endpoint(), "ENDPOINT").replace(&world.fingerprint(), "PIN");
    // One that begins with a digit stands in quotes.
    let text = text.replace("\"PIN\"", "PIN");
    let shown: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.starts_with("  id: "))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn whoever_does_not_know_the_certificate_sends_no_token_there() {
    let world = World::new().await;
    world.forget_requests().await;
    let mut terminal = asking(&world);
    until_the_certificate(&mut terminal, "n").await;
    assert_eq!(terminal.code().await, Some(130), "{}", terminal.seen());
    assert!(terminal.seen().contains("nothing was sent and nothing written"));
    assert!(!world.path("new.yaml").exists());
    assert_eq!(world.requests().await, 0);
}

#[tokio::test]
async fn a_token_that_sees_nothing_leaves_the_rest_to_be_typed() {
    let world = World::new().await;
    let endpoint = world.endpoint();
    let mut command = world.command(&["-c", "new.yaml", "init", "--ask", "--endpoint", &endpoint]);
    command.env("TERM", "xterm");
    let mut terminal = Terminal::start(command);
    until_the_certificate(&mut terminal, "y").await;
    terminal.answer("Token", "homelab@pve!homelab=11111111-2222-4333-8444-555555555555\r").await;
    terminal.answer("Proxmox does not tell what it has", "").await;
    terminal.answer("Proxmox node", "\u{3}").await;
    assert_eq!(terminal.code().await, Some(130), "{}", terminal.seen());
    assert!(!terminal.seen().contains("11111111-2222"), "{}", terminal.seen());
    assert!(!world.path("new.yaml").exists());
}

#[tokio::test]
async fn without_a_terminal_nobody_is_asked() {
    let world = World::new().await;
    let told = world.homelab(&["-c", "new.yaml", "init", "--ask"]).await.refused(64);
    assert!(told.contains("nobody can be asked here"), "{told}");
}
