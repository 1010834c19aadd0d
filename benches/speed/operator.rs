//! A person with the program, in a simulated world.

use std::{
    fmt,
    process::{Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use homelab_lab::sim::{
    answers::Guests,
    wire::Wire,
    world::{Options, World},
};

use crate::usage::{Usage, run};

/// The program that is measured.
pub(crate) const HOMELAB: &str = env!("CARGO_BIN_EXE_homelab");

/// Up to so many nodes guests run the program's scripts by a real `sh`; more of them would be what is measured.
const REAL: u32 = 3;

/// How large a world is, and who runs what its guests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) nodes: u32,
    guests: Guests,
}

impl Size {
    /// With real guests where this computer bears them.
    pub(crate) const fn of(nodes: u32) -> Self {
        let guests = if nodes <= REAL { Guests::Real } else { Guests::InProcess };
        Self { nodes, guests }
    }

    pub(crate) const fn in_process(nodes: u32) -> Self {
        Self { nodes, guests: Guests::InProcess }
    }

    /// As `--json` names it: the number of nodes, and the kind where it is not the usual one.
    pub(crate) fn key(self) -> String {
        let unusual = self != Self::of(self.nodes);
        format!("{}{}", self.nodes, if unusual { "_in_process" } else { "" })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.guests {
            Guests::Real => "real scripts",
            Guests::InProcess => "answered in process",
        };
        write!(formatter, "{} nodes ({kind})", self.nodes)
    }
}

pub(crate) struct Operator {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    folder: tempfile::TempDir,
}

impl Operator {
    /// In a world of this size, whose guests boot for so long.
    pub(crate) async fn new(size: Size, boot: Duration) -> Self {
        static WORLDS: AtomicU8 = AtomicU8::new(0);
        let network = WORLDS.fetch_add(1, Ordering::Relaxed) % 60;
        let wire = Wire::default();
        let options = Options {
            agents: size.nodes - 1,
            // Beside the worlds of tests, which may run at the same time.
            network: 120 + network,
            boot,
            wire: Some(wire.clone()),
            guests: size.guests,
            ..Options::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(folder.path()).unwrap().join("world");
        fs_err::create_dir_all(&place).unwrap();
        let world = World::start(place, options).await.unwrap();
        let operator = Self { world, wire, folder };
        let key = operator.path("key");
        make_key(&key);
        let public = fs_err::read_to_string(key.with_extension("pub")).unwrap();
        let inventory = operator.world.inventory(public.trim(), &key);
        fs_err::write(operator.path("homelab.yaml"), inventory).unwrap();
        operator
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Runs it to its good end.
    pub(crate) async fn succeed(&self, words: &[&str]) -> Usage {
        let said = self.path("said");
        let file = fs_err::File::create(&said).unwrap().into_file();
        let mut command = Command::new(HOMELAB);
        command
            .args(words)
            .env_clear()
            .envs(self.world.secrets())
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let usage = run(command).await;
        let said = fs_err::read_to_string(said).unwrap();
        assert!(usage.success, "{words:?}: {said}");
        usage
    }
}

pub(crate) fn make_key(path: &Utf8Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path.as_str()])
        .status()
        .unwrap();
    assert!(made.success());
}
