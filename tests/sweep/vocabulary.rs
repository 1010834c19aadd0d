//! Each fault that Proxmox VE is known for, once, at each kind of request: the run lives through it, or the
//! next one reaches the same world.

use homelab_lab::sim::gate::{Effect, System};
use serde_json::{Value, json};

use crate::{
    judge::Judge,
    operator::Operator,
    points::kinds,
    stage::Stage,
    story::{Story, another_node, destroy, first_up, memory_and_disk},
};

const LOCKED: &str = "can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout";

/// What may go wrong at a request, as the emulator's door takes it.
fn faults(effect: &Effect) -> Vec<Value> {
    let Some((method, path)) = effect.kind.split_once(' ') else { return Vec::new() };
    let mut faults = vec![
        json!({"kind": "http", "status": 500, "reason": "got timeout"}),
        json!({"kind": "http", "status": 595, "reason": "Connection refused"}),
        json!({"kind": "http", "status": 596, "reason": "Connection timed out"}),
        json!({"kind": "idle_close", "seconds": 0.0}),
    ];
    if path == "/cluster/resources" {
        faults.push(json!({"kind": "filter", "keep": []}));
    }
    if effect.mutating {
        faults.push(json!({"kind": "drop_reply"}));
        faults.push(json!({"kind": "reset", "percent": 50}));
        faults.push(json!({"kind": "busy", "storage": "local-lvm", "seconds": 1.0}));
        if let Ok(vmid) = effect.about.parse::<u32>() {
            let backup = json!({"kind": "lock", "vmid": vmid, "lock": "backup", "seconds": 1.0});
            faults.push(backup);
        }
    }
    if effect.mutating && has_task(method, path) {
        faults.push(json!({"kind": "task", "exit": "WARNINGS: 1"}));
        faults.push(json!({"kind": "task", "exit": "interrupted by signal"}));
        faults.push(json!({"kind": "task", "exit": LOCKED, "instead": true}));
    }
    for fault in &mut faults {
        fault["method"] = method.into();
        fault["path"] = path.into();
    }
    faults
}

/// Whether a request is answered with a task's id.
fn has_task(method: &str, path: &str) -> bool {
    const BEGINS: [&str; 7] =
        ["qemu", "clone", "template", "start", "stop", "shutdown", "download-url"];
    let last = path.rsplit('/').next().unwrap_or_default();
    match method {
        "POST" => BEGINS.contains(&last),
        "PUT" => last == "resize",
        _ => method == "DELETE" && last == "{vmid}",
    }
}

/// At the door of the emulator.
async fn door(operator: &Operator, method: reqwest::Method, body: Option<&Value>) {
    let door = format!("http://{}/lab/faults", operator.world.proxmox().address());
    // The client asks for one even where it speaks HTTP alone; a second wish changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut last = None;
    for _ in 0..100 {
        let mut request = reqwest::Client::new().request(method.clone(), &door);
        if let Some(body) = body {
            request = request.json(body);
        }
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                assert!(status.is_success(), "{body:?}: {status} {:?}", answer.text().await);
                return;
            }
            // With `idle_close` on, a connection may be gone before its first request is written: this one, too.
            Err(error) => last = Some(error),
        }
    }
    panic!("{body:?}: {last:?}");
}

/// Until nobody else's lock is on a guest any more: a backup ends at some time.
async fn unlocked(operator: &Operator) {
    let locked = |guest: &Value| !guest["config"]["lock"].is_null();
    while operator.world.picture().await.unwrap().guests.values().any(locked) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn sweep(story: &Story) {
    let mut stage = Stage::of(story).await;
    let (effects, whole) = stage.undisturbed().await;
    let kinds = kinds(&effects).into_iter().filter(|effect| effect.system == System::Proxmox);
    let faults: Vec<Value> = kinds.flat_map(|effect| faults(&effect)).collect();
    let mut judge = Judge::new(format!("{}, Proxmox's faults", story.name), whole, faults.len());
    for fault in &faults {
        let operator = stage.again().await;
        door(operator, reqwest::Method::POST, Some(fault)).await;
        let ended = operator.run(story.run).await;
        door(operator, reqwest::Method::DELETE, None).await;
        judge.tally.faults += 1;
        judge.tally.survived += usize::from(ended.code == Some(0));
        let mut runs = vec![ended];
        if runs[0].code != Some(0) {
            unlocked(operator).await;
            runs.push(operator.run(story.run).await);
        }
        judge.look(operator, &fault.to_string(), &runs.iter().collect::<Vec<_>>()).await;
    }
    judge.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_first_run_meets_each_fault_of_proxmox() {
    sweep(&first_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_change_of_memory_and_disk_meets_each_fault_of_proxmox() {
    sweep(&memory_and_disk()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn another_node_meets_each_fault_of_proxmox() {
    sweep(&another_node()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn a_destruction_meets_each_fault_of_proxmox() {
    sweep(&destroy()).await;
}
