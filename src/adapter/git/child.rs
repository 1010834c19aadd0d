//! Git as a child that ends with us, however we end, and away from all that is a person's own.

use std::{path::Path, process::Stdio};

use tokio::process::{Child, ChildStdin, Command};

use super::login::Login;

/// Git in a process group of its own, which is ended as soon as nobody holds the other end of the pipe: given up,
/// interrupted or killed. Git alone would leave its helpers for HTTPS and SSH behind.
///
/// What a server sends is not bounded by git: 1 GiB of memory in each of its processes (KiB), and files of 1 GiB
/// (blocks of 512 bytes), are far more than a repository of manifests needs.
const SUPERVISED: &str = r#"
ulimit -d 1048576 2>/dev/null || :
ulimit -f 2097152 2>/dev/null || :
exec 3<&0 </dev/null
git "$@" 3<&- &
git=$!
{ read -r gone <&3; kill -KILL 0; } >/dev/null 2>&1 &
watch=$!
wait "$git"
status=$?
exec 2>/dev/null
kill -KILL "$watch"
wait "$watch"
exit "$status"
"#;

/// What stays of Git's own variables: the way to the network, and what helps to find a fault.
const KEPT: &[&str] = &[
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_PROXY_SSL_CAINFO",
    "GIT_PROXY_SSL_CERT",
    "GIT_PROXY_SSL_KEY",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_EXEC_PATH",
    "GIT_TRACE",
    "GIT_CURL_VERBOSE",
];

/// No folder, and nothing below it.
const NOWHERE: &str = "/dev/null";

/// What the shell says of a program that is not there.
pub(super) const NOT_FOUND: i32 = 127;

/// `git` with its words; `folder` is a bare repository, or there is none.
pub(super) fn command(login: &Login, folder: Option<&Path>, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISED, "git"]);
    // A person's own helpers might answer with another account. What a redirect leads to was not asked for.
    for setting in ["credential.helper=", "core.hooksPath=/dev/null", "http.followRedirects=false"]
    {
        command.args(["-c", setting]);
    }
    for setting in &login.settings {
        command.args(["-c", setting]);
    }
    command.args(words);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GIT_") && !KEPT.contains(&&*text) || text == "SSH_ASKPASS" {
            command.env_remove(&name);
        }
    }
    // Proxies and authorities are found by their variables (HTTPS_PROXY, GIT_SSL_CAINFO), not by a configuration
    // that may as well rewrite URLs, switch certificates off, or run programs.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    // Nor in a `.netrc`, whose logins count before those of our helper. Without HOME the user's own would be found.
    command.env("HOME", NOWHERE).env_remove("XDG_CONFIG_HOME").env_remove("NETRC");
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    command.envs(login.environment.iter().map(|(name, value)| (*name, value.as_str())));
    match folder {
        Some(folder) => command.current_dir(folder),
        // The repository in whose folder we happen to be has a configuration, too.
        None => command.env("GIT_DIR", "/dev/null"),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}

/// Starts it. As long as the pipe is held it may live.
pub(super) fn start(mut command: Command) -> std::io::Result<(Child, Option<ChildStdin>)> {
    let mut child = command.spawn()?;
    let held = child.stdin.take();
    Ok((child, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::GitSource;

    #[test]
    fn nothing_of_a_persons_own_configuration_is_asked() {
        let source = GitSource {
            url: "https://git.lan/me/x".into(),
            branch: "main".into(),
            access: None,
            known_hosts: Vec::new(),
        };
        let login = Login::new(&source).unwrap();
        let command = command(&login, None, &["ls-remote"]);
        let set: Vec<String> = command
            .as_std()
            .get_envs()
            .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)))
            .collect();
        for wanted in [
            "GIT_CONFIG_GLOBAL=/dev/null",
            "GIT_CONFIG_NOSYSTEM=1",
            "GIT_DIR=/dev/null",
            "HOME=/dev/null",
        ] {
            assert!(set.iter().any(|one| one == wanted), "{set:?}");
        }
        let words: Vec<&str> = command.as_std().get_args().filter_map(|it| it.to_str()).collect();
        assert!(words.contains(&"http.followRedirects=false"), "{words:?}");
    }
}
