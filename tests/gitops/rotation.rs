//! `homelab gitops rotate`: whatever is in the tree stays what it is, and no Secret is left without a key.

use std::{
    fs::File,
    os::unix::fs::{PermissionsExt, symlink},
};

use homelab::gitops::{age_key::AgeKey, sops};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{CANARY, JELLYFIN, KEY, TUNNEL, World};

/// A Secret that somebody encrypted by another rule (`unencrypted_suffix`), for two keys.
const FOREIGN: &str = include_str!("foreign-secret.yaml");
/// Its keys; of no use anywhere else.
const MINE: &str = "AGE-SECRET-KEY-1XFMLXH59LCE9A0GUY0R09FCJDSZFSU92C5S4V4ECU9M5YXVAST9SVPQXY2\n";
const OTHERS: &str = "AGE-SECRET-KEY-100WXD3YYZQTAGZ6YMF55H4DQ6V8RX4XF8VLTCDWYDNJ3LY6JK5XSGFY4F0\n";
const RULES: &str = ".sops.yaml";

/// A world whose key opens [`FOREIGN`].
fn world() -> World {
    let world = World::new();
    world.write(KEY, MINE);
    world.homelab(&["gitops", "init", "tree"]).code(0);
    world
}

/// Neither tree nor key is another one.
fn unchanged(world: &World, before: &std::collections::BTreeMap<String, String>, key: &str) {
    assert_eq!(world.tree(), *before);
    assert_eq!(world.read(KEY), key, "a key was made");
}

/// How many retired keys the file has.
fn retired(world: &World) -> usize {
    world.key().identities().len() - 1
}

#[test]
fn a_file_of_somebody_else_keeps_its_own_rule_and_its_other_recipients() {
    let world = world();
    world.write("tree/mine/secret.sops.yaml", FOREIGN);
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let after = world.read("tree/mine/secret.sops.yaml");
    assert!(!after.contains(CANARY), "values in the clear: {after}");
    let shape = |text: &str| -> Vec<String> {
        let body = text.lines().take_while(|line| *line != "sops:");
        body.map(|line| line.split("ENC[").next().unwrap().to_owned()).collect()
    };
    assert_eq!(shape(&after), shape(FOREIGN), "every line but its ciphertext");
    assert!(after.contains("unencrypted_suffix: \"_unencrypted\""), "{after}");
    assert_eq!(world.opened("mine/secret.sops.yaml")["stringData"]["port"], 8080);
    let other = AgeKey::parse(Zeroizing::new(OTHERS.to_owned())).unwrap();
    sops::open(&after, other.identities()).unwrap();
    let old = AgeKey::parse(Zeroizing::new(MINE.to_owned())).unwrap();
    assert!(sops::open(&after, old.identities()).is_err(), "the retired key opens it still");
    // Its values have another data key, too.
    assert!(
        FOREIGN.lines().filter(|line| line.contains("type:")).all(|line| !after.contains(line))
    );
}

#[test]
fn a_file_that_others_than_age_keys_open_is_refused_before_anything_is_changed() {
    let world = world();
    for (field, value) in [
        ("pgp: []", "pgp:\n  - fp: ABCD\n    enc: x\n"),
        ("kms: null", "kms:\n  - arn: aws\n    enc: x\n"),
        ("kms: null", "key_groups:\n  - age: []\n"),
        ("kms: null", "of_tomorrow: 1\n"),
    ] {
        world.write("tree/mine/secret.sops.yaml", FOREIGN.replace(field, value.trim_end()));
        let (tree, key) = (world.tree(), world.read(KEY));
        let ended = world.homelab(&["gitops", "rotate", "tree"]).code(20);
        assert!(ended.err.contains("mine/secret.sops.yaml"), "{}", ended.err);
        unchanged(&world, &tree, &key);
    }
}

