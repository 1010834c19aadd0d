//! How a guest's scripts reach the stand-ins for its programs.
//!
//! A guest's PATH leads to two folders: its own, with a link for each stand-in, and one that all guests
//! share, with links to those real programs that plain shell needs (`sed`, `sha256sum`, `tar`, ...). Each
//! stand-in is the same small program, which asks this process over a loopback port and prints what it
//! answers. Nothing else of the computer is on the PATH.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    sync::{Arc, Mutex, Weak},
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::pve::state::lock;

use super::guest::{Answer, Guest, programs::PROGRAMS};

/// What plain shell needs, and is real.
const REAL: [&str; 67] = [
    "[",
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "comm",
    "cp",
    "curl",
    "cut",
    "date",
    "dd",
    "diff",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "flock",
    "fold",
    "grep",
    "gzip",
    "head",
    "id",
    "install",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "nice",
    "od",
    "paste",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "ssh-keygen",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "uniq",
    "wc",
    "xargs",
];

/// Asks the world and prints what it answers. The port and the guest's VMID stand in `HOMELAB_SIM`.
const TOOL: &str = r#"#!/bin/bash
# Stands for a program of a simulated guest of homelab-lab.
program=${HOMELAB_SIM_AS:-${0##*/}}
exec 3<>"/dev/tcp/127.0.0.1/${HOMELAB_SIM%%:*}" || exit 127
{ printf '%s\0' "${HOMELAB_SIM#*:}" "$program" "$#" "$@"; declare -px; printf '\0'; } >&3
IFS= read -r -d '' status <&3 || exit 127
IFS= read -r -d '' out <&3
IFS= read -r -d '' err <&3
printf '%s' "$out"
printf '%s' "$err" >&2
exit "$status"
"#;

/// A guest's file system is as large as its disk, whatever this computer's is.
const STAT: &str = "#!/bin/sh\ncase $1 in -f) HOMELAB_SIM_AS=stat exec \"$HOMELAB_SIM_TOOL\" \"$@\" ;; esac\nexec REAL \"$@\"\n";

/// Every login is root's already: below the guest's folder everything is its own.
const SUDO: &str =
    "#!/bin/sh\nwhile :; do case $1 in -*) shift ;; *) break ;; esac; done\nexec \"$@\"\n";

type Guests = Arc<Mutex<BTreeMap<u32, Weak<Guest>>>>;

/// What anybody on a guest could have seen of what ran there.
#[derive(Default)]
struct Sight {
    lines: Vec<String>,
    environments: BTreeSet<String>,
}

type Sights = Arc<Mutex<Sight>>;

/// The folder that guests share, and who answers the stand-ins. Dropping it ends the answers.
pub struct Tools {
    folder: Utf8PathBuf,
    port: u16,
    guests: Guests,
    sights: Sights,
    answers: JoinHandle<()>,
}

impl Drop for Tools {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Tools {
    /// Lays the shared folder out and begins to answer.
    ///
    /// # Errors
    /// When the folder can't be written, or this computer lacks a program that plain shell needs.
    pub async fn start(folder: Utf8PathBuf) -> io::Result<Self> {
        fs_err::create_dir_all(&folder)?;
        for name in REAL {
            let real = real(name)?;
            symlink(real, folder.join(name))?;
        }
        let stat = STAT.replace("REAL", real("stat")?.as_str());
        for (name, text) in [("homelab-sim-tool", TOOL), ("sudo", SUDO), ("stat", &stat)] {
            let place = folder.join(name);
            fs_err::write(&place, text)?;
            fs_err::set_permissions(&place, std::fs::Permissions::from_mode(0o755))?;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let guests = Guests::default();
        let sights = Sights::default();
        let answers = tokio::spawn(answer_all(listener, guests.clone(), sights.clone()));
        Ok(Self { folder, port, guests, sights, answers })
    }

    /// Gives a guest its stand-ins.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn equip(&self, guest: &Arc<Guest>) -> io::Result<()> {
        let tool = self.folder.join("homelab-sim-tool");
        for name in PROGRAMS {
            let place = guest.root().join("usr/bin").join(name);
            if !place.exists() {
                symlink(&tool, place)?;
            }
        }
        lock(&self.guests).insert(guest.vmid, Arc::downgrade(guest));
        Ok(())
    }

    /// Notes what sshd is asked to run.
    pub(super) fn note(&self, line: &str) {
        lock(&self.sights).lines.push(line.to_owned());
    }

    /// What sshd was asked to run, and each call of a stand-in: what anybody on a guest could have seen.
    pub fn command_lines(&self) -> Vec<String> {
        lock(&self.sights).lines.clone()
    }

    /// Forgets what was seen so far.
    pub(super) fn forget(&self) {
        *lock(&self.sights) = Sight::default();
    }

    /// The exported variables of each call of a stand-in, as bash declares them.
    pub fn environments(&self) -> BTreeSet<String> {
        lock(&self.sights).environments.clone()
    }

    /// The environment of everything that runs on a guest, and nothing else.
    pub fn environment(&self, guest: &Guest) -> Vec<(&'static str, String)> {
        let root = guest.root();
        vec![
            (
                "PATH",
                format!("{root}/usr/local/bin:{root}/usr/bin:{root}/usr/sbin:{}", self.folder),
            ),
            ("HOME", format!("{root}/root")),
            ("TMPDIR", format!("{root}/tmp")),
            ("HOMELAB_ROOT", root.to_string()),
            ("HOMELAB_SIM", format!("{}:{}", self.port, guest.vmid)),
            ("HOMELAB_SIM_TOOL", self.folder.join("homelab-sim-tool").into_string()),
        ]
    }
}

/// Where a real program is.
fn real(name: &str) -> io::Result<Utf8PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"]);
    folders
        .map(|folder| Utf8Path::new(folder).join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            io::Error::other(format!("this computer has no `{name}`, which scripts need"))
        })
}

async fn answer_all(listener: TcpListener, guests: Guests, sights: Sights) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (guests, sights) = (guests.clone(), sights.clone());
        tokio::spawn(async move {
            // Whoever hung up wants no answer.
            answer(stream, &guests, &sights).await.ok();
        });
    }
}

async fn answer(stream: TcpStream, guests: &Guests, sights: &Sights) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let vmid = word(&mut stream).await?;
    let program = word(&mut stream).await?;
    let count: usize = word(&mut stream).await?.parse().map_err(io::Error::other)?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        arguments.push(word(&mut stream).await?);
    }
    let environment = word(&mut stream).await?;
    {
        let mut sight = lock(sights);
        sight.lines.push(format!("{program} {}", arguments.join(" ")));
        sight.environments.insert(environment);
    }
    let guest = vmid.parse().ok().and_then(|vmid: u32| lock(guests).get(&vmid)?.upgrade());
    let answer = match guest {
        // What a program does may write files.
        Some(guest) => tokio::task::spawn_blocking(move || guest.call(&program, &arguments)).await,
        None => Ok(Answer::failed(127, "this guest is gone\n")),
    };
    let answer = answer.unwrap_or_else(|error| Answer::failed(126, format!("{error}\n")));
    let text = format!("{}\0{}\0{}\0", answer.status, answer.stdout, answer.stderr);
    stream.get_mut().write_all(text.as_bytes()).await
}

async fn word(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_until(0, &mut bytes).await?;
    if bytes.pop() != Some(0) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}
