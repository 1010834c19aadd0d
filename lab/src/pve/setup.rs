//! Furnishes a fresh emulator: users, roles, tokens, pools, guests that are nobody's.
//!
//! Everything but the foreign guests goes through the API's own calls, as if a person had typed it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Running, endpoint::Method, error::ApiError, http::dispatch::call_as_root, qemu};

/// What a fresh emulator is to hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    pub roles: Vec<RoleSetup>,
    /// `homelab@pve`; without a password they can't log in, their tokens work.
    pub users: Vec<String>,
    pub tokens: Vec<TokenSetup>,
    pub access: Vec<AccessSetup>,
    pub pools: Vec<String>,
    /// Guests that are nobody's: bystanders.
    pub guests: Vec<GuestSetup>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSetup {
    pub name: String,
    pub privileges: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSetup {
    /// `homelab@pve`
    pub user: String,
    pub name: String,
    /// With separated privileges it has no more than its own entries allow.
    #[serde(default = "yes")]
    pub separated: bool,
    /// Seconds since 1970; 0 is never.
    #[serde(default)]
    pub expire: i64,
}

fn yes() -> bool {
    true
}

/// An entry of the access control list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSetup {
    pub path: String,
    /// A user or a token: `homelab@pve`, `homelab@pve!provision`.
    pub subject: String,
    pub role: String,
    #[serde(default = "yes")]
    pub propagate: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestSetup {
    pub vmid: u32,
    pub name: String,
    /// The first node when absent.
    #[serde(default)]
    pub node: Option<String>,
    #[serde(default = "one_gib")]
    pub disk_gib: u64,
    #[serde(default)]
    pub running: bool,
}

fn one_gib() -> u64 {
    1
}

/// Why an emulator could not be furnished.
#[derive(Debug, thiserror::Error)]
#[error("the emulator could not be furnished: {what}: {why}")]
pub struct SetupError {
    what: String,
    why: String,
}

fn failed(what: impl Into<String>) -> impl FnOnce(ApiError) -> SetupError {
    let what = what.into();
    move |error| SetupError { what, why: format!("{error} {:?}", error.errors) }
}

impl Running {
    /// Furnishes the emulator; answers the tokens' secrets by `user@realm!name`.
    ///
    /// # Errors
    /// When something is there already or makes no sense.
    pub async fn furnish(&self, setup: &Setup) -> Result<BTreeMap<String, String>, SetupError> {
        for role in &setup.roles {
            let given = json!({ "roleid": role.name, "privs": role.privileges.join(",") });
            self.call(Method::Post, "/access/roles", given)
                .await
                .map_err(failed(format!("role {}", role.name)))?;
        }
        for user in &setup.users {
            self.call(Method::Post, "/access/users", json!({ "userid": user }))
                .await
                .map_err(failed(format!("user {user}")))?;
        }
        let mut secrets = BTreeMap::new();
        for token in &setup.tokens {
            let full = format!("{}!{}", token.user, token.name);
            let path = format!("/access/users/{}/token/{}", token.user, token.name);
            let given = json!({ "privsep": u8::from(token.separated), "expire": token.expire });
            let answer = self
                .call(Method::Post, &path, given)
                .await
                .map_err(failed(format!("token {full}")))?;
            secrets.insert(full, answer["value"].as_str().unwrap_or_default().to_owned());
        }
        for pool in &setup.pools {
            self.call(Method::Post, "/pools", json!({ "poolid": pool }))
                .await
                .map_err(failed(format!("pool {pool}")))?;
        }
        for entry in &setup.access {
            let kind = if entry.subject.contains('!') { "tokens" } else { "users" };
            let given = json!({
                "path": entry.path,
                "roles": entry.role,
                kind: entry.subject,
                "propagate": u8::from(entry.propagate),
            });
            self.call(Method::Put, "/access/acl", given)
                .await
                .map_err(failed(format!("{} on {}", entry.subject, entry.path)))?;
        }
        for guest in &setup.guests {
            self.seed(guest).await?;
        }
        Ok(secrets)
    }

    async fn call(&self, method: Method, path: &str, given: Value) -> Result<Value, ApiError> {
        call_as_root(self.server(), method, path, given).await
    }

    /// Makes a call as the host's own root, without the wire, and sees its task to the end; the answer.
    ///
    /// # Errors
    /// When the call or its task fails.
    pub async fn act_as_root(
        &self,
        method: &str,
        path: &str,
        given: Value,
    ) -> Result<Value, SetupError> {
        let what = format!("{method} {path}");
        let method = Method::parse(method).ok_or_else(|| SetupError {
            what: what.clone(),
            why: "there is no such method".to_owned(),
        })?;
        let answer = self.call(method, path, given).await.map_err(failed(what.clone()))?;
        let Some(upid) = answer.as_str().and_then(|text| text.parse().ok()) else {
            return Ok(answer);
        };
        match self.server().state.tasks.find(&upid) {
            Some(worker) => match worker.ended().await {
                status if status == "OK" => Ok(answer),
                why => Err(SetupError { what, why }),
            },
            None => Err(SetupError { what, why: "it left no task".to_owned() }),
        }
    }

    async fn seed(&self, guest: &GuestSetup) -> Result<(), SetupError> {
        let what = format!("guest {}", guest.vmid);
        let state = &self.server().state;
        let node = guest.node.clone().unwrap_or_else(|| state.local_node().to_owned());
        qemu::seed(state, &node, guest.vmid, &guest.name, guest.disk_gib)
            .await
            .map_err(|why| SetupError { what, why })?;
        if !guest.running {
            return Ok(());
        }
        let path = format!("/nodes/{node}/qemu/{}/status/start", guest.vmid);
        self.act_as_root("POST", &path, Value::Null).await.map(drop)
    }
}
