//! The deploy keys of a repository, by the API of the host that has it: GitHub, GitLab, Gitea and Forgejo.
//!
//! Facts: GitHub's REST API "Deploy keys" (version 2022-11-28), GitLab's API "Deploy keys" (v4), Gitea's
//! and Forgejo's `/repos/{owner}/{repo}/keys` (v1).

mod call;
mod dialect;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use http::Method;

use self::call::{misread, path_alone};
pub use self::dialect::{Dialect, Repository};
use crate::{
    adapter::calls,
    error::{Effect, Failure, Kind, Result},
    secret::Secret,
};

/// A repository with more pages of keys is none.
const MOST_PAGES: u32 = 100;

/// A key that may read, or even write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub id: u64,
    pub title: String,
    pub key: String,
    pub may_write: bool,
}

/// A repository's host.
#[derive(Debug)]
pub struct GitHost {
    dialect: Dialect,
    repository: Repository,
    token: Secret,
    client: reqwest::Client,
}

impl GitHost {
    pub fn new(dialect: Dialect, repository: Repository, token: Secret) -> Result<Self> {
        let client = calls::client()
            .build()
            .map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?;
        Ok(Self { dialect, repository, token, client })
    }

    /// Every key of the repository.
    ///
    /// # Errors
    /// [`Kind::Git`], with what the token may not do; and where the answer is no list of keys, whole and understood.
    pub async fn keys(&self) -> Result<Vec<Registered>> {
        let mut keys = Vec::new();
        let mut seen = BTreeSet::new();
        for page in 1..=MOST_PAGES {
            let path = self.dialect.page(&self.repository, page);
            let answer = self.call(Method::GET, &path, None).await?;
            let odd = |why: &str| misread(&self.named(&Method::GET, &path), why, Effect::None);
            let listed = answer.as_array().ok_or_else(|| odd("it is no list"))?;
            let known = keys.len();
            for key in listed {
                let key = self.dialect.read(key).map_err(|why| odd(&why))?;
                if seen.insert(key.id) {
                    keys.push(key);
                }
            }
            // A host that knows no pages gives the same one again.
            if listed.len() < dialect::PAGE || keys.len() == known {
                return Ok(keys);
            }
        }
        let call = self.named(&Method::GET, &self.dialect.keys(&self.repository));
        Err(Failure::new(Kind::Git, format!("{call}: the list of keys has no end")))
    }

    /// Registers a key that may read and do nothing else; what became of it.
    ///
    /// # Errors
    /// As [`Self::keys`]. What was done is unknown when the answer was lost: the keys tell.
    pub async fn add(&self, title: &str, key: &str) -> Result<Registered> {
        let body = self.dialect.read_only(title, key);
        let path = self.dialect.keys(&self.repository);
        let answer = self.call(Method::POST, &path, Some(body)).await?;
        self.dialect.read(&answer).map_err(|why| {
            misread(&self.named(&Method::POST, &path), &why, Effect::Unknown)
                .hint("run it again: it looks at the keys before it adds one")
        })
    }

    /// Takes a key away.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn remove(&self, id: u64) -> Result<()> {
        let path = format!("{}/{id}", self.dialect.keys(&self.repository));
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    /// A call as messages name it.
    fn named(&self, method: &Method, path: &str) -> String {
        format!("{method} {}{}", self.repository.api, path_alone(path))
    }
}
