//! The system's own `ssh`, for a person at a terminal: with our idea of the host's key, and without
//! reading or writing the person's `known_hosts`.

use std::{ffi::OsString, io::Write, net::IpAddr};

use camino::Utf8Path;
use tempfile::NamedTempFile;

use crate::ports::{HostError, HostTarget};

/// A call of `ssh`, and the file that it needs while it runs.
#[derive(Debug)]
pub struct SystemSsh {
    known_hosts: NamedTempFile,
    arguments: Vec<OsString>,
}

impl SystemSsh {
    /// `address` is one of the target's that answers ([`super::first_reachable`]). Words of `command`
    /// are joined by blanks on the node, as `ssh` does; none means a login shell.
    pub fn prepare(
        target: &HostTarget,
        address: IpAddr,
        private_key: Option<&Utf8Path>,
        command: &[String],
    ) -> Result<Self, HostError> {
        // Mode 0600 from the start.
        let mut known_hosts = NamedTempFile::with_prefix("homelab-known-hosts-").map_err(local)?;
        known_hosts.write_all(known_hosts_text(target).as_bytes()).map_err(local)?;
        known_hosts.flush().map_err(local)?;
        let path = Utf8Path::from_path(known_hosts.path()).ok_or_else(|| {
            HostError::Local("the folder for temporary files has a name that is not UTF-8".into())
        })?;
        let arguments = arguments(target, address, path, private_key, command);
        Ok(Self { known_hosts, arguments })
    }

    /// What follows `ssh` on the command line.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Runs `ssh` on our terminal to its end; the exit code is the remote command's, or 255 where
    /// `ssh` itself failed.
    pub async fn run(self) -> Result<u8, HostError> {
        let status = tokio::process::Command::new("ssh")
            .args(&self.arguments)
            .status()
            .await
            .map_err(|error| HostError::Local(format!("cannot run `ssh`: {error}")))?;
        drop(self.known_hosts);
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
    }
}

fn local(error: std::io::Error) -> HostError {
    HostError::Local(format!("cannot write a temporary known_hosts file: {error}"))
}

/// Under the node's name (`HostKeyAlias`), so that one line serves all of its addresses.
fn known_hosts_text(target: &HostTarget) -> String {
    target.host_keys.iter().map(|key| format!("{} {key}\n", target.node)).collect()
}

fn arguments(
    target: &HostTarget,
    address: IpAddr,
    known_hosts: &Utf8Path,
    private_key: Option<&Utf8Path>,
    command: &[String],
) -> Vec<OsString> {
    let mut options = vec![
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile={}", option_path(known_hosts)),
        "GlobalKnownHostsFile=none".to_owned(),
        format!("HostKeyAlias={}", target.node),
        "CheckHostIP=no".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "ConnectTimeout=10".to_owned(),
        "ServerAliveInterval=15".to_owned(),
        "ServerAliveCountMax=4".to_owned(),
    ];
    if let Some(key) = private_key {
        options.push(format!("IdentityFile={}", option_path(key)));
        // An agent full of other keys would use up `MaxAuthTries`.
        options.push("IdentitiesOnly=yes".to_owned());
    }
    // A person's own configuration may know other jumps and keys for this address.
    let mut arguments = vec!["-F".to_owned(), "none".to_owned()];
    for option in options {
        arguments.extend(["-o".to_owned(), option]);
    }
    arguments.extend(["-p".to_owned(), target.port.to_string(), "-l".to_owned()]);
    arguments.extend([target.user.clone(), address.to_string()]);
    if !command.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend_from_slice(command);
    }
    arguments.into_iter().map(OsString::from).collect()
}

/// A path as an option's value: `ssh` parts words by blanks and expands `%`.
fn option_path(path: &Utf8Path) -> String {
    format!("\"{}\"", path.as_str().replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn target() -> HostTarget {
        HostTarget {
            node: "k3s-server".parse().unwrap(),
            addresses: vec!["192.0.2.7".parse().unwrap()],
            port: 2222,
            user: "admin".into(),
            host_keys: vec!["ssh-ed25519 AAAA".into(), "ssh-ed25519 BBBB".into()],
        }
    }

    #[test]
    fn ssh_is_told_to_believe_the_pinned_keys_only() {
        let command = ["uptime".to_owned(), "-p".to_owned()];
        let key = Utf8Path::new("/home/some one/key");
        let ssh =
            SystemSsh::prepare(&target(), target().addresses[0], Some(key), &command).unwrap();
        let text = fs_err::read_to_string(ssh.known_hosts.path()).unwrap();
        assert_eq!(text, "k3s-server ssh-ed25519 AAAA\nk3s-server ssh-ed25519 BBBB\n");
        let mode = ssh.known_hosts.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let arguments: Vec<_> =
            ssh.arguments().iter().map(|argument| argument.to_str().unwrap()).collect();
        for option in [
            "StrictHostKeyChecking=yes",
            "HostKeyAlias=k3s-server",
            "IdentityFile=\"/home/some one/key\"",
            "IdentitiesOnly=yes",
        ] {
            assert!(arguments.contains(&option), "{option} in {arguments:?}");
        }
        let tail = ["-p", "2222", "-l", "admin", "192.0.2.7", "--", "uptime", "-p"];
        assert!(arguments.ends_with(&tail), "{arguments:?}");
    }
}
