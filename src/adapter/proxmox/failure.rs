//! What went wrong, read from Proxmox's words.
//!
//! Proxmox answers 500 for almost everything and says what it means in a text: in the HTTP reason phrase,
//! since libpve-http-server-perl 5.2.0 also in the body's `message` (PVE-05). The same texts end tasks.

use std::{collections::BTreeMap, error::Error};

use serde_json::Value;

use crate::{
    adapter::calls::without_manual,
    error::Effect,
    ports::{ProxmoxError, TaskState, says_changed},
};

/// The error that an answer with a status of 300 or more is.
///
/// `writes` says whether the call may have changed something.
pub(super) fn of_answer(
    call: &str,
    writes: bool,
    status: u16,
    reason: Option<&str>,
    body: &[u8],
) -> ProxmoxError {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| json["message"].as_str()).map(str::trim);
    let plain = || std::str::from_utf8(body).ok().filter(|_| json.is_none()).map(str::trim);
    let message = [said, reason.map(str::trim), plain()]
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or("no reason given")
        .to_owned();
    match status {
        400 => ProxmoxError::Invalid {
            call: call.to_owned(),
            message: message.trim_end_matches('.').to_owned(),
            errors: json.map(|json| parameter_errors(&json["errors"])).unwrap_or_default(),
        },
        401 => ProxmoxError::Unauthorized(message),
        403 => ProxmoxError::Forbidden(format!("{message} ({call})")),
        500 => of_text(call, writes, message),
        _ => {
            let lost = writes && is_passing(status);
            let effect = if lost { Effect::Unknown } else { Effect::None };
            ProxmoxError::Answer { call: call.to_owned(), status, message, effect }
        }
    }
}

/// The error that a task's end text is: `call` names the task (`qmclone of 9000`).
pub fn of_task(call: &str, text: &str) -> ProxmoxError {
    of_text(call, true, text.trim().to_owned())
}

fn of_text(call: &str, writes: bool, message: String) -> ProxmoxError {
    let call = call.to_owned();
    if is_lock(&message) {
        ProxmoxError::Locked { call, message }
    } else if says_changed(&message) {
        ProxmoxError::Changed { call, message }
    } else if message.contains("already exists")
        || message.contains("refusing to override existing file")
    {
        ProxmoxError::Exists { call, message }
    } else {
        let effect = if writes && !is_refusal(&message) { Effect::Unknown } else { Effect::None };
        ProxmoxError::Answer { call, status: 500, message, effect }
    }
}

/// 59x are pveproxy's own, for a hop to pvedaemon or another node that failed (PVE-04); 502 to 504 a
/// reverse proxy's. Of a write, nobody knows whether it was carried out.
pub(super) const fn is_passing(status: u16) -> bool {
    matches!(status, 502..=504 | 595..=599)
}

/// Locks that were not had in time, and guests with a `lock` (PVE-01, PVE-15).
fn is_lock(message: &str) -> bool {
    (message.contains("can't lock file") && message.contains("got timeout"))
        || message.contains("got lock request timeout")
        || message.contains("-locked command timed out")
        || message.contains("VM is locked (")
}

/// Refusals that come before anything is touched.
fn is_refusal(message: &str) -> bool {
    const TEXTS: [&str; 10] = [
        "does not exist",
        "unable to find configuration file",
        " not running",
        "is running - destroy failed",
        "protection mode enabled",
        "only root can",
        "no options specified",
        "cluster not ready - no quorum?",
        "hostname lookup",
        "shrinking disks is not supported",
    ];
    TEXTS.iter().any(|text| message.contains(text))
}

/// `None` for a guest that does not exist: a 500, and only its text tells (never a 404).
pub(super) fn absent_is_none<T>(
    answer: Result<T, ProxmoxError>,
) -> Result<Option<T>, ProxmoxError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ProxmoxError::Answer { status: 500, message, .. }) if is_absent_guest(&message) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_absent_guest(message: &str) -> bool {
    (message.contains("Configuration file '") && message.contains("does not exist"))
        || message.contains("unable to find configuration file for VM")
}

fn parameter_errors(errors: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    errors
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value).trim().to_owned()))
        .collect()
}

/// How a task stands, from `status` and `exitstatus` (`pve-common`, `UPID.pm`; PVE-02).
pub(super) fn task_state(status: &str, exit: Option<&str>) -> TaskState {
    if status == "running" {
        return TaskState::Running;
    }
    let Some(exit) = exit.map(str::trim).filter(|exit| !exit.is_empty()) else {
        return TaskState::Unknown("ended without saying how".into());
    };
    if exit == "OK" {
        return TaskState::Ok;
    }
    if let Some(count) = exit.strip_prefix("WARNINGS: ").and_then(|count| count.parse().ok()) {
        return TaskState::Warnings(count);
    }
    // The log has no result line: the worker was killed, or its node went down. An interrupt stops a
    // worker in the middle; some clean up after themselves and some do not.
    let cut_off =
        ["unexpected status", "unable to get last line", "received interrupt", "got signal"];
    if cut_off.iter().any(|text| exit.starts_with(text)) || exit.contains("interrupted by signal") {
        return TaskState::Unknown(exit.to_owned());
    }
    TaskState::Failed(exit.to_owned())
}

