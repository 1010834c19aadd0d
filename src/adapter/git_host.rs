//! The deploy keys of a repository, by the API of the host that has it: GitHub, GitLab, Gitea and Forgejo.
//!
//! Facts: GitHub's REST API "Deploy keys" (version 2022-11-28), GitLab's API "Deploy keys" (v4), Gitea's
//! and Forgejo's `/repos/{owner}/{repo}/keys` (v1).

mod dialect;

use http::{Method, StatusCode, header};
use serde_json::Value;

pub use self::dialect::{Dialect, Repository};
use crate::{
    adapter::calls::{self, innermost},
    error::{Effect, Failure, Kind, Result},
    secret::Secret,
};

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
    /// [`Kind::Git`], with what the token may not do.
    pub async fn keys(&self) -> Result<Vec<Registered>> {
        let mut keys = Vec::new();
        for page in 1.. {
            let path = self.dialect.page(&self.repository, page);
            let answer = self.call(Method::GET, &path, None).await?;
            let listed = answer.as_array().cloned().unwrap_or_default();
            keys.extend(listed.iter().filter_map(|key| self.dialect.read(key)));
            if listed.len() < dialect::PAGE {
                break;
            }
        }
        Ok(keys)
    }

    /// Registers a key that may read and do nothing else.
    ///
    /// # Errors
    /// As [`Self::keys`]. What was done is unknown when the answer was lost: the keys tell.
    pub async fn add(&self, title: &str, key: &str) -> Result<()> {
        let body = self.dialect.read_only(title, key);
        let path = self.dialect.keys(&self.repository);
        self.call(Method::POST, &path, Some(body)).await.map(drop)
    }

    /// Takes a key away.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn remove(&self, id: u64) -> Result<()> {
        let path = format!("{}/{id}", self.dialect.keys(&self.repository));
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}{path}", self.repository.api);
        let (name, value) = self.dialect.credentials(&self.token);
        let request = self
            .client
            .request(method.clone(), &url)
            .header(name, value)
            .header(header::ACCEPT, self.dialect.accepts());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let reads = method == Method::GET;
        let answer = request.send().await.map_err(|error| {
            let harmless = reads || error.is_connect();
            let effect = if harmless { Effect::None } else { Effect::Unknown };
            Failure::new(Kind::Git, format!("{method} {url}: {}", innermost(&error)))
                .effect(effect)
                .hint("run it again: it looks at the keys before it adds one")
        })?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            return Err(self.refused(&format!("{method} {url}"), status, &text));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(
                Kind::Git,
                format!("{method} {url}: its answer is not understood: {error}"),
            )
        })
    }

    fn refused(&self, call: &str, status: StatusCode, text: &str) -> Failure {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let message = match &said["message"] {
            Value::Null => text.chars().take(200).collect(),
            Value::String(message) => message.clone(),
            other => other.to_string(),
        };
        let failure = Failure::new(Kind::Git, format!("{call}: {status}: {message}"));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                failure.hint(self.dialect.rights())
            }
            _ => failure,
        }
    }
}
