//! How each host names the same things. Pure.

use http::{HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Registered;
use crate::secret::Secret;

/// Keys on a page: what each host gives at most, Gitea by default.
pub(super) const PAGE: usize = 50;

/// Whose API it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    Github,
    Gitlab,
    Gitea,
    Forgejo,
}

/// A repository and the API of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Without a slash at its end.
    pub api: String,
    /// `owner/name`; on GitLab there may be groups in between.
    pub path: String,
}

impl Dialect {
    /// The one that is spoken at a well-known host.
    pub fn at(host: &str) -> Option<Self> {
        match host {
            "github.com" => Some(Self::Github),
            "gitlab.com" => Some(Self::Gitlab),
            "codeberg.org" => Some(Self::Forgejo),
            _ => None,
        }
    }

    /// Where its API is, at a host.
    pub fn api(self, host: &str) -> String {
        match self {
            Self::Github if host == "github.com" => "https://api.github.com".into(),
            Self::Github => format!("https://{host}/api/v3"),
            Self::Gitlab => format!("https://{host}/api/v4"),
            Self::Gitea | Self::Forgejo => format!("https://{host}/api/v1"),
        }
    }

    /// Where a person registers a key by hand.
    pub fn page_of_keys(self, host: &str, path: &str) -> String {
        match self {
            Self::Github => format!("https://{host}/{path}/settings/keys/new"),
            Self::Gitlab => format!("https://{host}/{path}/-/settings/repository"),
            Self::Gitea | Self::Forgejo => format!("https://{host}/{path}/settings/keys"),
        }
    }

    pub(super) fn keys(self, repository: &Repository) -> String {
        let path = &repository.path;
        match self {
            Self::Github | Self::Gitea | Self::Forgejo => format!("/repos/{path}/keys"),
            Self::Gitlab => {
                let id = utf8_percent_encode(path, NON_ALPHANUMERIC);
                format!("/projects/{id}/deploy_keys")
            }
        }
    }

    pub(super) fn page(self, repository: &Repository, page: u32) -> String {
        let size = match self {
            Self::Github | Self::Gitlab => "per_page",
            Self::Gitea | Self::Forgejo => "limit",
        };
        format!("{}?{size}={PAGE}&page={page}", self.keys(repository))
    }

    pub(super) fn credentials(self, token: &Secret) -> (HeaderName, HeaderValue) {
        let (name, text) = match self {
            Self::Github => (header::AUTHORIZATION, format!("Bearer {}", token.expose())),
            Self::Gitlab => (HeaderName::from_static("private-token"), token.expose().to_owned()),
            Self::Gitea | Self::Forgejo => {
                (header::AUTHORIZATION, format!("token {}", token.expose()))
            }
        };
        // One with odd bytes is refused by the host, like any other wrong one.
        let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        (name, value)
    }

    pub(super) const fn accepts(self) -> &'static str {
        match self {
            Self::Github => "application/vnd.github+json",
            Self::Gitlab | Self::Gitea | Self::Forgejo => "application/json",
        }
    }

    pub(super) fn read_only(self, title: &str, key: &str) -> Value {
        match self {
            Self::Gitlab => json!({ "title": title, "key": key, "can_push": false }),
            Self::Github | Self::Gitea | Self::Forgejo => {
                json!({ "title": title, "key": key, "read_only": true })
            }
        }
    }

    /// A key as the host has it.
    ///
    /// # Errors
    /// What is missing: a key that is not understood must not count as none.
    pub(super) fn read(self, value: &Value) -> Result<Registered, String> {
        let odd = |name: &str| format!("a key without a sound `{name}`");
        let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(|| odd(name));
        let flag = |name: &str| value[name].as_bool().ok_or_else(|| odd(name));
        Ok(Registered {
            id: value["id"].as_u64().ok_or_else(|| odd("id"))?,
            title: text("title")?,
            key: text("key")?,
            may_write: match self {
                Self::Gitlab => flag("can_push")?,
                Self::Github | Self::Gitea | Self::Forgejo => !flag("read_only")?,
            },
        })
    }

    /// What the token must be allowed.
    pub(super) const fn rights(self) -> &'static str {
        match self {
            Self::Github => {
                "the token needs `Administration: read and write` on this repository (fine-grained), or the scope `repo`"
            }
            Self::Gitlab => "the token needs the scope `api`, and its owner the role Maintainer",
            Self::Gitea | Self::Forgejo => {
                "the token needs the scope `write:repository`, and its owner administers the repository"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_well_known_host_has_its_api_and_its_page_of_keys() {
        let places = |host: &str| {
            let dialect = Dialect::at(host).unwrap();
            (dialect.api(host), dialect.page_of_keys(host, "me/homelab"))
        };
        insta::assert_debug_snapshot!(["github.com", "gitlab.com", "codeberg.org"].map(places), @r#"
        [
            (
                "https://api.github.com",
                "https://github.com/me/homelab/settings/keys/new",
            ),
            (
                "https://gitlab.com/api/v4",
                "https://gitlab.com/me/homelab/-/settings/repository",
            ),
            (
                "https://codeberg.org/api/v1",
                "https://codeberg.org/me/homelab/settings/keys",
            ),
        ]
        "#);
        assert_eq!(Dialect::at("git.lan"), None);
        assert_eq!(Dialect::Github.api("git.lan"), "https://git.lan/api/v3");
    }

    #[test]
    fn many_keys_come_in_pages() {
        let repository = Repository { api: String::new(), path: "group/sub/name".into() };
        let page = Dialect::Gitlab.page(&repository, 2);
        assert_eq!(page, "/projects/group%2Fsub%2Fname/deploy_keys?per_page=50&page=2");
        assert_eq!(
            Dialect::Gitea.page(&repository, 1),
            "/repos/group/sub/name/keys?limit=50&page=1"
        );
    }
}
