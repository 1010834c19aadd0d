//! A Git repository, as far as it is read.

use std::{collections::BTreeMap, future::Future};

use crate::{
    error::{Failure, Kind},
    secret::Secret,
};

/// Where to read, and with what right.
#[derive(Clone, Debug)]
pub struct GitSource {
    pub url: String,
    pub branch: String,
    pub access: Option<GitLogin>,
    /// Lines of known_hosts; any other host key ends the connection.
    pub known_hosts: Vec<String>,
}

/// What opens a repository.
#[derive(Clone, Debug)]
pub enum GitLogin {
    /// The private half of an SSH key, in OpenSSH's form.
    Key(Secret),
    /// A token for HTTPS.
    Token(Secret),
}

/// Some files of a repository at the head of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkout {
    /// The commit, 40 hexadecimal digits.
    pub head: String,
    /// Those of the files asked for that are there and are text, by path.
    pub files: BTreeMap<String, String>,
}

/// Reads repositories.
pub trait Git: Send + Sync {
    /// The commit at the head of the branch: one request.
    fn head(&self, source: &GitSource) -> impl Future<Output = Result<String, GitError>> + Send;

    /// The same, with files.
    fn read(
        &self,
        source: &GitSource,
        paths: &[String],
    ) -> impl Future<Output = Result<Checkout, GitError>> + Send;
}

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("`git` is not installed on this computer")]
    NoGit,
    #[error("{url}: there is no branch `{branch}`")]
    NoBranch { url: String, branch: String },
    #[error("{url}: what answers there is no Git server")]
    NoServer { url: String },
    /// Git's own words.
    #[error("{url}: {reason}")]
    Refused { url: String, reason: String },
    #[error("{url}: no answer within {seconds} s")]
    Silent { url: String, seconds: u64 },
    #[error("the repository cannot be read: {0}")]
    Local(#[from] std::io::Error),
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let hint = match &error {
            GitError::NoGit => Some("install it: `apt install git`"),
            GitError::NoBranch { .. } => {
                Some("`homelab gitops init DIR` renders the tree; commit it and push it there")
            }
            GitError::NoServer { .. } => Some(
                "a web page, as that of a login or a proxy, answers in the place of a repository: write `flux.url` as \
                 the host itself shows it for `git clone`, often with `.git` at its end",
            ),
            GitError::Refused { reason, .. } if reason.contains("ut of memory") => Some(
                "git was held to 1 GiB: what answers there sends more than a repository of manifests has",
            ),
            GitError::Refused { reason, .. } if reason.contains("Host key verification failed") => {
                Some("its key is none of `flux.known_hosts`: compare it on the host itself")
            }
            GitError::Refused { reason, .. } if reason.contains("returned error: 30") => Some(
                "the URL leads elsewhere, and a token is for the host that is written: write `flux.url` as the host \
                 itself shows it, often with `.git` at its end",
            ),
            GitError::Refused { .. } => Some(
                "try `flux.credentials`: a read-only deploy key or token that is registered there",
            ),
            GitError::Silent { .. } | GitError::Local(_) => None,
        };
        let failure = Self::new(Kind::Git, error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
