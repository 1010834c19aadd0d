//! What opens a repository, in files of mode 0600 that are gone when it was read: never in argv.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use tempfile::TempDir;

use crate::{
    ports::{GitLogin, GitSource},
    script::quote,
};

/// The files and the environment that names them.
pub(super) struct Login {
    _folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Login {
    pub(super) fn write(source: &GitSource) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut environment = Vec::new();
        let path = |name: &str| folder.path().join(name);
        let shown = |name: &str| quote(&path(name).to_string_lossy());
        if source.url.starts_with("ssh://") {
            file(&path("known_hosts"), 0o600, &(source.known_hosts.join("\n") + "\n"))?;
            // Nothing of a person's own configuration: neither keys nor hosts that are trusted there.
            let mut ssh = format!(
                "ssh -F none -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=yes \
                 -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile={} -o IdentityAgent=none",
                shown("known_hosts")
            );
            if let Some(GitLogin::Key(key)) = &source.access {
                let text = key.expose();
                let end = if text.ends_with('\n') { "" } else { "\n" };
                file(&path("key"), 0o600, &format!("{text}{end}"))?;
                ssh.push_str(&format!(" -o IdentitiesOnly=yes -i {}", shown("key")));
            }
            environment.push(("GIT_SSH_COMMAND", ssh));
        }
        if let Some(GitLogin::Token(token)) = &source.access {
            file(&path("token"), 0o600, token.expose())?;
            // Git asks for the name first; any will do beside a token.
            let answer = format!(
                "#!/bin/sh\ncase \"$1\" in Username*) echo git ;; *) cat {} ;; esac\n",
                shown("token")
            );
            file(&path("answer"), 0o700, &answer)?;
            environment.push(("GIT_ASKPASS", path("answer").to_string_lossy().into_owned()));
        }
        Ok(Self { _folder: folder, environment })
    }

    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn file(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}
