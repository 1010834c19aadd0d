//! What opens a repository, handed over without a file: never in argv, and to the host of the URL alone.

use super::handed::Handed;
use crate::{
    ports::{GitLogin, GitSource},
    script::quote,
};

/// What is handed over, and the settings and the environment that name it.
pub(super) struct Login {
    handed: Vec<Handed>,
    pub(super) settings: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Login {
    pub(super) fn new(source: &GitSource) -> std::io::Result<Self> {
        let mut login = Self { handed: Vec::new(), settings: Vec::new(), environment: Vec::new() };
        if source.url.starts_with("ssh://") {
            login.by_key(source)?;
        }
        if let Some(GitLogin::Token(token)) = &source.access {
            let path = login.hand(token.expose())?;
            let (site, named) = site(&source.url);
            login.settings.push(format!("credential.{site}.helper={}", helper(&path, named)));
        }
        Ok(login)
    }

    fn by_key(&mut self, source: &GitSource) -> std::io::Result<()> {
        let known_hosts = self.hand(&(source.known_hosts.join("\n") + "\n"))?;
        // Nothing of a person's own configuration: neither keys nor hosts that are trusted there.
        let mut ssh = format!(
            "ssh -F none -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=yes \
             -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile={} -o IdentityAgent=none",
            quote(&known_hosts)
        );
        if let Some(GitLogin::Key(key)) = &source.access {
            let text = key.expose();
            let end = if text.ends_with('\n') { "" } else { "\n" };
            let key = self.hand(&format!("{text}{end}"))?;
            ssh.push_str(&format!(" -o IdentitiesOnly=yes -i {}", quote(&key)));
        }
        self.environment.push(("GIT_SSH_COMMAND", ssh));
        Ok(())
    }

    fn hand(&mut self, text: &str) -> std::io::Result<String> {
        let handed = Handed::new(text)?;
        let path = handed.path();
        self.handed.push(handed);
        Ok(path)
    }
}

/// The part of a URL that a credential is for, as Git compares it: scheme, host and port. And whether the URL names
/// a user.
fn site(url: &str) -> (String, bool) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) => (format!("{scheme}://{host}"), true),
        None => (format!("{scheme}://{authority}"), false),
    }
}

/// A credential helper of Git: it is asked about the host that it is written for, and about no other.
fn helper(path: &str, named: bool) -> String {
    // Any name will do beside a token.
    let name = if named { "" } else { "echo username=git; " };
    let path = quote(path);
    format!(
        "!f() {{ test \"$1\" = get || return 0; {name}printf password=; cat {path}; echo; }}; f"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::secret::Secret;

    fn source(url: &str, access: GitLogin) -> GitSource {
        let known_hosts = vec!["git.lan ssh-ed25519 AAAA".into()];
        GitSource { url: url.into(), branch: "main".into(), access: Some(access), known_hosts }
    }

    #[test]
    fn a_token_is_for_one_host_and_in_no_setting() {
        for (url, name) in [
            ("https://git.lan:8443/me/x", "credential.https://git.lan:8443.helper="),
            ("https://me@git.lan/me/x", "credential.https://git.lan.helper="),
        ] {
            let token = GitLogin::Token(Secret::new("not-to-be-told"));
            let login = Login::new(&source(url, token)).unwrap();
            let [setting] = login.settings.as_slice() else { panic!("{:?}", login.settings) };
            let helper = setting.strip_prefix(name).unwrap();
            assert!(!setting.contains("not-to-be-told") && login.environment.is_empty());
            let script = format!("{} get", helper.strip_prefix('!').unwrap());
            let said = Command::new("sh").args(["-c", &script]).output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            let user = if url.contains('@') { "" } else { "username=git\n" };
            assert_eq!(said, format!("{user}password=not-to-be-told\n"));
        }
    }

    #[test]
    fn ssh_reads_a_key_that_is_in_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = camino::Utf8PathBuf::try_from(folder.path().join("key")).unwrap();
        let made = crate::gitops::deploy_key::DeployKey::make(&file).unwrap();
        let key = GitLogin::Key(Secret::new(fs_err::read_to_string(&file).unwrap().trim()));
        let login = Login::new(&source("ssh://git@git.lan/me/x", key)).unwrap();
        let (_, command) = &login.environment[0];
        assert!(!command.contains(std::env::temp_dir().to_str().unwrap()), "{command}");
        let path = command.rsplit(' ').next().unwrap().trim_matches('\'');
        let Ok(said) = Command::new("ssh-keygen").args(["-y", "-f", path]).output() else {
            eprintln!("skipped: ssh-keygen is not installed");
            return;
        };
        let shown = String::from_utf8(said.stdout).unwrap();
        assert!(shown.starts_with(&made.public), "{shown}{:?}", String::from_utf8(said.stderr));
    }
}
