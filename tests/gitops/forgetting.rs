//! `homelab gitops rotate --forget`: no key goes that anything needs, here, in the inventory or where Flux reads.

use std::io::Write;

use age::x25519::Recipient;
use serde_json::json;

use crate::world::{KEY, TUNNEL, World};

const FOREIGN: &str = include_str!("foreign-secret.yaml");
const RULES: &str = ".sops.yaml";
const FORGET: [&str; 4] = ["gitops", "rotate", "tree", "--forget"];
/// The key of [`FOREIGN`]; of no use anywhere else.
const MINE: &str = "AGE-SECRET-KEY-1XFMLXH59LCE9A0GUY0R09FCJDSZFSU92C5S4V4ECU9M5YXVAST9SVPQXY2\n";

fn world() -> World {
    let world = World::new();
    world.write(KEY, MINE);
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world
}

fn retired(world: &World) -> usize {
    world.key().identities().len() - 1
}

/// As `age -r RECIPIENT` writes it.
fn by_age(recipient: &Recipient) -> Vec<u8> {
    let recipients = std::iter::once(recipient as &dyn age::Recipient);
    let mut writer =
        age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(b"canary-of-age").unwrap();
    writer.finish().unwrap()
}

#[track_caller]
fn kept(world: &World, named: &str) {
    let before = retired(world);
    let ended = world.homelab(&FORGET).code(20);
    assert!(ended.err.contains(named), "{}", ended.err);
    assert!(ended.err.contains("no key was forgotten"), "{}", ended.err);
    assert_eq!(retired(world), before);
}

#[track_caller]
fn forgotten(world: &World) {
    world.homelab(&FORGET).code(0);
    assert_eq!(retired(world), 0);
}

#[test]
fn every_file_at_the_head_is_looked_at_and_not_its_rules_alone() {
    let world = world();
    let before = world.tree();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let after = world.tree();
    // The rules were pushed, and nothing else.
    for (path, text) in before.iter().filter(|(path, _)| *path != RULES) {
        world.write(&format!("tree/{path}"), text);
    }
    world.push();
    for (path, text) in &after {
        world.write(&format!("tree/{path}"), text);
    }
    kept(&world, TUNNEL);
    // One that is there alone.
    world.write("tree/mine/old.yaml", FOREIGN);
    world.push();
    fs_err::remove_dir_all(world.path.join("tree/mine")).unwrap();
    kept(&world, "mine/old.yaml");
    world.push();
    forgotten(&world);
}

#[test]
fn a_file_of_age_is_named_by_a_rotation_and_keeps_the_older_key() {
    let world = world();
    world.write("tree/backup.bin", by_age(&world.key().recipient()));
    let ended = world.homelab(&["-q", "gitops", "rotate", "tree"]).code(0);
    assert!(ended.err.contains("backup.bin") && ended.err.contains("age -d"), "{}", ended.err);
    world.push();
    kept(&world, "backup.bin");
    let old = world.path.join("tree/backup.bin");
    fs_err::remove_file(&old).unwrap();
    kept(&world, "backup.bin");
    world.write("tree/backup.bin", by_age(&world.key().recipient()));
    world.push();
    forgotten(&world);
}

#[test]
fn an_encrypted_file_that_cannot_be_looked_into_is_refused_and_an_image_is_not() {
    let world = world();
    let value = "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]";
    let large = format!("a: {}\nsops:\n    mac: {value}\n", "x".repeat(17 << 20));
    let latin =
        [b"# caf\xe9\n", format!("a: {value}\nsops:\n  mac: {value}\n").as_bytes()].concat();
    for (text, why) in [(large.into_bytes(), "too large to look into"), (latin, "no UTF-8")] {
        world.write("tree/mine/x.yaml", text);
        let key = world.read(KEY);
        for arguments in [&["gitops", "rotate", "tree"][..], &FORGET] {
            let ended = world.homelab(arguments).code(20);
            assert!(ended.err.contains("mine/x.yaml") && ended.err.contains(why), "{}", ended.err);
        }
        assert_eq!(world.read(KEY), key);
    }
    world.write("tree/mine/x.yaml", "a: b\n");
    world.write("tree/mine/x.png", vec![0xff; 17 << 20]);
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
}

#[test]
fn what_the_inventory_itself_opens_by_the_older_key_keeps_it() {
    let world = world();
    world.write("token.age", by_age(&world.key().recipient()));
    world.change(|inventory| {
        inventory["gitops"]["cloudflared"]["tunnel_token"] =
            json!({"age": {"file": "token.age", "identity": KEY}});
    });
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    world.push();
    kept(&world, "token.age");
    world.write("token.age", by_age(&world.key().recipient()));
    forgotten(&world);
}

#[test]
fn rules_below_the_root_are_renewed_and_keep_an_older_key_that_they_name() {
    let world = world();
    let older = world.key().recipient().to_string();
    let nested = "tree/mine/.sops.yaml";
    let rules = format!("creation_rules:\n  - age: {older} # mine\n");
    world.write(nested, &rules);
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let renewed = world.read(nested);
    assert_eq!(renewed, rules.replace(&older, &world.key().recipient().to_string()));
    world.write(nested, &rules);
    world.push();
    kept(&world, "mine/.sops.yaml");
    // At the head alone.
    world.write(nested, renewed);
    kept(&world, "mine/.sops.yaml");
    world.push();
    forgotten(&world);
}
