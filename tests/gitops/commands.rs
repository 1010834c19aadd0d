//! `homelab gitops`, as a person types it.

use std::os::unix::fs::PermissionsExt;

use homelab::gitops::{age_key::AgeKey, sops};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{CANARY, JELLYFIN, KEY, TUNNEL, World};

#[test]
fn a_tree_is_rendered_once_and_a_second_time_changes_nothing() {
    let world = World::new();
    let ended = world.homelab(&["gitops", "init", "tree"]).code(0);
    assert!(ended.err.contains("keep a copy of the file"), "{}", ended.err);
    let mode = fs_err::metadata(world.path.join(KEY)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the key is its owner's alone");
    let first = world.tree();
    assert!(first.contains_key("clusters/homelab/flux-system/gotk-sync.yaml"));
    for (path, text) in &first {
        assert!(!text.contains(CANARY), "{path} shows a secret");
        assert!(!text.contains("AGE-SECRET-KEY"), "{path} holds the key");
    }
    let ended = world.homelab(&["gitops", "diff", "tree", "--detailed-exitcode"]).code(0);
    assert!(ended.out.contains("nothing to change"), "{}", ended.out);
    world.homelab(&["gitops", "update", "tree"]).code(0);
    assert_eq!(world.tree(), first, "nothing is encrypted anew without need");
}

#[test]
fn what_is_outdated_is_rendered_anew_and_what_is_off_goes() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world.change(|inventory| {
        inventory["gitops"]["cloudflared"]["replicas"] = json!(3);
        inventory["gitops"].as_object_mut().unwrap().shift_remove("reloader");
    });
    let ended = world.homelab(&["gitops", "diff", "tree", "--detailed-exitcode"]).code(2);
    assert!(ended.out.contains("-  replicas: 2\n+  replicas: 3\n"), "{}", ended.out);
    assert!(world.tree().contains_key("infrastructure/controllers/reloader/release.yaml"));
    world.homelab(&["gitops", "update", "tree"]).code(0);
    assert!(!world.path.join("tree/infrastructure/controllers/reloader").exists());
    let json = world.homelab(&["gitops", "diff", "tree", "-o", "json"]).code(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["changes"], json!([]));
}

#[test]
fn an_edited_file_is_never_overwritten_without_asking() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world.edit(JELLYFIN, "memory: 4Gi", "memory: 8Gi");
    let mine = world.tree();
    // Nothing newer is rendered: nothing to ask.
    let ended = world.homelab(&["gitops", "update", "tree"]).code(0);
    assert!(ended.out.contains("but for 1 file that you edited and keep"), "{}", ended.out);
    assert_eq!(world.tree(), mine);
    let ended = world.homelab(&["gitops", "diff", "tree"]).code(0);
    let heading = format!("{JELLYFIN} (edited, and kept: an update leaves it as it is");
    assert!(ended.out.contains(&heading), "{}", ended.out);
    assert!(ended.out.contains("but for 1 file that you edited and keep"), "{}", ended.out);
    world.change(|inventory| inventory["k3s"]["cluster_cidr"] = json!("10.44.0.0/16"));
    let ended = world.homelab(&["gitops", "update", "tree"]).code(20);
    assert!(ended.err.contains(JELLYFIN) && ended.err.contains("--overwrite"), "{}", ended.err);
    assert!(ended.err.contains("`homelab gitops diff tree`"), "it can be typed: {}", ended.err);
    assert_eq!(world.tree(), mine, "nothing at all is written");
    world.homelab(&["gitops", "update", "tree", "--keep", JELLYFIN]).code(0);
    assert!(world.tree()[JELLYFIN].contains("8Gi"), "it was kept");
    assert!(
        world.tree()["infrastructure/configs/traefik-config/chart-config.yaml"]
            .contains("10.44.0.0/16")
    );
    world.homelab(&["gitops", "update", "tree"]).code(0);
    world.homelab(&["gitops", "update", "tree", "--overwrite", JELLYFIN]).code(0);
    let text = &world.tree()[JELLYFIN];
    assert!(text.contains("4Gi") && text.contains("10.44.0.0/16"));
    world.homelab(&["gitops", "update", "tree", "--keep", "apps/nothing.yaml"]).code(64);
}

#[test]
fn a_key_that_was_made_now_is_told_from_one_that_was_there() {
    let world = World::new();
    let ended = world.homelab(&["gitops", "key", "-q"]).code(0);
    assert!(ended.err.contains("There was no age key in"), "{}", ended.err);
    assert!(ended.err.contains("a new one was made"), "{}", ended.err);
    let again = world.homelab(&["gitops", "key"]).code(0);
    assert_eq!(again.out, ended.out);
    assert!(!again.err.contains("was made"), "{}", again.err);
}

