//! The lab's git server: real git behind a real sshd, with one repository.
//!
//! The operator's key may push, the deploy key may only read. Neither opens a shell: whatever the client
//! asks for, sshd runs the key's own forced command, which lets through what the key may do.

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    WorldError,
    place::write,
    segment::{FILES, GATEWAY},
    service::Service,
};
use crate::machines::run;

const PORT: u16 = 2222;
const USER: &str = "git";
/// Free on a Debian system, where dynamic numbers of either kind lie elsewhere.
const NUMBER: &str = "2222";
const REPOSITORY: &str = "homelab.git";
/// By its whole path: sshd starts itself again for each connection.
const SSHD: &str = "/usr/sbin/sshd";

/// A server that answers, and how to reach it.
#[derive(Debug)]
pub(crate) struct GitServer {
    /// The file with the private key that may read and nothing else.
    pub(crate) deploy_key: Utf8PathBuf,
    /// The file with the server's key as `known_hosts` has it.
    pub(crate) known_hosts: Utf8PathBuf,
    _service: Service,
}

impl GitServer {
    pub(crate) fn url() -> String {
        format!("ssh://{USER}@{GATEWAY}:{PORT}/{REPOSITORY}")
    }

    /// `operator` is the public key that may push; `folder` is for logs, what is served lies in memory.
    pub(crate) async fn start(operator: &str, folder: &Utf8Path) -> Result<Self, WorldError> {
        if !Utf8Path::new(SSHD).exists() {
            return Err(WorldError::NoProgram { program: SSHD, package: "openssh-server" });
        }
        // Below /run: the user must reach it, and the way to `folder` may be closed to it.
        let files = Utf8Path::new(FILES).join("git");
        fs_err::create_dir_all(&files)?;
        user(&files).await?;
        repository(&files.join(REPOSITORY)).await?;

        let (host_key, deploy_key) = (files.join("host"), files.join("deploy"));
        let host = key(&host_key, "the lab's git server").await?;
        let deploy = key(&deploy_key, "deploy key of the lab").await?;
        let known_hosts = files.join("known_hosts");
        fs_err::write(&known_hosts, known_host(&host))?;
        let gate = files.join("gate");
        fs_err::write(&gate, gate_script(&files))?;
        let keys = files.join("authorized_keys");
        fs_err::write(&keys, authorized_keys(&gate, operator, &deploy))?;

        // Where sshd locks itself in before it knows who is there.
        fs_err::create_dir_all("/run/sshd")?;
        fs_err::create_dir_all(folder)?;
        let configuration = folder.join("sshd_config");
        write(&configuration, &sshd_config(&host_key, &keys))?;
        let arguments = ["-D", "-e", "-f", configuration.as_str()];
        let mut service = Service::start("sshd", Utf8Path::new(SSHD), &arguments, folder)?;
        service.listening(&format!("{GATEWAY}:{PORT}")).await?;
        Ok(Self { deploy_key, known_hosts, _service: service })
    }
}

/// Gives the world a user of its own, as it has a name server of its own: the host's files stay as they
/// are.
async fn user(files: &Utf8Path) -> Result<(), WorldError> {
    let home = format!("{USER}:x:{NUMBER}:{NUMBER}:the lab's git server:{files}:/bin/sh");
    // A star can't be logged in with; an exclamation mark would lock out keys as well.
    let password = format!("{USER}:*:19000:0:99999:7:::");
    for (name, line) in [("passwd", home), ("shadow", password)] {
        let original = format!("/etc/{name}");
        let own = files.join(name);
        // Copied first: a copy has the original's owner and mode.
        run("cp", &["--preserve=mode,ownership", &original, own.as_str()]).await?;
        fs_err::write(&own, with_user(&fs_err::read_to_string(&original)?, &line))?;
        run("mount", &["--bind", own.as_str(), &original]).await?;
    }
    Ok(())
}

/// A user database in which `line` is the only one about its user.
fn with_user(database: &str, line: &str) -> String {
    let ours = format!("{USER}:");
    let others = database.lines().filter(|other| !other.starts_with(&ours));
    others.chain([line]).flat_map(|line| [line, "\n"]).collect()
}

async fn repository(path: &Utf8Path) -> Result<(), WorldError> {
    let arguments =
        ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", path.as_str()];
    run("git", &arguments).await?;
    run("chown", &["-R", &format!("{NUMBER}:{NUMBER}"), path.as_str()]).await?;
    Ok(())
}

/// Makes a key pair without a passphrase and returns its public half.
async fn key(path: &Utf8Path, comment: &str) -> Result<String, WorldError> {
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path.as_str()];
    run("ssh-keygen", &arguments).await?;
    Ok(fs_err::read_to_string(format!("{path}.pub"))?.trim().to_owned())
}

