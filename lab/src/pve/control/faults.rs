//! Faults on demand.
//!
//! A fault waits for requests that match its method and path and acts on the `nth` of them, then
//! `times` times in all. A fault about the world (`lock`, `backup`, `busy`, `foreign`) that names no path
//! acts at once; with a path it acts right before the matching request is handled.

use std::{sync::Arc, sync::Mutex, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{actions, log::relative};
use crate::pve::{
    endpoint::Method,
    http::wire::{Head, Reply},
    request::ForcedExit,
    server::Server,
    state::lock,
};

/// A fault as it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// `GET`, `POST`, `PUT`, `DELETE`; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// An endpoint's path (`/nodes/{node}/qemu/{vmid}/clone`) or a request's own
    /// (`/nodes/pve1/qemu/100/clone`); any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Acts from the nth matching request on, counted from 1.
    #[serde(default = "one")]
    pub nth: u32,
    /// How often it acts; 0 is always.
    #[serde(default = "one")]
    pub times: u32,
    #[serde(flatten)]
    pub kind: Kind,
}

fn one() -> u32 {
    1
}

impl Fault {
    /// Reads a fault as it is asked for at the laboratory's door.
    ///
    /// # Errors
    /// When it is no fault, or has a field that its kind doesn't know.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| format!("not a fault: {error}");
        let given: Value = serde_json::from_slice(text).map_err(wrong)?;
        let fault: Self = serde_json::from_value(given.clone()).map_err(wrong)?;
        let own = serde_json::to_value(&fault.kind).map_err(wrong)?;
        let common = ["method", "path", "nth", "times"];
        let unknown = given
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .find(|name| own.get(name).is_none() && !common.contains(&name.as_str()));
        match unknown {
            Some(name) => Err(format!("a fault '{}' has no field '{name}'", fault.kind.name())),
            None => Ok(fault),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Answers with this status and reason instead of making the call.
    Http {
        status: u16,
        reason: String,
        #[serde(default)]
        body: Option<String>,
    },
    /// Ends the task of the call with this exit status. The work is done first unless `instead`.
    Task {
        exit: String,
        #[serde(default)]
        instead: bool,
    },
    /// The task of the call begins its work this much later.
    Hold { seconds: f64 },
    /// Makes the call and closes the connection without a reply.
    DropReply,
    /// Closes the connection after so many bytes of the body, or this share of it; the call is
    /// not made.
    Reset {
        #[serde(default)]
        bytes: Option<u64>,
        #[serde(default)]
        percent: Option<u8>,
    },
    /// Closes connections that were idle for so long from now on.
    IdleClose { seconds: f64 },
    /// Sends the reply this much later.
    Delay { seconds: f64 },
    /// A guest's configuration carries `lock: <lock>` for a while (0 seconds: until unlocked).
    Lock { vmid: u32, lock: String, seconds: f64 },
    /// A backup of these guests begins, as by the node's own schedule: one after the other carries
    /// `lock: backup` for so many seconds. Its task names a guest only where that is the only one.
    Backup { vmids: Vec<u32>, seconds: f64 },
    /// A storage's allocation lock is held for a while.
    Busy { storage: String, seconds: f64 },
    /// Lists hold only the entries of these guests.
    Filter {
        #[serde(default)]
        keep: Vec<u32>,
    },
    /// A guest that is nobody's sits on this VMID.
    Foreign {
        vmid: u32,
        #[serde(default)]
        node: Option<String>,
        #[serde(default)]
        name: Option<String>,
    },
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Task { .. } => "task",
            Self::Hold { .. } => "hold",
            Self::DropReply => "drop_reply",
            Self::Reset { .. } => "reset",
            Self::IdleClose { .. } => "idle_close",
            Self::Delay { .. } => "delay",
            Self::Lock { .. } => "lock",
            Self::Backup { .. } => "backup",
            Self::Busy { .. } => "busy",
            Self::Filter { .. } => "filter",
            Self::Foreign { .. } => "foreign",
        }
    }

    fn is_about_the_world(&self) -> bool {
        matches!(
            self,
            Self::Lock { .. }
                | Self::Backup { .. }
                | Self::Busy { .. }
                | Self::Foreign { .. }
                | Self::IdleClose { .. }
        )
    }
}

/// A fault that waits, with how often it matched and acted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Waiting {
    number: u64,
    #[serde(flatten)]
    fault: Fault,
    matched: u32,
    acted: u32,
}

/// The faults that wait.
#[derive(Default)]
pub(crate) struct Faults {
    waiting: Mutex<(u64, Vec<Waiting>)>,
}

