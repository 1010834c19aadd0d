//! Starting and stopping.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    call::{CONFIG_WAIT, Subject, begin, check_lock, root_only},
    cloudinit, managed, pending, spec,
};
use crate::pve::{error::ApiError, request::Request, task::Worker};

/// How long a guest has to power itself off where nobody says.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(60);

/// Starts a guest under its lock, with what was pending applied.
///
/// # Errors
///
/// The task's exit status.
pub(crate) async fn start_guest(subject: &Subject, worker: &Worker) -> Result<(), String> {
    let _held = subject.lock(CONFIG_WAIT, Some(worker)).await?;
    start_locked(subject, worker).await
}

async fn start_locked(subject: &Subject, worker: &Worker) -> Result<(), String> {
    let vmid = subject.vmid;
    let mut config = subject.load()?;
    if config.is_template() {
        return Err("you can't start a vm if it's a template".to_owned());
    }
    check_lock(&config)?;
    if subject.is_running() {
        return Err(format!("VM {vmid} already running"));
    }
    pending::apply_all(subject, &mut config).await?;
    subject.save(&config);
    cloudinit::check_snippets(subject, &config)?;
    let guest = spec::resolve(subject, &config.current)?;
    if cloudinit::regenerate(subject, &mut config).await? {
        worker.log("generating cloud-init ISO");
    }
    subject.save(&config);
    worker.wait_for(subject.state.hypervisor().start(&guest)).await??;
    subject.state.qemu.set_paused(vmid, false);
    Ok(())
}

pub(crate) async fn start(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock", "stateuri", "migratedfrom", "force-cpu"])?;
    let subject = Subject::of(&request);
    if subject.state.cluster.is_managed(subject.vmid) {
        return Ok(managed::start(&request));
    }
    Ok(begin(&request, "qmstart", &subject.vmid.to_string(), move |worker| async move {
        start_guest(&subject, &worker).await
    }))
}

/// Takes the power away and applies what was pending. An error is the task's exit status.
pub(crate) async fn stop_locked(subject: &Subject) -> Result<(), String> {
    subject.state.hypervisor().kill(subject.vmid).await;
    after_stop(subject).await
}

async fn after_stop(subject: &Subject) -> Result<(), String> {
    subject.state.qemu.set_paused(subject.vmid, false);
    let mut config = subject.load()?;
    pending::apply_all(subject, &mut config).await?;
    subject.save(&config);
    Ok(())
}

pub(crate) async fn stop(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock", "keepActive", "migratedfrom"])?;
    let subject = Subject::of(&request);
    let overrule = request.boolean("overrule-shutdown").unwrap_or(false);
    let skip = request.boolean("skiplock").unwrap_or(false);
    let id = subject.vmid.to_string();
    if subject.state.cluster.is_managed(subject.vmid) {
        return Ok(managed::stop(&request));
    }
    Ok(begin(&request, "qmstop", &id.clone(), move |worker| async move {
        if overrule {
            for other in subject.state.tasks.running() {
                let task = other.upid();
                if task.kind == "qmshutdown" && task.id == id {
                    other.interrupt();
                }
            }
        }
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        if !subject.is_running() {
            return subject.load().map(|_| ());
        }
        let config = subject.load()?;
        if !skip {
            check_lock(&config)?;
        }
        worker.wait_for(stop_locked(&subject)).await?
    }))
}

pub(crate) async fn shutdown(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock", "keepActive"])?;
    let subject = Subject::of(&request);
    let wait = request
        .integer("timeout")
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(SHUTDOWN_WAIT, Duration::from_secs);
    let force = request.boolean("forceStop").unwrap_or(false);
    if subject.is_paused() {
        if !force {
            return Err(ApiError::failure("VM is paused - cannot shutdown"));
        }
        let id = subject.vmid.to_string();
        return Ok(begin(&request, "qmstop", &id, move |worker| async move {
            let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
            stop_locked(&subject).await
        }));
    }
    let id = subject.vmid.to_string();
    Ok(begin(&request, "qmshutdown", &id, move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let config = subject.load()?;
        if !subject.is_running() {
            return Ok(());
        }
        check_lock(&config)?;
        shutdown_locked(&subject, &worker, wait, force).await
    }))
}

async fn shutdown_locked(
    subject: &Subject,
    worker: &Worker,
    wait: Duration,
    force: bool,
) -> Result<(), String> {
    let wait = subject.state.clock.scaled(wait);
    let down = worker.wait_for(subject.state.hypervisor().shutdown(subject.vmid, wait)).await?;
    if down {
        return after_stop(subject).await;
    }
    if force {
        worker.log("VM quit/powerdown failed - terminating now with SIGTERM");
        return stop_locked(subject).await;
    }
    Err("VM quit/powerdown failed - got timeout".to_owned())
}

pub(crate) async fn reboot(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    if subject.is_paused() {
        return Err(ApiError::failure("VM is paused - cannot shutdown"));
    }
    require_running(&subject)?;
    let wait = request
        .integer("timeout")
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(SHUTDOWN_WAIT, Duration::from_secs);
    Ok(begin(&request, "qmreboot", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        check_lock(&subject.load()?)?;
        shutdown_locked(&subject, &worker, wait, false).await?;
        start_locked(&subject, &worker).await
    }))
}

pub(crate) async fn reset(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock"])?;
    let subject = Subject::of(&request);
    require_running(&subject)?;
    Ok(begin(&request, "qmreset", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        check_lock(&subject.load()?)?;
        subject.state.hypervisor().reset(subject.vmid).await
    }))
}

pub(crate) async fn suspend(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock"])?;
    let subject = Subject::of(&request);
    require_running(&subject)?;
    if request.boolean("todisk").unwrap_or(false) {
        return Err(ApiError::failure("suspending to disk is not emulated"));
    }
    Ok(begin(&request, "qmpause", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        check_lock(&subject.load()?)?;
        subject.state.qemu.set_paused(subject.vmid, true);
        Ok(())
    }))
}

pub(crate) async fn resume(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock", "nocheck"])?;
    let subject = Subject::of(&request);
    require_running(&subject)?;
    Ok(begin(&request, "qmresume", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        check_lock(&subject.load()?)?;
        subject.state.qemu.set_paused(subject.vmid, false);
        Ok(())
    }))
}

fn require_running(subject: &Subject) -> Result<(), ApiError> {
    if subject.is_running() {
        Ok(())
    } else {
        Err(ApiError::failure(format!("VM {} not running", subject.vmid)))
    }
}

pub(crate) async fn index(_: Request) -> Result<Value, ApiError> {
    let names = ["current", "start", "stop", "reset", "shutdown", "suspend", "reboot"];
    Ok(names.iter().map(|name| json!({ "subdir": name })).collect())
}
