//! Each form in which the official `sops` writes a file: encrypted anew, or said to be left to it.

use homelab::{
    error::Kind,
    gitops::{age_key::AgeKey, sops},
};
use jiff::Timestamp;

use crate::sops::{official, run};

fn key() -> AgeKey {
    AgeKey::generate(Timestamp::now())
}

/// A folder with two keys, and what the official program makes of a text for the older one.
struct Sealed {
    folder: tempfile::TempDir,
    program: std::ffi::OsString,
    older: AgeKey,
    newer: AgeKey,
    name: String,
    text: String,
}

impl Sealed {
    fn new(name: &str, clear: &str, rule: &[&str]) -> Option<Self> {
        let program = official()?;
        let folder = tempfile::tempdir().unwrap();
        let (older, newer) = (key(), key());
        let place = |name: &str| folder.path().join(name);
        fs_err::write(place("older"), older.for_flux().expose()).unwrap();
        fs_err::write(place("newer"), newer.for_flux().expose()).unwrap();
        fs_err::write(place(name), clear).unwrap();
        let recipient = older.recipient().to_string();
        let words = [&["encrypt", "--age", &recipient], rule, &[name]].concat();
        let text = run(&program, &place("older"), &words);
        Some(Self { folder, program, older, newer, name: name.to_owned(), text })
    }

    fn renewed(&self) -> homelab::error::Result<String> {
        let identities = [self.older.identities(), self.newer.identities()].concat();
        let recipients = [self.newer.recipient()];
        let others = sops::Others::Kept;
        sops::renew(&self.text, &identities, &recipients, others, Timestamp::now())
    }

    /// What the official program opens with a key.
    fn decrypted(&self, key: &str, text: &str) -> String {
        fs_err::write(self.folder.path().join(&self.name), text).unwrap();
        run(&self.program, &self.folder.path().join(key), &["decrypt", &self.name])
    }
}

#[test]
fn forms_and_values_of_the_official_sops_are_encrypted_anew() {
    let merged = "base: &b\n  p: canary\nx:\n  <<: *b\n  q: 1\ny: *b\n";
    let date = "on: 2024-01-02\nat: 2024-01-02T03:04:05Z\nwhat: canary\n";
    let several = "a: canary\n---\nb:\n  a: two\n---\na: canary\n";
    let json = "{\"a\": \"canary\", \"b\": {\"c\": [1, 2.5, true, null, \"\u{1f600}\"]}}";
    for (name, clear) in [
        ("merged.yaml", merged),
        ("date.yaml", date),
        ("several.yaml", several),
        ("a.json", json),
        ("a.bin", "raw canary \u{1} bytes\n"),
    ] {
        let Some(sealed) = Sealed::new(name, clear, &[]) else { return };
        let wanted = sealed.decrypted("older", &sealed.text);
        let renewed = sealed.renewed().unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(sealed.decrypted("newer", &renewed), wanted, "{name}");
        assert!(!renewed.contains("canary"), "{name}: {renewed}");
        assert!(sops::open(&renewed, sealed.older.identities()).is_err(), "{name}");
        assert!(!sops::is_opened_by(&renewed, sealed.older.identities()), "{name}");
    }
}

#[test]
fn encrypted_comments_are_encrypted_anew_with_all_else_and_open_again() {
    let clear = "# canary of the root\na: one # at its side\nb:\n    # canary within\n    c: two\n    d:\n        \
                 # canary of a list\n        - three\n        # canary at its end\n";
    let Some(sealed) = Sealed::new("a.yaml", clear, &[]) else { return };
    let comments = |text: &str| -> Vec<String> {
        let found = text.split("ENC[AES256_GCM,").skip(1);
        let found = found.map(|rest| rest.split(']').next().unwrap().to_owned());
        found.filter(|token| token.ends_with("type:comment")).collect()
    };
    let before = comments(&sealed.text);
    assert_eq!(before.len(), 5, "{}", sealed.text);
    // They are no part of what is opened.
    let opened = sops::open(&sealed.text, sealed.older.identities()).unwrap();
    assert_eq!(opened.document["b"]["d"], serde_json::json!(["three"]));
    let wanted = sealed.decrypted("older", &sealed.text);
    assert!(wanted.contains("canary within"), "{wanted}");
    let renewed = sealed.renewed().unwrap();
    assert_eq!(sealed.decrypted("newer", &renewed), wanted);
    let after = comments(&renewed);
    assert_eq!(after.len(), before.len());
    // Nothing that the older data key opens is left.
    let values = |text: &str| text.matches("ENC[").count();
    assert_eq!(values(&renewed), values(&sealed.text));
    for token in sealed.text.split("ENC[").skip(1).map(|rest| rest.split(']').next().unwrap()) {
        assert!(!renewed.contains(token), "{token}");
    }
}

#[test]
fn a_comment_that_would_be_lost_is_refused() {
    let Some(sealed) = Sealed::new("a.yaml", "# canary\na: one\n", &[]) else { return };
    let Some(other) = Sealed::new("a.yaml", "# canary\na: one\n", &[]) else { return };
    let line = |text: &str| text.lines().next().unwrap().to_owned();
    let text = sealed.text.replace(&line(&sealed.text), &line(&other.text));
    let failure = Sealed { text, ..sealed }.renewed().unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains("comment"), "{failure}");
}

#[test]
fn forms_that_are_left_to_the_official_sops_are_called_by_their_name() {
    for (name, clear, form) in
        [("a.env", "A=canary\n", "variables"), ("a.ini", "[s]\na = canary\n", "INI")]
    {
        let Some(sealed) = Sealed::new(name, clear, &[]) else { return };
        let opened = sops::open(&sealed.text, sealed.older.identities()).map(drop);
        for failure in [sealed.renewed().unwrap_err(), opened.unwrap_err()] {
            assert_eq!(failure.kind, Kind::Refused);
            assert!(failure.message.contains(form), "{failure}");
            assert!(failure.hints.iter().any(|hint| hint.contains("sops rotate")), "{failure:?}");
        }
        // Whose it is can be told all the same.
        assert!(sops::is_opened_by(&sealed.text, sealed.older.identities()), "{name}");
        assert!(!sops::is_opened_by(&sealed.text, sealed.newer.identities()), "{name}");
    }
}
