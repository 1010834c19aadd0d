//! The secrets of a world, and whether anybody sees one where it does not belong.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
    os::unix::fs::PermissionsExt,
};

use camino::Utf8Path;
use rustix::fs::{SeekFrom, seek};

use crate::operator::Operator;

/// Each secret of a world that was made so far, by what it is.
pub(crate) struct Canaries(pub(crate) BTreeMap<String, String>);

/// A file that holds a secret.
#[derive(Debug)]
struct Find<'a> {
    secret: &'a str,
    place: String,
    mode: u32,
}

impl Find<'_> {
    /// A token that a node joins with, where it is meant to be.
    fn is_meant(&self) -> bool {
        let joins = self.secret.ends_with(" token") && self.place.contains("/etc/rancher/k3s/");
        // k3s's own folder: its real mode is k3s's business, and not simulated.
        joins && self.mode == 0o600 || self.place.contains("/var/lib/rancher/k3s/server/")
    }
}

impl Canaries {
    /// The operator's, the auth keys, what nodes join with, and the private keys.
    pub(crate) fn of(operator: &Operator) -> Self {
        let mut secrets: BTreeMap<String, String> = operator
            .world
            .secrets()
            .into_iter()
            .map(|(name, secret)| (name.to_owned(), secret.rsplit('=').next().unwrap().to_owned()))
            .collect();
        for (number, key) in (1..).zip(operator.world.tailnet.keys()) {
            secrets.insert(format!("auth key {number}"), key.secret.clone());
        }
        secrets.insert("k3s token".into(), operator.world.server_token().to_owned());
        secrets.insert("private key".into(), middle(&operator.path("key")));
        if let Some(git) = operator.world.git() {
            secrets.insert("deploy key".into(), middle(&git.deploy_key()));
            let age = fs_err::read_to_string(operator.world.age_key().unwrap()).unwrap();
            secrets.insert("age key".into(), age.lines().last().unwrap_or_default().to_owned());
        }
        for guest in operator.world.hypervisor.guests() {
            // Made on the server; what agents join with ends with it.
            let made = guest.root().join("etc/rancher/k3s/agent-token");
            if let Ok(token) = fs_err::read_to_string(made) {
                secrets.insert("agent token".into(), token.trim().to_owned());
            }
        }
        secrets.retain(|_, secret| !secret.is_empty());
        for (name, secret) in &secrets {
            assert!(secret.len() > 12, "{name} is too short to be looked for");
        }
        Self(secrets)
    }

    /// Where one is seen that does not belong there: in what was said, in command lines and environments, on
    /// the operator's side, in Proxmox's storages, on the guests.
    pub(crate) fn astray(&self, operator: &Operator, said: &str) -> Vec<String> {
        let world = &operator.world;
        let mut astray = Vec::new();
        for (name, secret) in &self.0 {
            let seen = |text: &str| text.contains(secret.as_str());
            let mut note = |seen: bool, place: &str| {
                if seen {
                    astray.push(format!("{name} is in {place}"));
                }
            };
            note(seen(said), "what was printed");
            note(world.command_lines().iter().any(|line| seen(line)), "a command line on a guest");
            note(world.environments().iter().any(|set| seen(set)), "a variable on a guest");
        }
        let mut finds = Vec::new();
        // Proxmox's own memory is in this process: what lies there as a file is a disk, a seed or an upload.
        let mine = ["state", "cache", "tree"].map(|name| operator.path(name));
        for folder in
            mine.iter().chain([&world.folder().join("proxmox"), &world.folder().join("guests")])
        {
            search(folder, &self.0, &mut finds);
        }
        astray.extend(finds.iter().filter(|find| !find.is_meant()).map(|find| format!("{find:?}")));
        astray
    }

    /// The files on guests that hold the token which their node joined with.
    pub(crate) fn joined(&self, operator: &Operator) -> usize {
        let mut finds = Vec::new();
        search(&operator.world.folder().join("guests"), &self.0, &mut finds);
        finds.iter().filter(|find| find.place.ends_with("/etc/rancher/k3s/token")).count()
    }
}

/// A line of a private key that no other key has.
fn middle(path: &Utf8Path) -> String {
    let text = fs_err::read_to_string(path).unwrap();
    text.lines().nth(4).unwrap_or_default().to_owned()
}

fn search<'a>(folder: &Utf8Path, secrets: &'a BTreeMap<String, String>, finds: &mut Vec<Find<'a>>) {
    // A run that died early made none of them.
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            search(entry.path(), secrets, finds);
        } else if kind.is_file() {
            let bytes = written(entry.path());
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            for (secret, value) in secrets {
                if memchr::memmem::find(&bytes, value.as_bytes()).is_some() {
                    finds.push(Find { secret, place: entry.path().to_string(), mode });
                }
            }
        }
    }
}

/// What was ever written to a file: disks are mostly holes.
fn written(path: &Utf8Path) -> Vec<u8> {
    let mut file = fs_err::File::open(path).unwrap();
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Ok(begin) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(begin)).unwrap();
        file.seek(std::io::SeekFrom::Start(begin)).unwrap();
        (&mut file).take(at - begin).read_to_end(&mut bytes).unwrap();
    }
    bytes
}
