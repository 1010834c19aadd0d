//! A call as a handler gets it: checked, authorised, with the caller's identity.

use std::sync::Arc;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use serde_json::Value;

use super::{error::ApiError, state::State};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    /// `root@pam`.
    pub(crate) user: String,
    /// The token's name, `t1` of `op@pve!t1`.
    pub(crate) token: Option<String>,
}

impl Caller {
    pub(crate) fn user(name: &str) -> Self {
        Self { user: name.to_owned(), token: None }
    }

    /// `op@pve` or `op@pve!t1`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once('!') {
            Some((user, token)) => Self { user: user.to_owned(), token: Some(token.to_owned()) },
            None => Self::user(text),
        }
    }

    /// As it stands in UPIDs: `op@pve` or `op@pve!t1`.
    pub(crate) fn identity(&self) -> String {
        match &self.token {
            Some(token) => format!("{}!{token}", self.user),
            None => self.user.clone(),
        }
    }

    /// `root@pam` with a ticket; its tokens are not root where options are root's alone.
    pub(crate) fn is_root(&self) -> bool {
        self.user == "root@pam" && self.token.is_none()
    }
}

/// A file that came with `upload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    /// Where its bytes are; the handler moves it away or it is deleted after the call.
    pub(crate) file: Utf8PathBuf,
    /// The name that the real server would have given it, for logs: `/var/tmp/pveupload-...`.
    pub(crate) shown: String,
    pub(crate) bytes: u64,
}

/// One call, its parameters already checked against the declaration.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) state: Arc<State>,
    pub(crate) caller: Caller,
    /// As given, those of the path included: forms give strings, JSON gives its own types. The
    /// getters below read both.
    pub(crate) parameters: IndexMap<String, Value>,
    pub(crate) upload: Option<Upload>,
    /// A fault that was asked for: how the task of this call ends.
    pub(crate) forced_exit: Option<ForcedExit>,
    /// And how much later its work begins.
    pub(crate) hold: Option<std::time::Duration>,
}

/// How a task ends whatever it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForcedExit {
    /// `WARNINGS: 1`, `unexpected status`, an error's text.
    pub(crate) status: String,
    /// The work is not done at all.
    pub(crate) instead: bool,
}

impl Request {
    /// Whether the key was sent, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// A parameter's text; numbers and booleans as Perl prints them.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.parameters.get(name).and_then(scalar)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// `1`, or what Perl takes for true in JSON.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        Some(matches!(self.text(name)?.as_str(), "1" | "on" | "yes" | "true"))
    }

    /// The values of an array parameter.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        match self.parameters.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
            Some(value) => scalar(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The node of the path; `localhost` is already resolved.
    pub(crate) fn node(&self) -> String {
        self.text("node").unwrap_or_default()
    }

    /// The VMID of the path or the body (checked: 100 to 999999999).
    pub(crate) fn vmid(&self) -> u32 {
        self.integer("vmid").and_then(|vmid| vmid.try_into().ok()).unwrap_or(0)
    }

    /// Fails with 403 unless the caller has all of these privileges on the path.
    pub(crate) fn require(&self, path: &str, privileges: &[&str]) -> Result<(), ApiError> {
        self.state.access.require(&self.caller, path, privileges, false)
    }

    /// Fails with 403 unless the caller has one of these privileges on the path.
    pub(crate) fn require_any(&self, path: &str, privileges: &[&str]) -> Result<(), ApiError> {
        self.state.access.require(&self.caller, path, privileges, true)
    }

    /// Whether the caller has all of these privileges on the path.
    pub(crate) fn may(&self, path: &str, privileges: &[&str]) -> bool {
        self.require(path, privileges).is_ok()
    }

    /// Whether the caller has one of these privileges on the path.
    pub(crate) fn may_any(&self, path: &str, privileges: &[&str]) -> bool {
        self.require_any(path, privileges).is_ok()
    }
}

/// A scalar as Perl would print it.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Bool(false) => Some("0".to_owned()),
        _ => None,
    }
}
