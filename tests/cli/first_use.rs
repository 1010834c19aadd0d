//! What somebody meets who does it for the first time.

use crate::world::World;

const INIT: [&str; 5] =
    ["init", "--endpoint", "https://pve.example:8006", "--proxmox-node", "pve1"];

fn init<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["-c", "new.yaml"], &INIT[..], more].concat()
}

#[tokio::test]
async fn the_role_without_an_inventory_fits_the_inventory_that_init_writes() {
    let world = World::new().await;
    let before = world.homelab(&["init", "proxmox-role", "-c", "new.yaml"]).await.well().out;
    world.write_key_pair("home/.ssh/id_ed25519");
    let fingerprint = "AB".repeat(32);
    let made = ["-c", "new.yaml", "init", "--fingerprint", fingerprint.as_str()];
    world.homelab(&made).await.well();
    let after = world.homelab(&["init", "proxmox-role", "-c", "new.yaml"]).await.well().out;
    let (assumed, same) = before.split_once("\n\n").unwrap();
    assert_eq!(same, after);
    insta::assert_snapshot!(assumed, @"
    # There is no inventory new.yaml yet, so names are assumed:
    # pool `homelab`, disks `local-lvm`, image `local`, seeds `local`, node `pve`, bridge `vmbr0`.
    # Where yours differ, write the inventory first (`homelab init`), and print this anew.
    ");
    let json = ["init", "proxmox-role", "-c", "none.yaml", "-o", "json"];
    let json = world.homelab(&json).await.well().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    insta::assert_snapshot!(json["assumed"], @r#"{"pool":"homelab","disks":"local-lvm","image":"local","seeds":"local","node":"pve","bridge":"vmbr0"}"#);
    assert!(after.contains("pveum pool add homelab"), "{after}");
    let text = fs_err::read_to_string(world.path("new.yaml")).unwrap();
    assert!(text.contains("\n  pool: homelab\n"), "{text}");
}

#[tokio::test]
async fn init_says_all_that_is_left_to_do() {
    let world = World::new().await;
    let told = world.homelab(&init(&[])).await.well().err;
    for part in [
        "init fingerprint",
        "ssh-keygen",
        "homelab -c new.yaml validate",
        "init proxmox-role",
        "export PROXMOX_VE_API_TOKEN='homelab@pve!homelab=SECRET'",
        "init tailnet-policy",
        "export TAILSCALE_API_KEY=SECRET",
        "homelab -c new.yaml lock",
        "homelab -c new.yaml plan",
        "homelab -c new.yaml up",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    world.write_key_pair("home/.ssh/id_ed25519");
    let with_key = ["-c", "other.yaml", "init", "--fingerprint", &"AB".repeat(32)];
    let told = world.homelab(&with_key).await.well().err;
    assert!(!told.contains("ssh-keygen"), "{told}");
    let text = fs_err::read_to_string(world.path("new.yaml")).unwrap();
    let version =
        text.lines().find_map(|line| line.trim().strip_prefix("version: v1.34.")).unwrap();
    let patch: u32 = version.split('+').next().unwrap().parse().unwrap();
    assert!(patch >= 9, "Flannel loses its routes with {version} (TS-08)");
}

#[tokio::test]
async fn what_init_cannot_write_is_told_by_its_flag_and_nothing_is_written() {
    let world = World::new().await;
    let told = world.homelab(&init(&["--agent", "a=192.168.1.9"])).await.refused(64);
    assert!(told.contains("an agent needs a server") && told.contains("--server"), "{told}");
    let told = world.homelab(&init(&["--cluster", "My Lab"])).await.refused(64);
    assert!(told.contains("--cluster: `name` is `My Lab`"), "{told}");
    let told = world.homelab(&init(&["--server", "s=10.0.0.1"])).await.refused(64);
    assert!(told.contains("--agent s: 10.0.0.1 is not in the LAN"), "{told}");
    assert!(!told.contains("new.yaml"), "it points into a file that is not there: {told}");
    let twice = ["--server", "a=192.168.1.5", "--agent", "a=192.168.1.6"];
    let told = world.homelab(&init(&twice)).await.refused(64);
    assert!(told.contains("`a` is named more than once: --server, --agent"), "{told}");
    let both = ["--oauth-client", "k1", "--headscale", "https://headscale.example"];
    let told = world.homelab(&init(&both)).await.refused(64);
    assert!(told.contains("cannot be used with"), "{told}");
    let told = world.homelab(&init(&["--ca-file", "/nope/ca.pem"])).await.refused(64);
    assert!(told.contains("/nope/ca.pem: --ca-file names a file that is not there"), "{told}");
    for network in ["fd00::/64", "192.168.1.0"] {
        let told = world.homelab(&init(&["--network", network])).await.refused(64);
        assert!(told.contains("an IPv4 network such as 192.168.1.0/24 is wanted"), "{told}");
    }
    let told = world.homelab(&init(&["--network", "192.168.1.0/31"])).await.refused(64);
    assert!(told.contains("192.168.1.0/31 has no room"), "{told}");
    assert!(!world.path("new.yaml").exists());
}

#[tokio::test]
async fn what_lock_cannot_pin_is_told_at_once_and_a_lock_file_that_is_none_first() {
    let world = World::new().await;
    world.write_key_pair("home/.ssh/id_ed25519");
    world.homelab(&init(&[])).await.well();
    fs_err::write(world.path("homelab.lock"), "<<<<<<< mine\nversion: 1\n").unwrap();
    let mut lock = world.command(&["-c", "new.yaml", "lock"]);
    // Nothing listens there.
    lock.env("HTTPS_PROXY", "http://127.0.0.1:1");
    let told = world.run(lock).await.refused(14);
    assert!(told.starts_with("warning: this is no valid YAML"), "{told}");
    assert!(told.contains("cannot pin image, tailscale, k3s:\n"), "{told}");
    assert!(told.contains("check its network") && told.contains("nothing was written"), "{told}");
    let left = fs_err::read_to_string(world.path("homelab.lock")).unwrap();
    assert!(left.starts_with("<<<<<<<"), "{left}");
}

#[tokio::test]
async fn a_token_id_that_is_none_is_refused_and_a_secret_in_it_not_repeated() {
    let world = World::new().await;
    let told = world.homelab(&["init", "proxmox-role", "--token", "bad"]).await.refused(64);
    assert!(told.contains("user@realm!name"), "{told}");
    let whole = ["init", "proxmox-role", "--token", "me@pve!up=hunter2"];
    let told = world.homelab(&whole).await.refused(64);
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn what_needs_no_pinned_version_needs_no_lock_file() {
    let world = World::new().await;
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let unpinned: String = text
        .lines()
        .filter(|line| !line.contains("sha256:") || line.contains('{'))
        .map(|line| format!("{line}\n"))
        .collect();
    let unpinned = unpinned.replace(&format!(", sha256: {}", "ab".repeat(32)), "");
    assert!(!unpinned.contains("sha256"), "{unpinned}");
    fs_err::write(world.path("homelab.yaml"), unpinned).unwrap();
    for arguments in [
        &["init", "proxmox-role"][..],
        &["init", "tailnet-policy"],
        &["config", "show"],
        &["config", "show", "--origin"],
        &["status"],
        &["render"],
        &["render", "install-k3s"],
        &["destroy", "--all", "--yes"],
    ] {
        world.homelab(arguments).await.well();
    }
    let told = world.homelab(&["validate"]).await.well().err;
    assert!(told.contains("warning:") && told.contains("homelab lock"), "{told}");
    let told = world.homelab(&["ssh", "server"]).await.refused(14);
    assert!(told.contains("there is no VM of ours"), "{told}");
    let kubeconfig = world.homelab(&["kubeconfig"]).await;
    assert_ne!(kubeconfig.code, Some(15), "{kubeconfig}");
    for arguments in [&["plan"][..], &["up", "--yes"], &["verify"]] {
        let told = world.homelab(arguments).await.refused(15);
        assert!(told.contains("run `homelab lock`"), "{told}");
    }
}

#[tokio::test]
async fn destroy_finds_the_image_by_its_template_where_nothing_is_pinned() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let pinned = text.lines().find(|line| line.starts_with("  sha256:")).unwrap().to_owned();
    world.edit(&format!("{pinned}\n"), "");
    world.forget_requests().await;
    world.homelab(&["destroy", "--all", "--yes"]).await.well();
    let mut changes = world.changes().await;
    changes.retain(|line| line.starts_with("DELETE"));
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes.iter().any(|line| line.contains("/content/")), "{changes:?}");
}

#[tokio::test]
async fn the_fingerprint_is_shown_without_being_believed() {
    let world = World::new().await;
    let shown = world.homelab(&["init", "fingerprint"]).await.well();
    assert_eq!(shown.out.trim(), world.fingerprint());
    assert!(shown.err.contains("openssl x509 -fingerprint"), "{shown}");
    assert!(world.changes().await.is_empty());
    let endpoint = world.endpoint();
    let named = ["init", "fingerprint", "-c", "nowhere.yaml", "--endpoint", endpoint.as_str()];
    assert_eq!(world.homelab(&named).await.well().out, shown.out);
    world.homelab(&["init", "fingerprint", "-c", "nowhere.yaml"]).await.refused(64);
    for wrong in ["http://127.0.0.1:1", "127.0.0.1:8006"] {
        let told = world.homelab(&["init", "fingerprint", "--endpoint", wrong]).await.refused(64);
        assert!(told.contains("write `https://`"), "{told}");
    }
}

#[tokio::test]
async fn an_unknown_node_is_told_before_a_secret_is_looked_for() {
    let world = World::new().await;
    let mut ssh = world.command(&["ssh", "serevr"]);
    ssh.env_remove("TEST_TOKEN");
    let told = world.run(ssh).await.refused(64);
    assert!(told.contains("names no node `serevr`"), "{told}");
    assert!(told.contains("did you mean `server`?"), "{told}");
    for arguments in [&["destroy", "--yes", "--node", "nope"][..], &["render", "--node", "nope"]] {
        let told = world.homelab(arguments).await.refused(64);
        assert!(told.contains("there is"), "{told}");
    }
}

#[tokio::test]
async fn empty_and_relative_variables_say_nothing() {
    let world = World::new().await;
    let mut validate = world.command(&["validate"]);
    validate.env("HOMELAB_CONFIG", "").env("HOMELAB_LOCK", "");
    world.run(validate).await.well();
    let mut up = world.command(&["up", "--until", "image", "--yes"]);
    up.env("XDG_STATE_HOME", "relative");
    world.run(up).await.well();
    assert!(!world.path("relative").exists());
    assert!(world.path("home/.local/state/homelab/test/journal.jsonl").exists());
}
