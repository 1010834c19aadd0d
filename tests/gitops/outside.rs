//! What a tree may not reach, what is no text, and secrets that are there and cannot be read.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::world::{CANARY, JELLYFIN, TUNNEL, World};

#[test]
fn nothing_is_written_through_a_link_that_leaves_the_tree() {
    let world = World::new();
    world.write("outside/mine.yaml", "mine\n");
    fs_err::create_dir_all(world.path.join("tree/apps")).unwrap();
    symlink("../../outside", world.path.join("tree/apps/jellyfin")).unwrap();
    let ended = world.homelab(&["gitops", "init", "tree"]).code(20);
    assert!(ended.err.contains("apps/jellyfin"), "{}", ended.err);
    let there: Vec<_> = fs_err::read_dir(world.path.join("outside")).unwrap().collect();
    assert_eq!(there.len(), 1, "{there:?}");
    assert!(!world.path.join("tree/README.md").exists(), "nothing at all is written");
}

#[test]
fn a_record_names_nothing_that_is_gits_own() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world.write("tree/.git/HEAD", "ref: refs/heads/main\n");
    let record = "tree/.homelab-gitops.json";
    let mut named: Value = serde_json::from_str(&world.read(record)).unwrap();
    named["files"][".git/HEAD"] =
        json!("28d25bf82af4c0e2b72f50959b2beb859e3e60b9630a5e8c603dad4ddb2b6e80");
    world.write(record, named.to_string());
    let ended = world.homelab(&["gitops", "update", "tree"]).code(20);
    assert!(ended.err.contains(".git/HEAD"), "{}", ended.err);
    assert!(world.path.join("tree/.git/HEAD").exists());
}

#[test]
fn a_secret_that_is_there_and_cannot_be_had_is_no_success() {
    let world = World::new();
    world.write("token", format!("{CANARY}-first"));
    world.change(|inventory| {
        inventory["gitops"]["cloudflared"]["tunnel_token"] =
            json!({"file": world.path.join("token")});
    });
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let before = world.tree();
    world.write("token", format!("{CANARY}-second"));
    let readable = PermissionsExt::from_mode(0o644);
    fs_err::set_permissions(world.path.join("token"), readable).unwrap();
    let ended = world.homelab(&["gitops", "update", "tree"]).code(15);
    assert!(ended.err.contains("mode 0644") && ended.err.contains(TUNNEL), "{}", ended.err);
    for bytes in ["", "a\0b"] {
        world.write("token", bytes);
        world.homelab(&["gitops", "update", "tree"]).code(15);
    }
    assert_eq!(world.tree(), before);
    world.change(|inventory| {
        inventory["gitops"]["cloudflared"]["tunnel_token"] = json!({"command": ["false"]});
    });
    world.homelab(&["gitops", "update", "tree"]).code(15);
    assert_eq!(world.tree(), before);
}

#[test]
fn a_variable_that_is_not_set_keeps_what_is_encrypted_and_says_so_even_when_quiet() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let before = world.tree();
    let ended = world.homelab_with(&["-q", "gitops", "update", "tree"], &[]).code(0);
    assert!(ended.err.contains("`token` stays what it is"), "{}", ended.err);
    assert_eq!(world.tree(), before);
    world.homelab_with(&["gitops", "update", "tree"], &[("TOKEN", "")]).code(15);
}

#[test]
fn a_file_that_was_deleted_comes_back_when_it_is_to_be_overwritten() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let whole = world.tree();
    fs_err::remove_file(world.path.join("tree").join(JELLYFIN)).unwrap();
    world.homelab(&["gitops", "update", "tree"]).code(0);
    assert!(!world.tree().contains_key(JELLYFIN));
    let ended = world.homelab(&["gitops", "update", "tree", "--overwrite", JELLYFIN]).code(0);
    assert!(ended.out.contains(&format!("written: {JELLYFIN}")), "{}", ended.out);
    assert_eq!(world.tree(), whole);
}

#[test]
fn a_file_that_is_no_text_counts_as_edited() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let whole = world.tree();
    let path = format!("tree/{JELLYFIN}");
    world.write(&path, b"\xff\xfe\n");
    let ended = world.homelab(&["gitops", "diff", "tree"]).code(0);
    assert!(ended.out.contains("edited"), "{}", ended.out);
    world.homelab(&["gitops", "update", "tree"]).code(0);
    assert_eq!(fs_err::read(world.path.join(&path)).unwrap(), b"\xff\xfe\n");
    world.homelab(&["gitops", "update", "tree", "--overwrite", JELLYFIN]).code(0);
    assert_eq!(world.tree(), whole);
}

#[test]
fn what_a_run_left_half_written_is_swept() {
    let world = World::new();
    world.homelab(&["gitops", "init", "tree"]).code(0);
    let whole = world.tree();
    world.write("tree/apps/jellyfin/.homelab-a1B2c3.tmp", "half");
    world.write("tree/.homelab-mine.tmpl", "mine");
    world.homelab(&["gitops", "update", "tree"]).code(0);
    assert!(!world.tree().contains_key("apps/jellyfin/.homelab-a1B2c3.tmp"));
    assert!(world.tree().contains_key(".homelab-mine.tmpl"));
    assert_eq!(world.tree().len(), whole.len() + 1);
}
