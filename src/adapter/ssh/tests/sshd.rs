//! A real sshd of our own on loopback, with throwaway keys; gone when it is dropped.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    adapter::ssh::{Credentials, SshConnector},
    inventory::desired::{Access, Exposure},
    ports::HostTarget,
};

const SSHD: &str = "/usr/sbin/sshd";

pub(super) struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    user: String,
}

impl Sshd {
    /// `None`, and a line that says why, where there is no sshd to start.
    pub(super) fn start(settings: &str) -> Option<Self> {
        let user = output("id", &["-un"]);
        if !Path::new(SSHD).exists() {
            eprintln!("SKIPPED: no {SSHD} here (package openssh-server)");
            return None;
        }
        if user == "root" && !Path::new("/run/sshd").exists() {
            eprintln!("SKIPPED: sshd wants the folder /run/sshd");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        for key in ["host", "client", "stranger"] {
            make_key(&path.join(key));
        }
        std::fs::copy(path.join("client.pub"), path.join("authorized_keys")).unwrap();
        std::fs::create_dir(path.join("bin")).unwrap();
        let sudo = path.join("bin/sudo");
        fs_err::write(&sudo, "#!/bin/sh\n[ \"$1\" = -n ] && shift\nexec \"$@\"\n").unwrap();
        assert!(Command::new("chmod").args(["755", sudo.as_str()]).status().unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {path}/host\nPidFile none\nUsePAM no\n\
             AuthorizedKeysFile {path}/authorized_keys\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             SetEnv HOMELAB_ROOT={path}/root PATH={path}/bin:/usr/bin:/bin\n{settings}\n"
        );
        fs_err::write(path.join("config"), config).unwrap();
        let mut child = Command::new(SSHD)
            .args(["-D", "-e", "-f", path.join("config").as_str()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = child.kill();
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("sshd does not listen: {said}");
            }
            #[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, folder, port, user })
    }

    pub(super) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub(super) fn target(&self) -> HostTarget {
        self.target_with_key("host")
    }

    pub(super) fn target_with_key(&self, key: &str) -> HostTarget {
        HostTarget {
            node: "k3s-server".parse().unwrap(),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            port: self.port,
            user: self.user.clone(),
            host_keys: vec![self.public_key(key)],
        }
    }

    /// `ssh-ed25519 AAAA...`, without its comment.
    pub(super) fn public_key(&self, key: &str) -> String {
        let text = fs_err::read_to_string(self.path().join(format!("{key}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// A connector that uses the named key's file.
    pub(super) fn connector(&self, key: &str) -> SshConnector {
        SshConnector::new(Credentials::new(&self.access(Some(self.path().join(key))), None))
    }

    /// A connector that asks the agent behind a socket.
    pub(super) fn agent_connector(
        &self,
        socket: &Utf8Path,
        key: Option<Utf8PathBuf>,
    ) -> SshConnector {
        SshConnector::new(Credentials::new(&self.access(key), Some(socket.into())))
    }

    fn access(&self, private_key: Option<Utf8PathBuf>) -> Access {
        Access {
            user: self.user.clone(),
            public_keys: vec![self.public_key("client")],
            private_key,
            port: self.port,
            exposure: Exposure::Lan,
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn make_key(path: &Utf8Path) {
    output(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-C", "throwaway", "-f", path.as_str()],
    );
}

pub(super) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
