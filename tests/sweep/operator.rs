//! A person with the program, an inventory, keys and a state folder, in a world of their own.

use std::{process::Stdio, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use homelab_lab::sim::{
    claim::Claim,
    git::GitHost,
    own::{Own, terrain},
    world::{Options, World},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    task::JoinHandle,
};

/// No run in a world without delays takes so long.
const LIMIT: Duration = Duration::from_secs(180);

pub(crate) struct Operator {
    pub(crate) world: Arc<World>,
    folder: tempfile::TempDir,
    /// Its network is nobody else's as long as it lives, whoever chose it.
    _claim: Arc<Claim>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Operator {
    pub(crate) async fn new(options: Options) -> Self {
        Self::on(free_network(), None, options).await
    }

    /// One whose inventory is one of the repository's, in a world that has what it names.
    pub(crate) async fn of(inventory: &str, options: Options) -> Self {
        Self::on(free_network(), Some(inventory), options).await
    }

    /// The same in a world on that network.
    pub(crate) async fn on(claim: Arc<Claim>, inventory: Option<&str>, options: Options) -> Self {
        let Some(inventory) = inventory else {
            let write = |world: &World, key: &str, file: &Utf8Path| world.inventory(key, file);
            return Self::with(claim, options, write).await;
        };
        let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory");
        let own = Own::read(&folder.join(inventory)).unwrap();
        let (terrain, gitops) = (terrain(std::slice::from_ref(&own)), own.has_gitops());
        let options = Options { terrain, gitops, ..options };
        Self::with(claim, options, |world, public_key, key| {
            world.translate(&own, public_key, key).unwrap().text
        })
        .await
    }

    async fn with(
        claim: Arc<Claim>,
        options: Options,
        inventory: impl FnOnce(&World, &str, &Utf8Path) -> String,
    ) -> Self {
        let network = claim.number();
        let options = Options { network, ..options };
        let folder = tempfile::tempdir().unwrap();
        let place = path(&folder, "world");
        fs_err::create_dir_all(&place).unwrap();
        let world = Arc::new(World::start(place, options).await.unwrap());
        let operator = Self { world, folder, _claim: claim };
        let key = operator.path("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key.as_str()])
            .status()
            .unwrap();
        assert!(made.success());
        let public = fs_err::read_to_string(key.with_extension("pub")).unwrap();
        let inventory = inventory(&operator.world, public.trim(), &key);
        fs_err::write(operator.path("homelab.yaml"), inventory).unwrap();
        if let Some(git) = operator.world.git() {
            operator.succeed(&["gitops", "init", operator.path("tree").as_str()]).await;
            operator.push(git);
            operator.world.gate.forget();
        }
        operator
    }

    /// Commits the tree and pushes it, as a person does.
    pub(crate) fn push(&self, git: &GitHost) {
        let hosts = git.known_hosts();
        let script = "set -e; cd \"$0\"; test -d .git || git init --quiet -b main .; git add --all; \
                      git commit --quiet -m all; git push --quiet \"$1\" main";
        let ssh = format!(
            "ssh -F none -o IdentitiesOnly=yes -o UserKnownHostsFile={hosts} -i {}",
            git.writer_key()
        );
        let done = std::process::Command::new("sh")
            .args(["-c", script, self.path("tree").as_str(), &git.url()])
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_SSH_COMMAND", ssh)
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "me")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "me@lan")))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        path(&self.folder, name)
    }

    /// Changes the inventory.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("homelab.yaml");
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.contains(from), "the inventory has no `{from}`");
        fs_err::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Begins a run, with nothing of its caller's environment.
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.start_at("state", words)
    }

    /// The same from a state folder of that name, as from another computer.
    pub(crate) fn start_at(&self, state: &str, words: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_homelab"))
            .args(words)
            .env_clear()
            .envs(self.world.secrets())
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path(state))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    pub(crate) async fn end(&self, mut child: Child) -> Ended {
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let ended = tokio::time::timeout(LIMIT, child.wait()).await;
        if ended.is_err() {
            child.start_kill().unwrap();
        }
        let (out, err) = (out.await.unwrap(), err.await.unwrap());
        let Ok(status) = ended else { panic!("the program does not end: {out}\n{err}") };
        Ended { code: status.unwrap().code(), out, err }
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Ended {
        self.end(self.start(words)).await
    }

    /// A run that must go well.
    pub(crate) async fn succeed(&self, words: &[&str]) -> Ended {
        let ended = self.run(words).await;
        assert_eq!(ended.code, Some(0), "{words:?}: {}\n{}", ended.out, ended.err);
        ended
    }
}

/// One for a world that may stand anywhere.
pub(crate) fn free_network() -> Arc<Claim> {
    Arc::new(Claim::any().unwrap())
}

/// Reads what a program says to its end.
fn reader(stream: Option<impl AsyncRead + Send + Unpin + 'static>) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut text = String::new();
        stream.expect("it is piped").read_to_string(&mut text).await.unwrap();
        text
    })
}

fn path(folder: &tempfile::TempDir, name: &str) -> Utf8PathBuf {
    Utf8Path::from_path(folder.path()).unwrap().join(name)
}
