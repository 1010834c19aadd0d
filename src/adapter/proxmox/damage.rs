//! Answers that no Proxmox should give: each is read or refused with the call's name, and nothing crashes.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Entry},
    failure::{of_answer, of_task, task_state},
};
use crate::{
    damage::{any_json, cases, damaged_json, nonsense},
    ports::{ProxmoxError, TaskState},
};

/// Answers as a Proxmox VE 9 gives them, one a call that is read.
fn recorded() -> Vec<Value> {
    vec![
        json!({"data": null}),
        json!({"data": {"version": "9.1.2", "release": "9.1", "repoid": "abcdef"}}),
        json!({"data": "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:"}),
        json!({"data": [{"node": "pve1", "status": "online", "maxcpu": 16, "maxmem": 67_108_864_000_u64,
            "mem": "1234", "level": "", "type": "node"}]}),
        json!({"data": [{"vmid": 102, "node": "pve1", "name": "k3s-server", "status": "running", "template": 0,
            "tags": "homelab;homelab-6d1f0f1e", "maxmem": 4_294_967_296_u64, "type": "qemu", "lock": "clone"}]}),
        json!({"data": [{"storage": "local", "type": "dir", "content": "iso,vztmpl", "active": 1, "shared": 0,
            "total": 100, "avail": "50"}]}),
        json!({"data": [{"iface": "vmbr0", "type": "bridge", "cidr": "192.168.1.10/24", "gateway": "192.168.1.1",
            "mtu": "1500", "active": 1}]}),
        json!({"data": [{"roleid": "PVEAdmin", "privs": "VM.Audit,VM.Allocate", "special": 1}]}),
        json!({"data": [{"volid": "local:iso/a.iso", "size": "366", "ctime": 1}, {"volid": "l:vm-1-disk-0",
            "size": 1, "vmid": "100"}]}),
        json!({"data": [{"key": "cores", "value": 2, "pending": 4}, {"key": "ide2", "value": "x", "delete": 1}]}),
        json!({"data": [{"upid": "UPID:n:1:2:3:qmclone:9:u@pve!t:", "status": "RUNNING"}, {"upid":
            "UPID:n:4:2:3:qmstart:9:u@pve!t:", "status": "OK", "endtime": 1}]}),
        json!({"data": {"digest": "0a", "cores": 2, "memory": "2048", "name": "a", "scsi0": "l:vm-1-disk-0,size=8G",
            "description": "<!-- homelab:v1 cluster=x -->\n"}}),
        json!({"data": {"status": "stopped", "uptime": 0, "agent": 1, "lock": "backup", "qmpstatus": "stopped"}}),
        json!({"data": {"status": "stopped", "exitstatus": "WARNINGS: 1", "upid": "x"}}),
        json!({"data": {"/vms": {"VM.Audit": 1, "VM.Clone": 0}, "/": {"Sys.Audit": 1}}}),
    ]
}

fn any_answer() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => any_json(),
        1 => any_json().prop_map(|data| json!({"data": data})),
        4 => proptest::sample::select(recorded()).prop_flat_map(damaged_json),
    ]
}

/// Everything that an answer may be read as; what it is refused with.
fn refusals(answer: &Answer) -> Vec<ProxmoxError> {
    let mut refused = Vec::new();
    macro_rules! read {
        ($($reading:expr),* $(,)?) => { $(refused.extend($reading.err());)* };
    }
    read!(
        answer.date(),
        answer.upid(),
        answer.version(),
        answer.privileges("/vms"),
        answer.guest_config(),
        answer.guest_status(),
        answer.task_state(),
        answer.each(Entry::node_summary),
        answer.each(Entry::guest_summary),
        answer.each(Entry::storage_summary),
        answer.each(Entry::bridge),
        answer.each(Entry::role),
        answer.each(Entry::volume),
        answer.guest_settings(),
        answer.each(Entry::active_task),
        answer.each(|entry| entry.text("x")),
    );
    refused
}

#[test]
fn each_recorded_answer_is_read_as_what_it_answers() {
    for json in recorded() {
        let body = json.to_string();
        let answer = Answer::parse("GET /x".into(), false, body.as_bytes()).unwrap();
        // No date, at least, and never everything else.
        assert!(refusals(&answer).len() < 16, "{body}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_answer_that_makes_no_sense_is_refused_with_its_call(json in any_answer(), writes in any::<bool>()) {
        let body = json.to_string();
        match Answer::parse("GET /x".into(), writes, body.as_bytes()) {
            Ok(answer) => {
                prop_assert!(json.is_object());
                for refused in refusals(&answer) {
                    let told = refused.to_string();
                    prop_assert!(told.contains("GET /x"), "{told}");
                }
            }
            Err(refused) => prop_assert!(refused.to_string().contains("GET /x"), "{refused}"),
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_a_refusal(bytes in vec(any::<u8>(), 0..64), status in 300..1000_u16) {
        if let Ok(answer) = Answer::parse("GET /x".into(), true, &bytes) {
            refusals(&answer);
        }
        let reason = String::from_utf8_lossy(&bytes).into_owned();
        for reason in [None, Some(reason.as_str())] {
            prop_assert!(!of_answer("GET /x", true, status, reason, &bytes).to_string().is_empty());
        }
    }

    #[test]
    fn a_refusal_of_any_shape_is_understood(json in any_json(), status in 300..1000_u16, writes in any::<bool>()) {
        let body = json!({"data": null, "message": json, "errors": json}).to_string();
        prop_assert!(!of_answer("PUT /x", writes, status, None, body.as_bytes()).to_string().is_empty());
    }

    #[test]
    fn a_task_that_ends_in_odd_words_is_no_success(words in prop_oneof![
        nonsense(), "\\PC{0,20}", "(OK|WARNINGS: |unexpected status|running)\\PC{0,8}",
    ]) {
        prop_assert!(!of_task("qmclone of 9000", &words).to_string().is_empty());
        let state = task_state("stopped", Some(&words));
        let is_success = matches!(state, TaskState::Ok | TaskState::Warnings(_));
        let said = words.trim();
        let says_so = said == "OK" || said.strip_prefix("WARNINGS: ").is_some_and(|count| count.parse::<u32>().is_ok());
        prop_assert_eq!(is_success, says_so, "{:?}", state);
        prop_assert_ne!(state, TaskState::Running);
    }
}
