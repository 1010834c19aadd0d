//! Secrets in wrong places, and secrets that are none.

use camino::Utf8Path;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_secret_under_a_misspelt_field_is_not_repeated() {
    let world = World::new().await;
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    for (from, to) in [
        ("  token:\n    env: TEST_TOKEN\n", "  tokne: root@pam!up=hunter2\n"),
        ("  pool: homelab\n", "  poool: hunter2\n"),
        ("  pool: homelab\n", "  password: hunter2\n"),
        ("api_key: {env: TEST_TOKEN}", "api_kye: hunter2"),
        ("      user: homelab\n", "      usre: hunter2\n"),
        ("  token:\n    env: TEST_TOKEN\n", "  token: hunter2: x\n"),
        ("  pool: homelab\n", "  pool: root@pam!up=hunter2\n"),
    ] {
        fs_err::write(world.path("homelab.yaml"), &text).unwrap();
        world.edit(from, to);
        for format in ["text", "json"] {
            let told = world.homelab(&["validate", "-o", format]).await.refused(15);
            assert!(!told.contains("hunter2"), "{to}: {told}");
        }
    }
}

#[tokio::test]
async fn a_password_in_a_url_is_not_repeated() {
    let world = World::new().await;
    world.edit("endpoint: https://", "endpoint: https://me:hunter2@");
    let told = world.homelab(&["validate"]).await.refused(15);
    assert!(!told.contains("hunter2") && told.contains("[redacted]@"), "{told}");
    assert!(!told.contains("https://https"), "{told}");
    assert!(told.contains("take name and password out"), "{told}");
    let mut overridden = world.command(&["validate"]);
    overridden.env("PROXMOX_VE_ENDPOINT", "https://me:hunter2@pve");
    let told = world.run(overridden).await.refused(15);
    assert!(!told.contains("hunter2"), "{told}");
    let init = ["init", "-c", "new.yaml", "--endpoint", "https://me:hunter2@pve:8006"];
    let told = world.homelab(&init).await.refused(64);
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_token_that_is_none_is_told_with_its_field_and_source() {
    let world = World::new().await;
    let mut plan = world.command(&["plan"]);
    plan.env("TEST_TOKEN", "hunter2");
    let told = world.run(plan).await.refused(15);
    let place = "error: proxmox.token (environment variable TEST_TOKEN): ";
    assert!(told.starts_with(&format!("{place}what is there is no API token")), "{told}");
    assert!(told.contains("user@realm!name=uuid") && !told.contains("hunter2"), "{told}");
    let mut plan = world.command(&["plan"]);
    plan.env_remove("TEST_TOKEN");
    let told = world.run(plan).await.refused(15);
    insta::assert_snapshot!(told, @r"
    error: proxmox.token: TEST_TOKEN is not set
      hint: export TEST_TOKEN='homelab@pve!homelab=SECRET'
    ");
    let mut plan = world.command(&["plan"]);
    plan.env("TEST_TOKEN", "");
    let told = world.run(plan).await.refused(15);
    insta::assert_snapshot!(told, @r"
    error: proxmox.token: TEST_TOKEN is empty
      hint: export TEST_TOKEN='homelab@pve!homelab=SECRET'
    ");
}

#[tokio::test]
async fn the_command_that_grants_a_privilege_names_the_token_in_use() {
    let wish = crate::world::Wish {
        without: Some("VM.Clone"),
        token: "up2",
        ..crate::world::Wish::default()
    };
    let world = World::with(wish).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(17);
    assert!(told.contains("--tokens 'homelab@pve!up2'"), "{told}");
}

/// Each file in and below a folder.
fn files(folder: &Utf8Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(entry.path()));
        } else {
            found.push((entry.path().to_string(), fs_err::read(entry.path()).unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn what_a_failed_task_says_reaches_no_output_and_no_file_without_being_redacted() {
    let address = "https://me:hunter2@mirror/image.raw?signature=hunter2";
    for format in ["text", "json"] {
        let world = World::new().await;
        world.edit("/image.raw\n", "/image.raw?signature=hunter2\n");
        world
            .fault(json!({
                "kind": "task", "exit": format!("download of {address} failed"), "instead": true,
                "method": "POST", "path": "/nodes/{node}/storage/{storage}/download-url",
            }))
            .await;
        let up = ["up", "--until", "machines", "--yes", "-o", format];
        let ended = world.homelab(&up).await;
        assert_eq!(ended.code, Some(17), "{ended}");
        let told = ended.to_string();
        assert!(!told.contains("hunter2"), "{told}");
        let shown = "https://[redacted]@mirror/image.raw?signature=[redacted] failed";
        assert!(told.contains(shown), "{told}");
        assert!(world.journal().contains(shown), "{}", world.journal());
        for (path, bytes) in files(&world.path("state")) {
            assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{path}");
        }
    }
}

#[tokio::test]
async fn what_proxmox_repeats_of_the_token_reaches_no_output_no_log_and_no_file() {
    for format in ["text", "json"] {
        let world = World::new().await;
        let secret = world.secret();
        world
            .fault(json!({
                "kind": "task", "exit": format!("no ticket {secret} here"), "instead": true,
                "method": "POST", "path": "/nodes/{node}/storage/{storage}/download-url",
            }))
            .await;
        let mut up = world.command(&["up", "--until", "machines", "--yes", "-o", format]);
        up.env("HOMELAB_LOG", "homelab=debug");
        let ended = world.run(up).await;
        assert_eq!(ended.code, Some(17), "{ended}");
        let told = ended.to_string();
        assert!(told.contains("no ticket [redacted] here"), "{told}");
        assert!(!told.contains(&secret), "{told}");
        assert!(world.journal().contains("no ticket [redacted] here"), "{}", world.journal());
        for (path, bytes) in files(&world.path("state")) {
            assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{path}");
        }
    }
}

#[tokio::test]
async fn a_token_in_the_place_of_a_file_is_told_nowhere() {
    let world = World::new().await;
    for (arguments, code) in [
        (&["validate", "-c", "root@pam!up=hunter2"][..], 15),
        (&["validate", "-c", "root@pam!up=hunter2", "-o", "json"], 15),
        (&["validate", "--lock", "root@pam!up=hunter2/x"], 0),
    ] {
        let ended = world.homelab(arguments).await;
        assert!(!ended.to_string().contains("hunter2"), "{ended}");
        assert!(ended.code == Some(code) || code == 0, "{ended}");
    }
    // The file's name stands in each of its faults.
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    fs_err::write(world.path("root@pam!up=hunter2"), text.replace("pool:", "poool:")).unwrap();
    for format in ["text", "json"] {
        let ended = world.homelab(&["validate", "-c", "root@pam!up=hunter2", "-o", format]).await;
        assert_eq!(ended.code, Some(15), "{ended}");
        assert!(!ended.to_string().contains("hunter2"), "{ended}");
    }
}

#[tokio::test]
async fn the_effective_configuration_shows_no_signed_address_and_no_token_in_a_wrong_place() {
    let world = World::new().await;
    world.edit("/image.raw\n", "/image.raw?signature=hunter2\n");
    let misplaced = |arguments: &[&str]| {
        let mut show = world.command(arguments);
        show.env("PROXMOX_VE_CA_FILE", "root@pam!up=hunter2");
        world.run(show)
    };
    let told = misplaced(&["config", "show"]).await.refused(15);
    assert!(told.contains("PROXMOX_VE_CA_FILE") && !told.contains("hunter2"), "{told}");
    // A file of that name is a sound one, all the same.
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let authority = text.lines().find_map(|line| line.trim().strip_prefix("ca_file: ")).unwrap();
    fs_err::copy(authority, world.path("root@pam!up=hunter2")).unwrap();
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "-o", "json"],
        &["config", "show", "--origin"],
        &["config", "show", "--origin", "-o", "json"],
    ] {
        let shown = misplaced(arguments).await.well().out;
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
        if arguments == ["config", "show"] {
            let read: serde_json::Value = serde_saphyr::from_str(&shown).unwrap();
            let address = read["image"]["url"].as_str().unwrap();
            assert!(address.ends_with("/image.raw?signature=[redacted]"), "{address}");
        }
    }
}
