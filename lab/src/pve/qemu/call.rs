//! What the handlers of this module share: a call about one guest.

use std::{future::Future, sync::Arc, time::Duration};

use serde_json::Value;

use super::config::GuestConfig;
use crate::{
    hypervisor::PowerState,
    pve::{
        error::ApiError,
        request::Request,
        state::State,
        task::{Held, Patience, Upid, Worker},
    },
};

/// How long one waits for a guest's configuration lock.
pub(crate) const CONFIG_WAIT: Duration = Duration::from_secs(10);
/// How long clones and creations wait.
pub(crate) const CLONE_WAIT: Duration = Duration::from_secs(1);
/// How long one waits for a storage.
pub(crate) const STORAGE_WAIT: Duration = Duration::from_secs(10);

/// A guest that a call or a task is about.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) state: Arc<State>,
    pub(crate) node: String,
    pub(crate) vmid: u32,
}

impl Subject {
    pub(crate) fn of(request: &Request) -> Self {
        Self { state: Arc::clone(&request.state), node: request.node(), vmid: request.vmid() }
    }

    /// The same for another guest.
    pub(crate) fn with_vmid(&self, vmid: u32) -> Self {
        Self { vmid, ..self.clone() }
    }

    /// # Errors
    ///
    /// `Configuration file '..' does not exist`
    pub(crate) fn load(&self) -> Result<GuestConfig, String> {
        self.state.qemu.load(&self.node, self.vmid)
    }

    pub(crate) fn save(&self, config: &GuestConfig) {
        self.state.qemu.save(self.vmid, config.clone());
    }

    pub(crate) fn power(&self) -> PowerState {
        self.state.hypervisor().power_state(self.vmid)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.power(), PowerState::Running { .. })
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.qemu.find(self.vmid).is_some_and(|guest| guest.paused) && self.is_running()
    }

    /// The exclusive configuration lock.
    ///
    /// # Errors
    ///
    /// `can't lock file '..' - got timeout`
    pub(crate) async fn lock(
        &self,
        wait: Duration,
        worker: Option<&Worker>,
    ) -> Result<Held, String> {
        let lock = self.state.qemu.lock_of(self.vmid);
        lock.exclusive(patience(&self.state, wait, worker)).await
    }

    /// The shared configuration lock.
    ///
    /// # Errors
    ///
    /// `can't lock file '..' - got timeout`
    pub(crate) async fn lock_shared(
        &self,
        wait: Duration,
        worker: Option<&Worker>,
    ) -> Result<Held, String> {
        let lock = self.state.qemu.lock_of(self.vmid);
        lock.shared(patience(&self.state, wait, worker)).await
    }
}

pub(crate) fn patience<'a>(
    state: &'a State,
    longest: Duration,
    worker: Option<&'a Worker>,
) -> Patience<'a> {
    Patience { clock: &state.clock, longest, worker }
}

/// # Errors
///
/// `VM is locked (..)`
pub(crate) fn check_lock(config: &GuestConfig) -> Result<(), String> {
    match config.get("lock") {
        Some(lock) => Err(format!("VM is locked ({lock})")),
        None => Ok(()),
    }
}

/// Begins a task on the request's node in the caller's name; answers its UPID.
pub(crate) fn begin<F>(
    request: &Request,
    kind: &str,
    id: &str,
    code: impl FnOnce(Worker) -> F,
) -> Value
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let state = Arc::clone(&request.state);
    let forced = request.forced_exit.clone();
    let hold = request.hold;
    let code = |worker: Worker| {
        let work = code(worker.clone());
        async move {
            if let Some(hold) = hold {
                tokio::time::sleep(hold).await;
            }
            match forced {
                None => work.await,
                Some(forced) => {
                    if !forced.instead {
                        work.await?;
                    }
                    worker.force(&forced.status)
                }
            }
        }
    };
    let upid = request.state.tasks.spawn(
        move || state.clock.now(),
        (&request.node(), kind, id),
        &request.caller.identity(),
        code,
    );
    note_in_cluster_log(request, &upid);
    Value::String(upid.to_string())
}

/// The cluster's log tells of a task's beginning and end.
fn note_in_cluster_log(request: &Request, upid: &Upid) {
    let user = request.caller.identity();
    request.state.note(&user, format!("starting task {upid}"));
    if let Some(worker) = request.state.tasks.find(upid) {
        let state = Arc::clone(&request.state);
        tokio::spawn(async move {
            let status = worker.ended().await;
            state.note(&user, format!("end task {} {status}", worker.upid()));
        });
    }
}

/// `skiplock` and its like are root's alone.
///
/// # Errors
///
/// 400 `Only root may use this option.`
pub(crate) fn root_only(request: &Request, names: &[&str]) -> Result<(), ApiError> {
    for name in names {
        if request.has(name) && !request.caller.is_root() {
            return Err(ApiError::parameter(*name, "Only root may use this option."));
        }
    }
    Ok(())
}
