//! The format of SOPS: the official program opens what we write, and we open what it writes.

use std::{path::Path, process::Command};

use homelab::gitops::{age_key::AgeKey, sops};
use jiff::Timestamp;
use serde_json::{Value, json};

const NOW: &str = "2026-11-22T20:00:00Z";

fn secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tunnel-token", "namespace": "cloudflared"},
        "type": "Opaque",
        "stringData": {
            "token": "canary-\"quoted\": #",
            "lines": "first\n  second\n",
            "empty": "",
            "number": "007",
        },
    })
}

fn sealed(key: &AgeKey) -> String {
    let now: Timestamp = NOW.parse().unwrap();
    sops::seal(&secret(), "Opens the tunnel.", &[key.recipient()], now).unwrap()
}

fn key() -> AgeKey {
    AgeKey::generate(NOW.parse().unwrap())
}

#[test]
fn what_is_sealed_opens_again_and_shows_names_alone() {
    let key = key();
    let text = sealed(&key);
    assert!(text.starts_with("# Opens the tunnel.\napiVersion: v1\nkind: Secret\n"), "{text}");
    assert!(text.contains("name: tunnel-token") && !text.contains("canary"), "{text}");
    let opened = sops::open(&text, key.identities()).unwrap();
    assert_eq!(opened.document, secret());
    assert_eq!(opened.recipients, [key.recipient().to_string()]);
}

#[test]
fn another_key_opens_nothing_and_says_whose_it_is() {
    let text = sealed(&key());
    let failure = sops::open(&text, key().identities()).err().unwrap();
    assert!(failure.message.contains("it is encrypted for age1"), "{failure}");
}

#[test]
fn what_was_altered_is_refused() {
    let key = key();
    let text = sealed(&key);
    let refused = |text: &str| sops::open(text, key.identities()).err().map(|one| one.message);
    // What is in the clear is vouched for, too.
    let moved = text.replacen("namespace: cloudflared", "namespace: elsewhere", 1);
    assert!(refused(&moved).unwrap().contains("it was altered"));
    // A value that stands in another's place.
    let moved = text.replacen("  token: \"ENC", "  nekot: \"ENC", 1);
    assert!(refused(&moved).unwrap().contains("was altered or moved"));
    // A value taken out.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("  number:")).collect();
    assert!(refused(&lines.join("\n")).unwrap().contains("it was altered"));
    assert!(refused("a: b\n").unwrap().contains("no `sops` section"));
}

pub(crate) fn official() -> Option<std::ffi::OsString> {
    let program = std::env::var_os("HOMELAB_TEST_SOPS");
    if program.is_none() {
        eprintln!("skipped: HOMELAB_TEST_SOPS names no sops");
    }
    program
}

/// Runs the official program with a key; its standard output.
pub(crate) fn run(program: &std::ffi::OsStr, key_file: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("SOPS_AGE_KEY_FILE", key_file)
        .current_dir(key_file.parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_official_sops_opens_what_we_seal() {
    let Some(program) = official() else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let key_file = folder.path().join("key");
    fs_err::write(&key_file, key.for_flux().expose()).unwrap();
    fs_err::write(folder.path().join("secret.sops.yaml"), sealed(&key)).unwrap();
    let text = run(&program, &key_file, &["decrypt", "secret.sops.yaml"]);
    assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), secret());
    // And it may change a value: we read the file still.
    run(
        &program,
        &key_file,
        &["set", "secret.sops.yaml", "[\"stringData\"][\"token\"]", "\"changed\""],
    );
    let edited = fs_err::read_to_string(folder.path().join("secret.sops.yaml")).unwrap();
    let opened = sops::open(&edited, key.identities()).unwrap();
    assert_eq!(opened.document["stringData"]["token"], "changed");
}

#[test]
fn we_open_what_the_official_sops_seals() {
    let Some(program) = official() else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let key_file = folder.path().join("key");
    fs_err::write(&key_file, key.for_flux().expose()).unwrap();
    let mut clear = secret();
    // What a person may write: numbers, truths, lists, nothing at all.
    clear["metadata"]["annotations"] = json!({"a": "b"});
    clear["data"] = json!({"number": 3, "truth": true, "list": ["x", "y"], "nothing": null});
    // By the rules that stand in the tree; and with a MAC over encrypted values alone.
    let rules = homelab::gitops::rules(&[key.recipient().to_string()]).unwrap();
    for further in ["", "    mac_only_encrypted: true\n"] {
        fs_err::write(folder.path().join(".sops.yaml"), format!("{rules}{further}")).unwrap();
        let text = serde_saphyr::to_string(&clear).unwrap();
        fs_err::write(folder.path().join("clear.sops.yaml"), text).unwrap();
        let text = run(&program, &key_file, &["encrypt", "clear.sops.yaml"]);
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(text.contains("mac_only_encrypted: true"), !further.is_empty(), "{text}");
        let opened = sops::open(&text, key.identities()).unwrap();
        assert_eq!(opened.document, clear);
    }
}

#[test]
fn the_official_sops_opens_what_we_encrypt_anew_of_its_own_with_the_new_key_alone() {
    let Some(program) = official() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (older, newer) = (key(), key());
    let place = |name: &str| folder.path().join(name);
    fs_err::write(place("older"), older.for_flux().expose()).unwrap();
    fs_err::write(place("newer"), newer.for_flux().expose()).unwrap();
    let clear = "# What it is for.\nport: 25\nratio: 1.5\nok: true\nplain_unencrypted: seen\nuser:\n  \
                 - name: ann\n    # Longer than a line.\n    password: |\n      canary\n      second\n";
    fs_err::write(place("clear.yaml"), clear).unwrap();
    let recipient = older.recipient().to_string();
    // Its own default rule, one of a person, and one by which nothing but some names is encrypted.
    let rules: [&[&str]; 3] =
        [&[], &["--encrypted-regex", "^(password|port)$"], &["--unencrypted-regex", "^user$"]];
    for rule in rules {
        let words = [&["encrypt", "--age", &recipient], rule, &["clear.yaml"]].concat();
        let before = run(&program, &place("older"), &words);
        let decrypted = |key: &str, text: &str| {
            fs_err::write(place("it.yaml"), text).unwrap();
            run(&program, &place(key), &["decrypt", "it.yaml"])
        };
        let wanted = decrypted("older", &before);
        let now: Timestamp = NOW.parse().unwrap();
        let identities = [older.identities(), newer.identities()].concat();
        let after =
            sops::renew(&before, &identities, &[newer.recipient()], sops::Others::Kept, now);
        let after = after.unwrap_or_else(|failure| panic!("{rule:?}: {failure}"));
        assert_eq!(decrypted("newer", &after), wanted, "{rule:?}");
        assert_eq!(after.contains("canary"), before.contains("canary"), "{rule:?}: {after}");
        assert!(sops::open(&after, older.identities()).is_err(), "{rule:?}");
    }
}