#[test]
fn while_one_works_on_key_or_tree_a_second_is_refused_and_told_who_it_is() {
    let world = world();
    let (tree, key) = (world.tree(), world.read(KEY));
    for held in [KEY, "tree"] {
        let lock = File::open(world.path.join(held)).unwrap();
        lock.lock().unwrap();
        for command in ["rotate", "init", "update"] {
            if (held, command) == (KEY, "init") || (held, command) == (KEY, "update") {
                continue;
            }
            let ended = world.homelab(&["gitops", command, "tree"]).code(21);
            let pid = format!("process {}", std::process::id());
            assert!(ended.err.contains(&pid), "{}", ended.err);
        }
        unchanged(&world, &tree, &key);
    }
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
}

#[test]
fn forgetting_keeps_the_key_in_use_whatever_the_files_comments_say() {
    let world = world();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    world.push();
    let newest = world.key().recipient().to_string();
    let text = world.read(KEY);
    for edited in [
        format!("# retired keys stand below the one in use\n{text}"),
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"),
    ] {
        world.write(KEY, edited);
        world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(0);
        assert_eq!(retired(&world), 0);
        assert_eq!(world.key().recipient().to_string(), newest);
        world.opened(TUNNEL);
    }
}

#[test]
fn nothing_is_forgotten_while_what_flux_reads_needs_the_older_key() {
    let world = world();
    world.push();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let ended = world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(20);
    assert!(ended.err.contains("older key"), "{}", ended.err);
    assert_eq!(retired(&world), 1);
    // Not to be read: not to be known.
    world.ssh_to_the_host("echo nowhere >&2; exit 255");
    let ended = world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(20);
    assert!(ended.err.contains("nowhere"), "{}", ended.err);
    assert_eq!(retired(&world), 1);
    world.push();
    world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(0);
    assert_eq!(retired(&world), 0);
}

#[test]
fn what_comes_after_a_rotation_is_told_so_that_it_can_be_typed() {
    let world = world();
    let inventory = world.read("homelab.yaml");
    world.write("lab.yaml", inventory);
    let ended = world
        .homelab(&["-c", "lab.yaml", "--lock", "homelab.lock", "gitops", "rotate", "tree"])
        .code(0);
    for call in ["-c lab.yaml --lock homelab.lock up`", "gitops rotate --forget tree`"] {
        assert!(ended.err.contains(call), "{}", ended.err);
    }
}

#[test]
fn every_encrypted_file_is_found_whatever_its_name() {
    let world = world();
    let paths = ["a.sops.yml", "b.enc.yaml", "c.yaml", "deep/er/d"];
    for path in paths {
        world.write(&format!("tree/mine/{path}"), FOREIGN);
    }
    // Not encrypted, though it speaks of it.
    world.write("tree/mine/about.yaml", "about: |\n  sops: writes ENC[AES256_GCM,\n");
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    for path in paths {
        world.opened(&format!("mine/{path}"));
    }
    world.push();
    world.write("tree/mine/b.enc.yaml", FOREIGN);
    let ended = world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(20);
    assert!(ended.err.contains("mine/b.enc.yaml"), "{}", ended.err);
}

#[test]
fn links_that_lead_out_of_the_tree_and_secrets_that_are_in_the_clear_are_refused() {
    let world = world();
    let (tree, key) = (world.tree(), world.read(KEY));
    let link = world.path.join("tree/elsewhere");
    fs_err::create_dir(world.path.join("outside")).unwrap();
    symlink(world.path.join("outside"), &link).unwrap();
    for arguments in [&["gitops", "rotate", "tree"][..], &["gitops", "rotate", "tree", "--forget"]]
    {
        let ended = world.homelab(arguments).code(20);
        assert!(ended.err.contains("tree/elsewhere"), "{}", ended.err);
    }
    fs_err::remove_file(&link).unwrap();
    unchanged(&world, &tree, &key);
    // One that the record names, under the name of no Secret's file.
    world.write(&format!("tree/{TUNNEL}"), "stringData: {token: x}\n");
    let ended = world.homelab(&["gitops", "rotate", "tree"]).code(15);
    assert!(ended.err.contains(TUNNEL) && ended.err.contains("not encrypted"), "{}", ended.err);
    assert_eq!(world.read(KEY), key);
    // Inside of the tree a link is as good as what it leads to.
    world.write(&format!("tree/{TUNNEL}"), &tree[TUNNEL]);
    fs_err::rename(world.path.join("tree/apps/monitoring"), world.path.join("tree/moved")).unwrap();
    symlink("../moved", world.path.join("tree/apps/monitoring")).unwrap();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    world.opened("moved/grafana-admin.sops.yaml");
    world.opened("apps/monitoring/grafana-admin.sops.yaml");
}

