//! What a run tells while it goes: the one stream that bars, lines and JSON are rendered from.

mod redacted;

use std::sync::Arc;

use serde::Serialize;

use crate::{model::NodeName, plan::StepId, stage::StageId};

/// The version of the JSON form; fields are only ever added within a version.
pub const EVENT_VERSION: u32 = 1;

/// One event. Carries no secret once it was sent: it goes to terminals, files and CI logs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    RunStarted {
        run: String,
        command: String,
        cluster: String,
    },
    /// A command that changes nothing looks at the world, which may take its time where a host is silent.
    Looking {
        cluster: String,
    },
    /// The steps that will run, in the order of the ladder, before the first of them.
    Planned {
        steps: Vec<PlannedStep>,
    },
    StepStarted {
        step: StepId,
        stage: StageId,
        node: Option<NodeName>,
        title: String,
    },
    /// Something is waited for: what is wanted, what is seen, how long is left.
    Waiting {
        step: StepId,
        wanted: String,
        seen: String,
        seconds_left: u64,
    },
    /// How far a transfer, a copy or a task has come: bytes, or `%` of 100.
    Progress {
        step: StepId,
        done: u64,
        total: Option<u64>,
        unit: &'static str,
    },
    /// The last line of a guest's console or a task's log, for a person who waits.
    Output {
        step: StepId,
        line: String,
    },
    Retrying {
        step: StepId,
        attempt: u32,
        error: String,
        seconds: u64,
    },
    StepFinished {
        step: StepId,
        outcome: StepOutcome,
        seconds: f64,
    },
    /// Proxmox does not answer, and is asked again.
    Reconnecting {
        endpoint: String,
        error: String,
        /// The try that comes next, from 2.
        attempt: u32,
        attempts: u32,
        seconds: f64,
    },
    Warning {
        step: Option<StepId>,
        text: String,
    },
    /// A person pressed Ctrl-C once: steps are being finished or safely left.
    Interrupted,
    RunFinished {
        run: String,
        command: String,
        outcome: RunOutcome,
        /// What the program ends with, unless what it still has to print cannot be printed.
        exit_code: u8,
        seconds: f64,
    },
    /// What moves on the screen makes room for a text or a question, and says when it has.
    #[serde(skip)]
    Pause(Arc<tokio::sync::Notify>),
    /// The last of all: renderers print what they still have and end.
    #[serde(skip)]
    Closed,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlannedStep {
    pub step: StepId,
    pub stage: StageId,
    pub node: Option<NodeName>,
    pub title: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepOutcome {
    Done,
    /// It was so already.
    Unchanged {
        why: String,
    },
    Warned {
        warnings: Vec<String>,
    },
    Failed {
        message: String,
    },
    /// Left undone: a step that it needs failed, or the run was interrupted.
    Skipped {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum RunOutcome {
    Done {
        changed: usize,
        stages: Vec<StageTime>,
    },
    NothingToDo {
        /// Only some stages or nodes were asked for.
        in_part: bool,
        /// Of how much the run warned that it could not see, or does not do.
        reservations: usize,
    },
    Failed {
        message: String,
    },
    Interrupted,
}

/// How long a stage took, from its first step to its last. Stages overlap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTime {
    pub stage: StageId,
    pub seconds: f64,
}

/// Where events go. Cheap to clone; a closed receiver is no error: nobody is looking.
#[derive(Clone, Debug)]
pub struct Events(tokio::sync::mpsc::UnboundedSender<Event>);

impl Events {
    pub fn channel() -> (Self, tokio::sync::mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends an event, without what has the form of a secret in its texts.
    pub fn send(&self, event: Event) {
        // Nobody looking is fine.
        let _ = self.0.send(event.redacted());
    }
}
