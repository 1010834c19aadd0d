//! A bare repository, by the `git` of this computer.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    process::Output,
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;

use super::BRANCH;

/// The files of a commit, by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A bare repository on this computer.
#[derive(Clone, Debug)]
pub struct Repository {
    path: Utf8PathBuf,
}

impl Repository {
    /// An empty one.
    pub(super) async fn create(path: Utf8PathBuf) -> io::Result<Self> {
        let repository = Self { path };
        let branch = format!("--initial-branch={BRANCH}");
        let words = ["init", "--quiet", "--bare", "--template=", &branch, repository.path.as_str()];
        said(git().args(words).output().await?)?;
        Ok(repository)
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The commit at the head of a branch; `None` where it has none.
    ///
    /// # Errors
    /// When the repository can't be read.
    pub fn head(&self, branch: &str) -> io::Result<Option<String>> {
        // A push leaves it there; nothing here packs references.
        match fs_err::read_to_string(self.path.join("refs/heads").join(branch)) {
            Ok(commit) => Ok(Some(commit.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many commits lead to the head of the branch.
    ///
    /// # Errors
    /// When `git` fails.
    pub async fn commits(&self) -> io::Result<usize> {
        if self.head(BRANCH)?.is_none() {
            return Ok(0);
        }
        let listed = self.run(&["rev-list", "--count", BRANCH]).await?;
        String::from_utf8_lossy(&listed).trim().parse().map_err(io::Error::other)
    }

    /// The branches and tags that are there.
    ///
    /// # Errors
    /// When `git` fails.
    pub async fn references(&self) -> io::Result<Vec<String>> {
        let listed = self.run(&["for-each-ref", "--format=%(refname)"]).await?;
        Ok(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
    }

    /// Every file of a commit.
    ///
    /// # Errors
    /// When `git` fails.
    pub async fn files(&self, commit: &str) -> io::Result<Files> {
        let archive = self.run(&["archive", "--format=tar", commit]).await?;
        let mut files = Files::new();
        for entry in tar::Archive::new(archive.as_slice()).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path()?.to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.insert(path, bytes);
        }
        Ok(files)
    }

    async fn run(&self, words: &[&str]) -> io::Result<Vec<u8>> {
        said(git().args(["--git-dir", self.path.as_str()]).args(words).output().await?)
    }
}

/// `git` without anything that is a person's own.
pub(super) fn git() -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.kill_on_drop(true);
    command
}

fn said(output: Output) -> io::Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("git failed in the world's repository: {said}")))
}
