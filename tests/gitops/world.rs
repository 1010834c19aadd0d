//! A folder with an inventory and all that it refers to, and the program in it.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use camino::Utf8PathBuf;
use homelab::gitops::{age_key::AgeKey, sops};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::site::{COMPONENTS, folder_with, inventory_with};

pub(crate) const JELLYFIN: &str = "apps/jellyfin/deployment.yaml";
pub(crate) const TUNNEL: &str = "apps/cloudflared/tunnel-token.sops.yaml";
pub(crate) const KEY: &str = "home/.config/homelab/homelab.agekey";

pub(crate) const CANARY: &str = "canary-77aa";

/// A folder with an inventory, and everything that it refers to.
pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) path: Utf8PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let inventory = inventory_with(|inventory| {
            inventory["flux"]["version"] = json!("2.9.4");
            for (pointer, variable) in [
                ("/longhorn/backup/credentials/secret_access_key", "SECRET"),
                ("/gitops/tailscale_operator/oauth/client_secret", "SECRET"),
                ("/gitops/cloudflared/tunnel_token", "TOKEN"),
                ("/flux/credentials/deploy_key", "TOKEN"),
            ] {
                *inventory.pointer_mut(pointer).unwrap() = json!({"env": variable});
            }
        });
        let (folder, path) = folder_with(&inventory);
        let world = Self { _folder: folder, path };
        fs_err::write(world.path.join("install.yaml"), COMPONENTS).unwrap();
        world.change(|inventory| {
            inventory["flux"]["components"] = json!(format!("file://{}/install.yaml", world.path));
            inventory["flux"]["sha256"] = json!(hex::encode(Sha256::digest(COMPONENTS)));
        });
        world
    }

    pub(crate) fn change(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.path.join("homelab.yaml");
        let mut inventory: Value =
            serde_json::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap();
        edit(&mut inventory);
        fs_err::write(path, inventory.to_string()).unwrap();
    }

    pub(crate) fn homelab(&self, arguments: &[&str]) -> Ended {
        self.homelab_with(arguments, &[("TOKEN", &format!("{CANARY}-token"))])
    }

    /// With these variables beside the usual ones.
    pub(crate) fn homelab_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_homelab"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.path.join("home"))
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path.join("bin")))
            .env("AWS_ACCESS_KEY_ID", format!("{CANARY}-id"))
            .env("AWS_SECRET_ACCESS_KEY", format!("{CANARY}-aws"))
            .env("CLOUDFLARE_API_TOKEN", format!("{CANARY}-api"))
            .env("SECRET", format!("{CANARY}-secret"))
            .envs(variables.iter().copied())
            .current_dir(&self.path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: status.code(), out: text(stdout), err: text(stderr) };
        assert!(!ended.err.contains(CANARY), "a secret is shown: {}", ended.err);
        ended
    }

    /// Writes a file of the world: its owner's alone.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.path.join(path)).unwrap()
    }

    /// The key in use and retired ones.
    pub(crate) fn key(&self) -> AgeKey {
        AgeKey::read(&self.path.join(KEY)).unwrap().unwrap()
    }

    /// Every value of a Secret of the tree, by the key in use alone.
    pub(crate) fn opened(&self, path: &str) -> Value {
        let text = self.read(&format!("tree/{path}"));
        let key = self.key();
        let opened = sops::open(&text, &key.identities()[..1]);
        opened.unwrap_or_else(|failure| panic!("{path}: {failure}")).document
    }

    /// Pushes the tree to where Flux reads it.
    pub(crate) fn push(&self) {
        let (tree, remote) = (self.path.join("tree"), self.path.join("remote"));
        self.write("home/.gitconfig", "[user]\n  name = me\n  email = me@lan\n");
        self.ssh_to_the_host(&format!("exec git upload-pack {remote}"));
        let script = "set -e; test -d $0 || git init --quiet --bare -b main $0; cd $1; \
                      test -d .git || git init --quiet -b main .; git add --all; \
                      git commit --quiet --allow-empty -m all; git push --quiet -f $0 main";
        let done = Command::new("sh")
            .args(["-c", script, remote.as_str(), tree.as_str()])
            .env("HOME", self.path.join("home"))
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// What stands for `ssh` to the repository's host: git speaks with it as with the host's own end.
    pub(crate) fn ssh_to_the_host(&self, script: &str) {
        self.write("bin/ssh", format!("#!/bin/sh\n{script}\n"));
        let path = self.path.join("bin/ssh");
        fs_err::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
    }

    /// Every file of the tree.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let mut folders = vec![self.path.join("tree")];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap().map(Result::unwrap) {
                if entry.file_name() == ".git" {
                    continue;
                }
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path().to_owned());
                } else {
                    let name =
                        entry.path().strip_prefix(self.path.join("tree")).unwrap().to_string();
                    texts.insert(name, fs_err::read_to_string(entry.path()).unwrap());
                }
            }
        }
        texts
    }

    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.path.join("tree").join(path);
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{path} has no `{from}`");
        fs_err::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "--- out\n{}--- err\n{}", self.out, self.err);
        self
    }
}