#[test]
fn the_rules_for_others_name_the_key_in_use_after_a_kill_and_after_an_edit() {
    let world = world();
    // Killed between the rules and the record.
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let record = "tree/.homelab-gitops.json";
    let mut old: Value = serde_json::from_str(&world.read(record)).unwrap();
    old["files"][RULES] = json!("00".repeat(32));
    world.write(record, old.to_string());
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let key = world.key();
    let newest = key.recipient().to_string();
    assert!(world.tree()[RULES].contains(&newest), "{}", world.tree()[RULES]);
    // Edited by hand.
    let older = key.identities()[1].to_public().to_string();
    world.edit(RULES, &newest, &format!("{older},{newest}"));
    world.edit(RULES, "creation_rules:", "# mine\ncreation_rules:");
    world.push();
    let ended = world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(20);
    assert!(ended.err.contains(RULES), "{}", ended.err);
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let rules = &world.tree()[RULES];
    let newest = world.key().recipient().to_string();
    assert!(rules.contains("# mine") && rules.contains(&newest), "{rules}");
    for older in &world.key().identities()[1..] {
        assert!(!rules.contains(&older.to_public().to_string()), "{rules}");
    }
    world.push();
    world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(0);
    // One that is nobody's here.
    world.edit(RULES, &newest, &older);
    world.push();
    world.homelab(&["gitops", "rotate", "tree", "--forget"]).code(20);
}

#[test]
fn a_rotation_that_was_stopped_goes_on_with_the_key_that_it_made() {
    let world = world();
    let before = world.tree();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let newest = world.key().recipient().to_string();
    world.write(&format!("tree/{TUNNEL}"), &before[TUNNEL]);
    let ended = world.homelab(&["gitops", "rotate", "tree"]).code(0);
    assert!(!ended.err.contains("A new age key"), "{}", ended.err);
    assert!(ended.err.contains("made no other"), "{}", ended.err);
    assert_eq!(world.key().recipient().to_string(), newest);
    assert_eq!(retired(&world), 1);
    world.opened(TUNNEL);
    world.write("tree/.sops.yaml", &before[RULES]);
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    assert_eq!(world.key().recipient().to_string(), newest);
    assert!(world.tree()[RULES].contains(&newest));
    world.homelab(&["gitops", "diff", "tree", "--detailed-exitcode"]).code(0);
}

#[test]
fn a_file_that_comes_after_a_whole_rotation_is_no_sign_of_a_stopped_one() {
    let world = world();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let leaked = world.key().recipient().to_string();
    world.write("tree/mine/late.yaml", FOREIGN);
    let ended = world.homelab(&["gitops", "rotate", "tree"]).code(0);
    assert_ne!(world.key().recipient().to_string(), leaked, "{}", ended.err);
    assert!(ended.err.contains("A new age key"), "{}", ended.err);
    assert_eq!(retired(&world), 2);
    world.opened("mine/late.yaml");
    world.opened(TUNNEL);
}

#[test]
fn a_file_keeps_its_mode_and_what_only_looks_half_written_stays_beside_the_key() {
    let world = world();
    let path = world.path.join("tree").join(TUNNEL);
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let beside = world.path.join(KEY).with_file_name(".homelab.agekey-mine.tmp");
    fs_err::create_dir(&beside).unwrap();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(beside.exists());
}

