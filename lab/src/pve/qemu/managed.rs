//! Power of a guest under high availability: a request is written down and its task ends; the cluster's
//! manager comes round and does it (PVE/API2/Qemu.pm, `vm_start` and `vm_stop`; PVE/HA/LRM.pm).

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    call::{CONFIG_WAIT, Subject, begin},
    power::{start_guest, stop_locked},
};
use crate::pve::{request::Request, task::Worker};

/// The manager looks at its resources this often.
const ROUND: Duration = Duration::from_secs(10);

pub(super) fn start(request: &Request) -> Value {
    let subject = Subject::of(request);
    let id = subject.vmid.to_string();
    begin(request, "hastart", &id, move |worker| async move {
        worker.log(format!("Requesting HA start for VM {}", subject.vmid));
        subject.state.cluster.ask(subject.vmid, "started");
        come_round(subject, "qmstart", |subject, worker| async move {
            if subject.is_running() { Ok(()) } else { start_guest(&subject, &worker).await }
        });
        Ok(())
    })
}

pub(super) fn stop(request: &Request) -> Value {
    let subject = Subject::of(request);
    let id = subject.vmid.to_string();
    begin(request, "hastop", &id, move |worker| async move {
        worker.log(format!("Requesting HA stop for VM {}", subject.vmid));
        subject.state.cluster.ask(subject.vmid, "stopped");
        come_round(subject, "qmstop", |subject, worker| async move {
            let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
            if subject.is_running() { stop_locked(&subject).await } else { Ok(()) }
        });
        Ok(())
    })
}

/// What the manager does about a guest when it looks next, as `root@pam`.
fn come_round<F>(
    subject: Subject,
    kind: &'static str,
    work: impl FnOnce(Subject, Worker) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    tokio::spawn(async move {
        subject.state.clock.delay(ROUND).await;
        let state = Arc::clone(&subject.state);
        let (node, id) = (subject.node.clone(), subject.vmid.to_string());
        let now = {
            let state = Arc::clone(&state);
            move || state.clock.now()
        };
        state.tasks.spawn(now, (&node, kind, &id), "root@pam", |worker| work(subject, worker));
    });
}