#[test]
fn what_was_there_before_is_somebodys() {
    let world = World::new();
    fs_err::create_dir_all(world.path.join("tree/apps/mine")).unwrap();
    fs_err::write(world.path.join("tree/README.md"), "mine\n").unwrap();
    fs_err::write(world.path.join("tree/apps/mine/app.yaml"), "mine\n").unwrap();
    let ended = world.homelab(&["gitops", "init", "tree"]).code(20);
    assert!(ended.err.contains("README.md") && !ended.err.contains("apps/mine"), "{}", ended.err);
    world.homelab(&["gitops", "init", "tree", "--keep", "README.md"]).code(0);
    assert_eq!(world.tree()["README.md"], "mine\n");
    assert_eq!(world.tree()["apps/mine/app.yaml"], "mine\n");
}

#[test]
fn a_new_key_encrypts_everything_anew_and_the_values_stay() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    const FILE: &str = "tree/apps/monitoring/grafana-admin.sops.yaml";
    let reveal = || world.homelab(&["gitops", "reveal", FILE]).code(0).out;
    let (before, values) = (world.tree(), reveal());
    assert!(values.contains("admin-password"), "{values}");
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let after = world.tree();
    for (path, text) in &before {
        let sealed = path.ends_with(".sops.yaml");
        assert!(!sealed || after[path] != *text, "{path} was not encrypted anew");
    }
    assert_eq!(reveal(), values);
    world.homelab(&["gitops", "diff", "tree", "--detailed-exitcode"]).code(0);
    // The older key opens nothing any more, and can go.
    let key = fs_err::read_to_string(world.path.join(KEY)).unwrap();
    assert_eq!(key.matches("AGE-SECRET-KEY").count(), 2);
    world.push();
    world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(0);
    let key = fs_err::read_to_string(world.path.join(KEY)).unwrap();
    assert_eq!(key.matches("AGE-SECRET-KEY").count(), 1);
    assert_eq!(reveal(), values);
}

#[test]
fn another_clusters_tree_and_a_key_inside_the_tree_are_refused() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world.change(|inventory| {
        inventory["cluster"]["id"] = json!("11111111-2222-4333-8444-555555555555");
    });
    let ended = world.homelab(&["gitops", "update", "tree"]).code(20);
    assert!(ended.err.contains("another cluster"), "{}", ended.err);
    world.change(|inventory| {
        inventory["gitops"]["secrets"] = json!({"sops": {"identity": "new/key"}});
    });
    fs_err::create_dir_all(world.path.join("new")).unwrap();
    let ended = world.homelab(&["gitops", "init", "new"]).code(20);
    assert!(ended.err.contains("the repository that it opens"), "{}", ended.err);
    assert!(!world.path.join("new/key").exists());
}

#[test]
fn without_the_key_a_tree_can_still_be_compared_and_no_other_key_is_made() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    fs_err::remove_file(world.path.join(KEY)).unwrap();
    let ended = world.homelab(&["gitops", "diff", "tree"]).code(0);
    assert!(ended.err.contains("the age key is not here"), "{}", ended.err);
    world.homelab(&["gitops", "rotate", "tree"]).code(15);
    assert!(!world.path.join(KEY).exists());
}

#[test]
fn a_secret_that_somebody_edited_stays_until_it_is_overwritten() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let key = AgeKey::read(&world.path.join(KEY)).unwrap().unwrap();
    let path = world.path.join("tree").join(TUNNEL);
    // As the official `sops` would: another value, everything else as it was.
    let text = fs_err::read_to_string(&path).unwrap();
    let mut document = sops::open(&text, key.identities()).unwrap().document;
    document["stringData"]["token"] = json!("mine");
    let mine = sops::seal(&document, "", &[key.recipient()], Timestamp::now()).unwrap();
    fs_err::write(&path, &mine).unwrap();
    for _ in 0..2 {
        let ended = world.homelab(&["gitops", "update", "tree"]).code(0);
        assert!(ended.err.contains("was edited: it stays"), "{}", ended.err);
        assert_eq!(world.tree()[TUNNEL], mine);
    }
    world.homelab(&["gitops", "update", "tree", "--overwrite", TUNNEL]).code(0);
    let revealed = world.homelab(&["gitops", "reveal", path.as_str()]).code(0).out;
    assert!(revealed.contains(&format!("{CANARY}-token")), "{revealed}");
}

#[test]
fn a_run_that_ended_before_its_record_is_taken_up() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let whole = world.tree();
    // The files are written, the record is not.
    let record = world.path.join("tree/.homelab-gitops.json");
    let mut old: Value = serde_json::from_str(&fs_err::read_to_string(&record).unwrap()).unwrap();
    for path in [TUNNEL, JELLYFIN] {
        old["files"][path] = json!("00".repeat(32));
    }
    fs_err::write(&record, old.to_string()).unwrap();
    let ended = world.homelab(&["gitops", "update", "tree"]).code(0);
    assert!(!ended.err.contains("edited"), "{}", ended.err);
    assert_eq!(world.tree(), whole);
}
