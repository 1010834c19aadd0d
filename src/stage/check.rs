//! A check: what is looked at, and, when it does not pass, why not and what to try next.

use serde::Serialize;

use crate::{inventory::discretion::without_secrets, model::NodeName};

/// Its texts repeat what others say, and so are kept without what has the form or the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable over versions: `tailnet/mtu`.
    pub id: &'static str,
    /// `None`: of the cluster as a whole.
    pub node: Option<NodeName>,
    /// What should be so: `tailscale0 has MTU 1420`.
    pub title: String,
    #[serde(flatten)]
    pub state: CheckState,
    /// It did not fail, and yet nobody looks after what it is about: somebody switched that off. It is told where
    /// else failures alone are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// It could not be made: what it asks did not answer. What it is about may be well or ill.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blind: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CheckState {
    Passed { seen: String },
    Failed { cause: String, next: String },
    Skipped { why: String },
}

/// What was seen, or why a check does not pass and the next thing to try.
pub(crate) type Finding = Result<String, (String, String)>;

impl Check {
    pub fn new(
        id: &'static str,
        node: Option<&NodeName>,
        title: impl Into<String>,
        state: CheckState,
    ) -> Self {
        Self::made(id, node.cloned(), title, state)
    }

    fn made(
        id: &'static str,
        node: Option<NodeName>,
        title: impl Into<String>,
        state: CheckState,
    ) -> Self {
        Self {
            id,
            node,
            title: without_secrets(&title.into()),
            state,
            unattended: false,
            blind: false,
        }
    }

    pub(crate) fn of(
        id: &'static str,
        node: impl Into<Option<NodeName>>,
        title: impl Into<String>,
        finding: Finding,
    ) -> Self {
        let state = match finding {
            Ok(seen) => CheckState::Passed { seen: without_secrets(&seen) },
            Err((cause, next)) => {
                CheckState::Failed { cause: without_secrets(&cause), next: without_secrets(&next) }
            }
        };
        Self::made(id, node.into(), title, state)
    }

    pub(crate) fn skipped(
        id: &'static str,
        node: impl Into<Option<NodeName>>,
        title: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let state = CheckState::Skipped { why: without_secrets(&why.into()) };
        Self::made(id, node.into(), title, state)
    }

    /// Skipped, since somebody switched off what would look after it; `why` says how it is switched on again.
    pub(crate) fn unattended(
        id: &'static str,
        node: impl Into<Option<NodeName>>,
        title: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { unattended: true, ..Self::skipped(id, node, title, why) }
    }

    /// Skipped, since what it asks did not answer, which another check tells.
    pub(crate) fn blind(
        id: &'static str,
        node: impl Into<Option<NodeName>>,
        title: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { blind: true, ..Self::skipped(id, node, title, why) }
    }

    /// Whether a person should hear of it even where all that is well is left out.
    pub fn is_worth_telling(&self) -> bool {
        self.has_failed() || self.unattended
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.state, CheckState::Failed { .. })
    }
}

/// A finding: fine when `holds`, else the cause and what to try next.
pub(crate) fn expect(holds: bool, cause: impl Into<String>, next: impl Into<String>) -> Finding {
    if holds { Ok("as planned".into()) } else { Err((cause.into(), next.into())) }
}
