//! What is said, and how: hints that can be typed, colours, silence.

use crate::world::World;

#[tokio::test]
async fn a_node_without_a_vm_is_told_the_same_way_by_every_command() {
    let world = World::new().await;
    let told = world.homelab(&["ssh", "server"]).await.refused(14);
    insta::assert_snapshot!(told, @r"
    error: server: there is no VM of ours
      hint: a whole `homelab up` makes it; `homelab status` shows what there is
    ");
    for arguments in [&["kubeconfig"][..], &["kubectl", "get", "nodes"]] {
        assert_eq!(world.homelab(arguments).await.refused(14), told, "{arguments:?}");
    }
    let up = world.homelab(&["up", "--from", "cluster", "--yes"]).await.refused(14);
    assert!(up.contains("there is no VM of ours") && up.contains("a whole `homelab up`"), "{up}");
}

#[tokio::test]
async fn a_hint_names_the_files_that_the_command_line_named() {
    let world = World::new().await;
    fs_err::rename(world.path("homelab.yaml"), world.path("my lab.yaml")).unwrap();
    let ssh = ["-c", "my lab.yaml", "--lock", "b.lock", "ssh", "server"];
    let told = world.homelab(&ssh).await.refused(14);
    assert!(told.contains("`homelab -c 'my lab.yaml' --lock b.lock up`"), "{told}");
    let mut known = world.command(&["ssh", "server"]);
    known.env("HOMELAB_CONFIG", "my lab.yaml");
    let told = world.run(known).await.refused(14);
    assert!(told.contains("`homelab up`"), "{told}");
    let json = ["-c", "my lab.yaml", "kubeconfig", "-o", "json"];
    let told = world.homelab(&json).await.refused(14);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let hint = told["hints"][0].as_str().unwrap();
    assert!(hint.starts_with("a whole `homelab -c 'my lab.yaml' up` makes it"), "{hint}");
}

#[tokio::test]
async fn faults_and_help_have_colours_exactly_when_they_are_asked_for() {
    let world = World::new().await;
    world.edit("  cores: 1", "  coers: 1");
    let colourful = world.homelab(&["validate", "--color", "always"]).await.refused(15);
    assert!(colourful.contains("\u{1b}["), "{colourful}");
    let plain = world.homelab(&["validate"]).await.refused(15);
    assert_eq!(anstream::adapter::strip_str(&colourful).to_string(), plain);
    let help = world.homelab(&["--color", "always", "--help"]).await.well().out;
    assert!(help.contains("\u{1b}["), "{help}");
    let help = world.homelab(&["--color", "never", "--help"]).await.well().out;
    assert!(!help.contains("\u{1b}["), "{help}");
}

#[tokio::test]
async fn quiet_says_only_what_went_wrong_and_keeps_the_data() {
    let world = World::new().await;
    let said = world.homelab(&["validate", "-q"]).await.well();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let said = world.homelab(&["init", "fingerprint", "-q"]).await.well();
    assert_eq!((said.out.trim(), said.err.as_str()), (world.fingerprint().as_str(), ""));
    let said = world.homelab(&["init", "-q", "-c", "new.yaml"]).await.well();
    assert_eq!((said.out.trim(), said.err.as_str()), ("new.yaml", ""));
    let said = world.homelab(&["validate", "-q", "-o", "json"]).await.well();
    assert!(said.out.contains("\"valid\": true"), "{said}");
}

#[tokio::test]
async fn help_is_a_command_too() {
    let world = World::new().await;
    let by_flag = world.homelab(&["init", "--help"]).await.well().out;
    assert_eq!(world.homelab(&["help", "init"]).await.well().out, by_flag);
}

#[tokio::test]
async fn nobody_to_ask_is_told_with_what_to_do() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let told = world.homelab(&["destroy", "--all", "-o", "json"]).await.refused(64);
    let told: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let hints = told["hints"].to_string();
    assert!(hints.contains("give --yes"), "{hints}");
    assert!(hints.contains("`homelab destroy` without `-o json` shows"), "{hints}");
    let shown = world.homelab(&["destroy", "--all"]).await.refused(64);
    assert!(shown.contains("delete template 9000"), "{shown}");
}

#[tokio::test]
async fn the_help_of_what_asks_proxmox_for_a_host_key_says_so() {
    let world = World::new().await;
    for command in ["ssh", "kubectl"] {
        let help = world.homelab(&[command, "--help"]).await.well().out;
        assert!(help.contains("Proxmox vouches for the host key"), "{help}");
        assert!(help.contains("needs its token"), "{help}");
    }
}