impl Faults {
    /// Takes a fault in; one about the world without a path acts now.
    ///
    /// # Errors
    /// When the fault names a guest, a storage or a node that doesn't exist.
    pub(crate) async fn add(&self, server: &Arc<Server>, fault: Fault) -> Result<u64, String> {
        let at_once = fault.kind.is_about_the_world() && fault.path.is_none();
        if at_once {
            actions::act(server, &fault.kind).await?;
        }
        let mut waiting = lock(&self.waiting);
        waiting.0 += 1;
        let number = waiting.0;
        if !at_once {
            waiting.1.push(Waiting { number, fault, matched: 0, acted: 0 });
        }
        Ok(number)
    }

    pub(crate) fn list(&self) -> Vec<Waiting> {
        lock(&self.waiting).1.clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.waiting).1.clear();
    }

    /// What acts on a request; spent faults are forgotten.
    pub(crate) async fn take(&self, server: &Arc<Server>, head: &Head) -> Effects {
        let path = relative(&head.path());
        let endpoint = Method::parse(&head.method)
            .and_then(|method| server.router.find(method, &path))
            .map(|(endpoint, _)| endpoint.path);
        let mut kinds = Vec::new();
        {
            let mut waiting = lock(&self.waiting);
            for entry in &mut waiting.1 {
                let fault = &entry.fault;
                let method_fits = fault.method.as_ref().is_none_or(|method| *method == head.method);
                let path_fits = fault
                    .path
                    .as_ref()
                    .is_none_or(|wanted| Some(wanted.as_str()) == endpoint || *wanted == path);
                if !method_fits || !path_fits {
                    continue;
                }
                entry.matched += 1;
                if entry.matched >= fault.nth && (fault.times == 0 || entry.acted < fault.times) {
                    entry.acted += 1;
                    kinds.push(fault.kind.clone());
                }
            }
            waiting.1.retain(|entry| entry.fault.times == 0 || entry.acted < entry.fault.times);
        }
        let mut effects = Effects::default();
        for kind in kinds {
            effects.names.push(kind.name().to_owned());
            if kind.is_about_the_world() {
                if let Err(error) = actions::act(server, &kind).await {
                    tracing::warn!(%error, "a fault could not act");
                }
            } else {
                effects.add(kind);
            }
        }
        effects
    }
}

/// What the faults do to one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    names: Vec<String>,
    reply: Option<(u16, String, Option<String>)>,
    pub(crate) drop_reply: bool,
    reset: Option<(Option<u64>, Option<u8>)>,
    pub(crate) delay: Option<Duration>,
    pub(crate) forced_exit: Option<ForcedExit>,
    pub(crate) hold: Option<Duration>,
    keep: Option<Vec<u32>>,
}

impl Effects {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Http { status, reason, body } => self.reply = Some((status, reason, body)),
            Kind::Task { exit, instead } => {
                self.forced_exit = Some(ForcedExit { status: exit, instead });
            }
            Kind::Hold { seconds } => self.hold = Duration::try_from_secs_f64(seconds).ok(),
            Kind::DropReply => self.drop_reply = true,
            Kind::Reset { bytes, percent } => self.reset = Some((bytes, percent)),
            Kind::Delay { seconds } => {
                self.delay = Duration::try_from_secs_f64(seconds).ok();
            }
            Kind::Filter { keep } => self.keep = Some(keep),
            Kind::Lock { .. }
            | Kind::Backup { .. }
            | Kind::Busy { .. }
            | Kind::Foreign { .. }
            | Kind::IdleClose { .. } => {}
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// After how many bytes of the body the connection is cut.
    pub(crate) fn reset_after(&self, length: u64) -> Option<u64> {
        let (bytes, percent) = self.reset?;
        Some(bytes.unwrap_or_else(|| length * u64::from(percent.unwrap_or(0).min(100)) / 100))
    }

    /// The answer that stands in for the call.
    pub(crate) fn instead(&self) -> Option<Reply> {
        let (status, reason, body) = self.reply.clone()?;
        let body = body.unwrap_or_else(|| {
            serde_json::json!({ "data": null, "message": format!("{reason}\n") }).to_string()
        });
        Some(Reply {
            status,
            message: reason,
            content_type: Some("application/json;charset=UTF-8"),
            body: body.into_bytes(),
            ..Reply::default()
        })
    }

    /// Takes entries out of a list.
    pub(crate) fn change(&self, reply: &mut Reply) {
        let Some(keep) = &self.keep else { return };
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return };
        if let Some(entries) = body["data"].as_array_mut() {
            entries.retain(|entry| {
                entry["vmid"]
                    .as_u64()
                    .is_some_and(|vmid| keep.iter().any(|kept| u64::from(*kept) == vmid))
            });
            reply.body = body.to_string().into_bytes();
        }
    }
}