/// A port other than 22 stands beside the address, in brackets.
fn known_host(public_key: &str) -> String {
    let mut words = public_key.split(' ');
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("[{GATEWAY}]:{PORT} {kind} {key}\n")
}

fn authorized_keys(gate: &Utf8Path, operator: &str, deploy: &str) -> String {
    let line = |may: &str, key: &str| format!("restrict,command=\"sh {gate} {may}\" {key}\n");
    line("write", operator) + &line("read", deploy)
}

/// What a key's forced command is: the client's wish is compared whole, never run.
fn gate_script(files: &Utf8Path) -> String {
    format!(
        r#"# sh gate read|write: serves the repository to a key that may do so much.
repository={files}/{REPOSITORY}
case "$1 $SSH_ORIGINAL_COMMAND" in
"read git-upload-pack '/{REPOSITORY}'" | "write git-upload-pack '/{REPOSITORY}'")
    exec git upload-pack --strict "$repository" ;;
"write git-receive-pack '/{REPOSITORY}'")
    exec git receive-pack "$repository" ;;
esac
echo "this key may $1 /{REPOSITORY} and do nothing else" >&2
exit 1
"#
    )
}

fn sshd_config(host_key: &Utf8Path, authorized_keys: &Utf8Path) -> String {
    format!(
        "ListenAddress {GATEWAY}:{PORT}
HostKey {host_key}
AuthorizedKeysFile {authorized_keys}
AllowUsers {USER}
AuthenticationMethods publickey
UsePAM no
UseDNS no
PidFile none
PrintMotd no
# How a client asks for version 2 of git's protocol.
AcceptEnv GIT_PROTOCOL
"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the gate answers, run with a `git` that only says what it was asked to do.
    fn gate(may: &str, wish: &str) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let script = path.join("gate");
        fs_err::write(&script, gate_script(path)).unwrap();
        fs_err::os::unix::fs::symlink("/bin/echo", path.join("git")).unwrap();
        let output = Command::new("sh")
            .args([script.as_str(), may])
            .env("PATH", format!("{path}:/usr/bin:/bin"))
            .env("SSH_ORIGINAL_COMMAND", wish)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), said.split(' ').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_deploy_key_reads_and_the_operators_writes_and_neither_does_anything_else() {
        let (fetch, push) = ("git-upload-pack '/homelab.git'", "git-receive-pack '/homelab.git'");
        assert_eq!(gate("read", fetch), (true, "upload-pack".into()));
        assert_eq!(gate("write", fetch), (true, "upload-pack".into()));
        assert_eq!(gate("write", push), (true, "receive-pack".into()));
        for (may, wish) in [
            ("read", push),
            ("read", ""),
            ("write", "sh"),
            ("write", "git-upload-pack '/etc'"),
            ("write", "git-upload-pack '/homelab.git'; sh"),
        ] {
            assert_eq!(gate(may, wish), (false, String::new()), "{may} {wish}");
        }
    }

    #[test]
    fn the_worlds_user_takes_the_place_of_a_user_of_that_name() {
        let host = "root:x:0:0::/root:/bin/sh\ngit:x:104:110::/home/git:/usr/bin/git-shell\n";
        let own = with_user(host, "git:x:2222:2222::/run:/bin/sh");
        assert_eq!(own, "root:x:0:0::/root:/bin/sh\ngit:x:2222:2222::/run:/bin/sh\n");
    }

    #[test]
    fn the_files_say_who_is_known_and_who_may_do_what() {
        let files = Utf8Path::new("/run/homelab-lab/git");
        insta::assert_snapshot!(
            known_host("ssh-ed25519 AAAA comment of three words"),
            @"[10.79.0.1]:2222 ssh-ed25519 AAAA"
        );
        let (operator, deploy) = ("ssh-ed25519 AAAA operator", "ssh-ed25519 BBBB deploy");
        insta::assert_snapshot!(authorized_keys(&files.join("gate"), operator, deploy), @r#"
        restrict,command="sh /run/homelab-lab/git/gate write" ssh-ed25519 AAAA operator
        restrict,command="sh /run/homelab-lab/git/gate read" ssh-ed25519 BBBB deploy
        "#);
        insta::assert_snapshot!(sshd_config(&files.join("host"), &files.join("keys")), @r"
        ListenAddress 10.79.0.1:2222
        HostKey /run/homelab-lab/git/host
        AuthorizedKeysFile /run/homelab-lab/git/keys
        AllowUsers git
        AuthenticationMethods publickey
        UsePAM no
        UseDNS no
        PidFile none
        PrintMotd no
        # How a client asks for version 2 of git's protocol.
        AcceptEnv GIT_PROTOCOL
        ");
    }
}
