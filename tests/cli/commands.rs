//! The commands that need no guest.

use crate::world::World;

#[tokio::test]
async fn validate_says_that_a_sound_inventory_is_sound() {
    let world = World::new().await;
    let said = world.homelab(&["validate"]).await.well().out;
    insta::assert_snapshot!(said, @"homelab.yaml is sound: cluster test, 1 server, 1 agent");
    let json = world.homelab(&["validate", "-o", "json"]).await.well().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["valid"], true);
}

#[tokio::test]
async fn the_schema_that_is_printed_takes_the_inventory() {
    let world = World::new().await;
    let schema = world.homelab(&["schema"]).await.well().out;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let inventory: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&inventory).unwrap();
}

#[tokio::test]
async fn config_show_tells_where_each_value_comes_from() {
    let world = World::new().await;
    let table = world.homelab(&["config", "show", "--origin"]).await.well().out;
    let line = |field: &str| {
        let found = table.lines().find(|line| line.trim().starts_with(field));
        found.unwrap_or_else(|| panic!("no {field} in\n{table}")).to_owned()
    };
    assert!(line("proxmox.pool").trim_end().ends_with("file"));
    assert!(line("k3s.cluster_cidr").trim_end().ends_with("default"));
    let whole = world.homelab(&["config", "show"]).await.well().out;
    fs_err::write(world.path("again.yaml"), whole).unwrap();
    world.homelab(&["validate", "-c", "again.yaml"]).await.well();
    assert!(!table.contains(&world.secret()), "a secret is shown");
}

#[tokio::test]
async fn init_writes_an_inventory_that_is_sound_once_it_is_locked_and_never_overwrites_one() {
    let world = World::new().await;
    let init = ["init", "-c", "new/homelab.yaml", "--endpoint", "https://pve.example:8006"];
    world.homelab(&init).await.well();
    let text = fs_err::read_to_string(world.path("new/homelab.yaml")).unwrap();
    assert!(text.contains("https://pve.example:8006") && text.contains('#'), "{text}");
    let again = world.homelab(&init).await;
    assert!(again.code.is_some_and(|code| code != 0), "{again}");
    assert_eq!(fs_err::read_to_string(world.path("new/homelab.yaml")).unwrap(), text);
}

#[tokio::test]
async fn the_role_and_the_policy_are_printed_for_the_inventory() {
    let world = World::new().await;
    let role = world.homelab(&["init", "proxmox-role"]).await.well().out;
    for part in
        ["pveum role add HomelabGuests", "/pool/homelab", "/storage/local-lvm", "/nodes/pve1"]
    {
        assert!(role.contains(part), "no `{part}` in\n{role}");
    }
    let policy = world.homelab(&["init", "tailnet-policy"]).await.well().out;
    assert!(policy.contains("tag:k3s") && policy.contains("8472"), "{policy}");
}

#[tokio::test]
async fn the_scripts_are_shown_without_their_secrets() {
    let world = World::new().await;
    let names = world.homelab(&["render"]).await.well().out;
    let names: Vec<&str> = names.lines().collect();
    assert!(names.contains(&"probe"), "{names:?}");
    for name in names {
        let script = world.homelab(&["render", name]).await.well().out;
        assert!(!script.contains(&world.secret()), "{name} shows a secret");
        assert!(script.contains("HOMELAB_ROOT"), "{name}:\n{script}");
    }
}

#[tokio::test]
async fn lock_keeps_what_the_inventory_pins_itself_out_of_the_lock_file() {
    let world = World::new().await;
    let locked = world.homelab(&["lock"]).await.well();
    let said = "nothing to pin: the inventory names each version with its sha256\n";
    assert_eq!((locked.out.as_str(), locked.err.as_str()), ("", said));
    assert_eq!(world.homelab(&["lock", "-q"]).await.well().err, "");
    let lock = fs_err::read_to_string(world.path("homelab.lock")).unwrap();
    assert!(lock.contains("version: 1") && !lock.contains("sha256"), "{lock}");
}

#[tokio::test]
async fn the_version_is_printed_and_a_wrong_command_line_is_a_usage_error() {
    let world = World::new().await;
    let version = world.homelab(&["version"]).await.well().out;
    assert_eq!(version, format!("homelab {}\n", env!("CARGO_PKG_VERSION")));
    let told = world.homelab(&["plan", "--node", "nobody"]).await.refused(64);
    assert!(told.contains("the inventory names no node `nobody`"), "{told}");
    let told = world.homelab(&["plan", "--from", "verify", "--until", "image"]).await.refused(64);
    assert!(told.contains("--from names a stage after --until"), "{told}");
}