impl ProxmoxError {
    /// Whether a task is not known: so it is for a moment after its UPID was returned (PVE-03).
    pub fn is_no_such_task(&self) -> bool {
        matches!(self, Self::Invalid { errors, .. }
            if errors.get("upid").is_some_and(|text| text.contains("no such task")))
    }

    pub(super) fn is_no_such_pool(&self) -> bool {
        matches!(self, Self::Answer { status: 500, message, .. }
            if message.starts_with("pool '") && message.contains("does not exist"))
    }

    /// Whether the call may be sent again after a while: a lock, or a hop or link that failed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Locked { .. } => true,
            Self::Answer { status, .. } => is_passing(*status),
            _ => false,
        }
    }
}

/// An error and its sources in one line, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    without_manual(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(status: u16, reason: &str) -> ProxmoxError {
        of_answer("PUT /x", true, status, Some(reason), b"")
    }

    #[test]
    fn the_text_is_found_in_the_body_or_else_in_the_reason_phrase() {
        let old = of_answer("GET /x", false, 500, Some("VM 7 not running"), br#"{"data":null}"#);
        let new = of_answer(
            "GET /x",
            false,
            500,
            None,
            br#"{"data":null,"message":"VM 7 not running\n"}"#,
        );
        assert_eq!(old.to_string(), new.to_string());
        assert_eq!(old.to_string(), "GET /x: 500 VM 7 not running");
    }

    #[test]
    fn locks_are_told_from_other_failures() {
        for text in [
            "can't lock file '/var/lock/qemu-server/lock-203.conf' - got timeout",
            "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout",
            "cfs-lock 'storage-x' error: got lock request timeout",
            "'storage-x'-locked command timed out - aborting",
            "VM is locked (clone)",
        ] {
            assert!(matches!(write(500, text), ProxmoxError::Locked { .. }), "{text}");
        }
        let other = write(500, "VM quit/powerdown failed - got timeout");
        assert!(matches!(other, ProxmoxError::Answer { .. }));
    }

    #[test]
    fn an_existing_thing_and_a_changed_configuration_have_kinds_of_their_own() {
        for text in [
            "unable to create VM 100 - VM 100 already exists on node 'pve1'",
            "unable to create VM 310: config file already exists",
        ] {
            assert!(matches!(write(500, text), ProxmoxError::Exists { .. }), "{text}");
        }
        let changed = write(500, "checksum mismatch (file change by other user?)");
        assert!(matches!(changed, ProxmoxError::Changed { .. }));
        let download = of_task("download", "checksum mismatch: got 'a' != expect 'b'");
        assert!(
            matches!(download, ProxmoxError::Answer { .. }),
            "a download's sum is another thing"
        );
    }

    #[test]
    fn a_parameter_error_keeps_the_name_and_text_of_each_parameter() {
        let body = br#"{"data":null,"errors":{"scsi0":"unable to parse drive options\n"},"message":"Parameter verification failed.\n"}"#;
        let error = of_answer("PUT /x", true, 400, None, body);
        assert_eq!(
            error.to_string(),
            "Proxmox refused PUT /x: Parameter verification failed; scsi0: unable to parse drive options"
        );
        assert_eq!(error.effect(), Effect::None);
    }

    #[test]
    fn nobody_knows_what_became_of_a_write_whose_hop_failed() {
        for status in [502, 503, 504, 595, 596, 599] {
            assert_eq!(write(status, "Connection timed out").effect(), Effect::Unknown);
        }
        let read = of_answer("GET /x", false, 596, Some("Connection timed out"), b"");
        assert_eq!(read.effect(), Effect::None);
        assert_eq!(write(500, "VM 210 is running - destroy failed").effect(), Effect::None);
        assert_eq!(write(500, "storage migration failed: broken pipe").effect(), Effect::Unknown);
    }

    #[test]
    fn an_absent_guest_is_none_and_an_absent_storage_is_an_error() {
        let absent = of_answer(
            "GET /x",
            false,
            500,
            Some("Configuration file 'nodes/pve1/qemu-server/4711.conf' does not exist"),
            b"",
        );
        assert!(absent_is_none::<()>(Err(absent)).unwrap().is_none());
        let storage = of_answer("GET /x", false, 500, Some("storage 'nope' does not exist"), b"");
        assert!(absent_is_none::<()>(Err(storage)).is_err());
    }

    #[test]
    fn a_task_with_warnings_is_a_success_and_a_killed_one_is_unknown() {
        assert_eq!(task_state("running", None), TaskState::Running);
        assert_eq!(task_state("stopped", Some("OK")), TaskState::Ok);
        assert_eq!(task_state("stopped", Some("WARNINGS: 2")), TaskState::Warnings(2));
        for killed in [Some("unexpected status"), Some("received interrupt"), Some(""), None] {
            assert!(matches!(task_state("stopped", killed), TaskState::Unknown(_)), "{killed:?}");
        }
        assert_eq!(
            task_state("stopped", Some("shrinking disks is not supported")),
            TaskState::Failed("shrinking disks is not supported".into())
        );
    }
}