#[test]
fn a_name_that_is_no_text_is_told_with_how_it_is_found() {
    use std::os::unix::ffi::OsStrExt;
    let world = world();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.yaml");
    fs_err::write(world.path.join("tree").as_std_path().join(name), "a: b\n").unwrap();
    let ended = world.homelab(&["gitops", "rotate", "tree"]).code(10);
    assert!(ended.err.contains("UTF-8") && ended.err.contains("ls -b"), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_encrypted_is_named_before_a_key_is_made() {
    let world = world();
    let (tree, key) = (world.tree(), world.read(KEY));
    // Nobody here has its key.
    let other = AgeKey::generate(Timestamp::now());
    let document = json!({"kind": "Secret", "stringData": {"a": "b"}});
    let text = sops::seal(&document, "", &[other.recipient()], Timestamp::now()).unwrap();
    world.write("tree/mine/x.yaml", text);
    let ended = world.homelab(&["gitops", "rotate", "tree"]).code(15);
    assert!(ended.err.contains("mine/x.yaml"), "{}", ended.err);
    fs_err::remove_dir_all(world.path.join("tree/mine")).unwrap();
    unchanged(&world, &tree, &key);
}

#[test]
fn a_key_that_is_a_link_stays_one() {
    let world = world();
    let (link, vault) = (world.path.join(KEY), world.path.join("vault"));
    fs_err::rename(&link, &vault).unwrap();
    symlink(&vault, &link).unwrap();
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    assert!(fs_err::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(world.read("vault").matches("AGE-SECRET-KEY").count(), 2);
    assert_eq!(retired(&world), 1);
    // Nor is one that leads into the tree a place for it.
    fs_err::rename(&vault, world.path.join("tree/vault")).unwrap();
    fs_err::remove_file(&link).unwrap();
    symlink(world.path.join("tree/vault"), &link).unwrap();
    let ended = world.homelab(&["gitops", "update", "tree"]).code(20);
    assert!(ended.err.contains("the repository that it opens"), "{}", ended.err);
    // One that leads nowhere is named with where that is.
    fs_err::remove_file(&link).unwrap();
    symlink(world.path.join("not-mounted/key"), &link).unwrap();
    for arguments in [&["gitops", "rotate", "tree"][..], &["gitops", "key"]] {
        let ended = world.homelab(arguments).code(15);
        assert!(ended.err.contains("not-mounted/key"), "{}", ended.err);
    }
}

#[test]
fn an_empty_key_is_told_with_what_to_do() {
    let world = World::new();
    world.write(KEY, "\n");
    for arguments in [&["gitops", "init", "tree"][..], &["gitops", "key"]] {
        let ended = world.homelab(arguments).code(15);
        assert!(ended.err.contains(KEY) && ended.err.contains("empty"), "{}", ended.err);
    }
    assert_eq!(world.read(KEY), "\n");
}

#[test]
fn a_recipient_that_is_the_key_itself_is_named_once() {
    let world = world();
    let mine = world.key().recipient().to_string();
    world.change(|inventory| {
        let other = crate::site::RECIPIENT;
        inventory["gitops"]["secrets"] = json!({"sops": {"recipients": [mine, other, other]}});
    });
    world.homelab(&["gitops", "rotate", "tree"]).code(0);
    let text = &world.tree()[TUNNEL];
    assert_eq!(text.matches("recipient:").count(), 3, "{text}");
    assert_eq!(text.matches(crate::site::RECIPIENT).count(), 1, "{text}");
    assert!(world.tree().contains_key(JELLYFIN));
}

#[test]
fn a_new_key_is_not_said_to_open_what_is_there() {
    let world = World::new();
    let ended = world.homelab(&["gitops", "key"]).code(0);
    assert!(!ended.err.contains("It opens every Secret"), "{}", ended.err);
    assert!(ended.err.contains("nothing that is encrypted already"), "{}", ended.err);
}
