//! How far cloud-init is, from `/run/cloud-init/{status,result}.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What cloud-init left on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudInit {
    pub installed: bool,
    /// By `/etc/cloud/cloud-init.disabled`.
    pub disabled: bool,
    pub ran_this_boot: bool,
    /// Whether it ever came to its end for the current instance.
    pub finished_once: bool,
    pub instance: Option<String>,
    /// `status.json` as it is.
    pub status: Option<Value>,
    /// `result.json` as it is; there once it has finished.
    pub result: Option<Value>,
}

/// What to make of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CloudInitState {
    /// Nothing to wait for.
    Absent,
    Disabled,
    /// In a stage (`init-local`, `init`, `modules-config`, `modules-final`), or between two.
    Running {
        stage: Option<String>,
    },
    Done,
    /// It went on after these (CI-04).
    Degraded {
        reasons: Vec<String>,
    },
    Failed {
        errors: Vec<String>,
    },
}

impl CloudInit {
    pub fn state(&self) -> CloudInitState {
        if !self.installed {
            return CloudInitState::Absent;
        }
        if self.disabled {
            return CloudInitState::Disabled;
        }
        let status = self.status.as_ref().and_then(|status| status.get("v1"));
        let Some(result) = self.result.as_ref() else {
            let stage = status
                .and_then(|status| status.get("stage"))
                .and_then(Value::as_str)
                .map(str::to_owned);
            return CloudInitState::Running { stage };
        };
        let stages =
            status.and_then(Value::as_object).into_iter().flatten().map(|(_, stage)| stage);
        let mut errors = texts(result.pointer("/v1/errors"));
        let mut reasons = recoverable(result.pointer("/v1/recoverable_errors"));
        for stage in stages {
            errors.extend(texts(stage.get("errors")));
            reasons.extend(recoverable(stage.get("recoverable_errors")));
        }
        distinct(&mut errors);
        distinct(&mut reasons);
        if !errors.is_empty() {
            CloudInitState::Failed { errors }
        } else if !reasons.is_empty() {
            CloudInitState::Degraded { reasons }
        } else {
            CloudInitState::Done
        }
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let texts = list.and_then(Value::as_array).into_iter().flatten();
    texts.map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect()
}

/// `{"WARNING": ["..."]}` as `WARNING: ...`. Deprecations are for the writers of seeds, not for a run.
fn recoverable(levels: Option<&Value>) -> Vec<String> {
    let levels = levels.and_then(Value::as_object).into_iter().flatten();
    levels
        .filter(|(level, _)| level.as_str() != "DEPRECATED")
        .flat_map(|(level, list)| {
            texts(Some(list)).into_iter().map(move |text| format!("{level}: {text}"))
        })
        .collect()
}

/// Sorted, each once: stages and result tell the same error.
fn distinct(texts: &mut Vec<String>) {
    texts.sort();
    texts.dedup();
}
