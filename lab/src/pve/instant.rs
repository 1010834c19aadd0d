//! Guests that exist only on paper: they run at once and do what they are told.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};

use super::state::lock;
use crate::hypervisor::{AgentReply, GuestSpec, Hypervisor, Pending, PowerState};

/// A hypervisor without guests worth the name. Each starts at once; one with its agent on answers
/// like a Debian that has just booted, unless agents were taken away when it
/// started.
pub struct InstantHypervisor {
    guests: Mutex<BTreeMap<u32, Paper>>,
    next_pid: AtomicU32,
    /// Whether guests started from now on have an agent that answers.
    agents: AtomicBool,
    /// Whether guests heed the power button.
    heed_power_button: AtomicBool,
}

/// A guest on paper.
struct Paper {
    spec: GuestSpec,
    pid: u32,
    since: Instant,
    answers: bool,
    programs: BTreeMap<i64, Program>,
    next_program: i64,
    files: BTreeMap<String, Vec<u8>>,
    handles: BTreeMap<i64, (String, Vec<u8>)>,
    next_handle: i64,
}

/// A program that the agent was told to run: it prints its own command line.
struct Program {
    line: String,
    since: Instant,
}

/// How long programs run.
const PROGRAM_TIME: Duration = Duration::from_millis(300);

impl Default for InstantHypervisor {
    fn default() -> Self {
        Self {
            guests: Mutex::default(),
            next_pid: AtomicU32::new(40_001),
            agents: AtomicBool::new(true),
            heed_power_button: AtomicBool::new(true),
        }
    }
}

impl InstantHypervisor {
    /// Whether guests that start from now on have an agent that answers.
    pub fn set_agents(&self, answer: bool) {
        self.agents.store(answer, Ordering::Relaxed);
    }

    /// Whether guests power themselves off when asked; at first they do.
    pub fn set_heed_power_button(&self, heed: bool) {
        self.heed_power_button.store(heed, Ordering::Relaxed);
    }

    /// A guest powers itself off.
    pub fn power_off_from_inside(&self, vmid: u32) {
        lock(&self.guests).remove(&vmid);
    }

    /// What a guest was last started from or reconfigured to.
    pub fn spec(&self, vmid: u32) -> Option<GuestSpec> {
        lock(&self.guests).get(&vmid).map(|paper| paper.spec.clone())
    }

    fn begin(&self, guest: &GuestSpec) {
        let paper = Paper {
            spec: guest.clone(),
            pid: self.next_pid.fetch_add(1, Ordering::Relaxed),
            since: Instant::now(),
            answers: guest.agent && self.agents.load(Ordering::Relaxed),
            programs: BTreeMap::new(),
            next_program: 1001,
            files: [("/etc/hostname".to_owned(), b"hi\n".to_vec())].into(),
            handles: BTreeMap::new(),
            next_handle: 1000,
        };
        lock(&self.guests).insert(guest.vmid, paper);
    }
}

impl Hypervisor for InstantHypervisor {
    fn start<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            self.begin(guest);
            Ok(())
        })
    }

    fn shutdown<'a>(&'a self, vmid: u32, timeout: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            if self.heed_power_button.load(Ordering::Relaxed) {
                lock(&self.guests).remove(&vmid);
                return true;
            }
            tokio::time::sleep(timeout).await;
            !lock(&self.guests).contains_key(&vmid)
        })
    }

    fn kill<'a>(&'a self, vmid: u32) -> Pending<'a, ()> {
        Box::pin(async move {
            lock(&self.guests).remove(&vmid);
        })
    }

    fn reset<'a>(&'a self, vmid: u32) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let mut guests = lock(&self.guests);
            let paper = guests.get_mut(&vmid).ok_or_else(|| format!("VM {vmid} not running"))?;
            paper.programs.clear();
            Ok(())
        })
    }

    fn reconfigure<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            if let Some(paper) = lock(&self.guests).get_mut(&guest.vmid) {
                paper.spec = guest.clone();
            }
            Ok(())
        })
    }

    fn power_state(&self, vmid: u32) -> PowerState {
        lock(&self.guests).get(&vmid).map_or(PowerState::Stopped, |paper| PowerState::Running {
            pid: paper.pid,
            uptime: paper.since.elapsed(),
        })
    }

    fn console(&self, vmid: u32) -> Vec<String> {
        lock(&self.guests)
            .get(&vmid)
            .map(|paper| vec![format!("{} login: ", paper.spec.name)])
            .unwrap_or_default()
    }

    fn agent<'a>(
        &'a self,
        vmid: u32,
        command: &'a str,
        arguments: Value,
    ) -> Pending<'a, AgentReply> {
        Box::pin(async move {
            let mut guests = lock(&self.guests);
            match guests.get_mut(&vmid).filter(|paper| paper.answers) {
                Some(paper) => paper.answer(command, &arguments),
                None => AgentReply::NotRunning,
            }
        })
    }
}

impl Paper {
    fn answer(&mut self, command: &str, arguments: &Value) -> AgentReply {
        let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        match command {
            "guest-ping" | "guest-sync" | "guest-set-user-password" | "guest-shutdown" => {
                AgentReply::Return(json!({}))
            }
            "guest-info" => AgentReply::Return(info()),
            "guest-get-host-name" => {
                AgentReply::Return(json!({ "host-name": format!("vm{}", self.spec.vmid) }))
            }
            "guest-get-osinfo" => AgentReply::Return(os_info()),
            "guest-network-get-interfaces" => AgentReply::Return(self.interfaces()),
            "guest-get-fsinfo" => AgentReply::Return(json!([{
                "name": "sda1", "mountpoint": "/", "type": "ext4", "disk": [],
                "used-bytes": 1_000_000_000_u64, "total-bytes": 2_000_000_000_u64,
            }])),
            "guest-exec" => self.execute(arguments),
            "guest-exec-status" => self.program(arguments["pid"].as_i64().unwrap_or(0)),
            "guest-file-open" => self.open(text("path"), &text("mode")),
            "guest-file-read" => self.read(arguments["handle"].as_i64().unwrap_or(0)),
            "guest-file-write" => {
                self.write(arguments["handle"].as_i64().unwrap_or(0), &text("buf-b64"))
            }
            "guest-file-close" => self.close(arguments["handle"].as_i64().unwrap_or(0)),
            other => AgentReply::Error {
                class: "CommandNotFound".to_owned(),
                description: format!("The command {other} has not been found"),
            },
        }
    }

    fn interfaces(&self) -> Value {
        let statistics = || {
            let mut all = serde_json::Map::new();
            for way in ["rx", "tx"] {
                for (what, number) in [("bytes", 1), ("packets", 1), ("errs", 0), ("dropped", 0)] {
                    all.insert(format!("{way}-{what}"), json!(number));
                }
            }
            Value::Object(all)
        };
        let address = |kind: &str, address: &str, prefix: u32| json!({ "ip-address-type": kind, "ip-address": address, "prefix": prefix });
        let mut all = vec![json!({
            "name": "lo", "hardware-address": "00:00:00:00:00:00", "statistics": statistics(),
            "ip-addresses": [address("ipv4", "127.0.0.1", 8), address("ipv6", "::1", 128)],
        })];
        for interface in self.spec.interfaces.iter().filter(|interface| !interface.link_down) {
            let index = interface.index;
            all.push(json!({
                "name": format!("eth{index}"), "hardware-address": interface.mac,
                "statistics": statistics(),
                "ip-addresses": [
                    address("ipv4", &format!("192.0.2.{}", 50 + index), 24),
                    address("ipv6", &format!("fe80::{}", 1 + index), 64),
                ],
            }));
        }
        Value::Array(all)
    }

    fn execute(&mut self, arguments: &Value) -> AgentReply {
        let mut words = vec![arguments["path"].as_str().unwrap_or_default().to_owned()];
        let rest = arguments["arg"].as_array().into_iter().flatten();
        words.extend(rest.filter_map(Value::as_str).map(str::to_owned));
        let pid = self.next_program;
        self.next_program += 1;
        let program = Program { line: words.join(" "), since: Instant::now() };
        self.programs.insert(pid, program);
        AgentReply::Return(json!({ "pid": pid }))
    }

    /// The agent forgets a program once it told of its end.
    fn program(&mut self, pid: i64) -> AgentReply {
        let Some(program) = self.programs.get(&pid) else {
            return AgentReply::Error {
                class: "GenericError".to_owned(),
                description: format!("PID {pid} does not exist"),
            };
        };
        if program.since.elapsed() < PROGRAM_TIME {
            return AgentReply::Return(json!({ "exited": false }));
        }
        let output =
            base64::engine::general_purpose::STANDARD.encode(format!("{}\n", program.line));
        self.programs.remove(&pid);
        AgentReply::Return(json!({ "exited": true, "exitcode": 0, "out-data": output }))
    }

    fn open(&mut self, path: String, mode: &str) -> AgentReply {
        if !mode.starts_with('w') && !self.files.contains_key(&path) {
            return AgentReply::Error {
                class: "GenericError".to_owned(),
                description: format!(
                    "failed to open file '{path}' (mode: '{mode}'): No such file or directory"
                ),
            };
        }
        let present = if mode.starts_with('w') { Vec::new() } else { self.files[&path].clone() };
        let handle = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(handle, (path, present));
        AgentReply::Return(json!(handle))
    }

    fn read(&mut self, handle: i64) -> AgentReply {
        match self.handles.get_mut(&handle) {
            Some((_, bytes)) => {
                let bytes = std::mem::take(bytes);
                let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
                AgentReply::Return(json!({ "count": bytes.len(), "buf-b64": text, "eof": true }))
            }
            None => no_handle(handle),
        }
    }

    fn write(&mut self, handle: i64, text: &str) -> AgentReply {
        match self.handles.get_mut(&handle) {
            Some((path, bytes)) => {
                let more =
                    base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
                bytes.extend(&more);
                self.files.insert(path.clone(), bytes.clone());
                AgentReply::Return(json!({ "count": more.len(), "eof": false }))
            }
            None => no_handle(handle),
        }
    }

    fn close(&mut self, handle: i64) -> AgentReply {
        match self.handles.remove(&handle) {
            Some(_) => AgentReply::Return(json!({})),
            None => no_handle(handle),
        }
    }
}

fn no_handle(handle: i64) -> AgentReply {
    AgentReply::Error {
        class: "GenericError".to_owned(),
        description: format!("handle '{handle}' has not been found"),
    }
}

fn info() -> Value {
    let command = |name: &str| json!({ "name": name, "enabled": true, "success-response": true });
    json!({
        "version": "9.2.0",
        "supported_commands": [
            command("guest-ping"), command("guest-exec"), command("guest-network-get-interfaces"),
        ],
    })
}

fn os_info() -> Value {
    json!({
        "id": "debian", "name": "Debian GNU/Linux",
        "pretty-name": "Debian GNU/Linux 13 (trixie)", "version": "13 (trixie)",
        "version-id": "13", "machine": "x86_64", "kernel-release": "6.12.0",
        "kernel-version": "#1 SMP",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(agent: bool) -> GuestSpec {
        GuestSpec {
            node: "pve1".to_owned(),
            vmid: 100,
            name: "n".to_owned(),
            cores: 1,
            memory_mib: 64,
            disks: Vec::new(),
            media: Vec::new(),
            interfaces: Vec::new(),
            smbios_uuid: String::new(),
            agent,
        }
    }

    #[tokio::test]
    async fn a_guest_runs_at_once_and_may_power_itself_off() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        assert!(matches!(instant.power_state(100), PowerState::Running { .. }));
        instant.power_off_from_inside(100);
        assert_eq!(instant.power_state(100), PowerState::Stopped);
    }

    #[tokio::test]
    async fn agents_that_were_taken_away_do_not_answer_in_later_guests() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        let ping = || instant.agent(100, "guest-ping", json!({}));
        assert_eq!(ping().await, AgentReply::Return(json!({})));
        instant.set_agents(false);
        assert_eq!(ping().await, AgentReply::Return(json!({})));
        instant.kill(100).await;
        instant.start(&spec(true)).await.unwrap();
        assert_eq!(ping().await, AgentReply::NotRunning);
    }

    #[tokio::test]
    async fn a_guest_without_the_agent_device_does_not_answer() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(false)).await.unwrap();
        assert_eq!(instant.agent(100, "guest-ping", json!({})).await, AgentReply::NotRunning);
    }

    #[tokio::test]
    async fn the_power_button_works_where_guests_heed_it() {
        let instant = InstantHypervisor::default();
        instant.set_heed_power_button(false);
        instant.start(&spec(false)).await.unwrap();
        assert!(!instant.shutdown(100, Duration::from_millis(1)).await);
        instant.set_heed_power_button(true);
        assert!(instant.shutdown(100, Duration::from_millis(1)).await);
        assert_eq!(instant.power_state(100), PowerState::Stopped);
    }

    #[tokio::test]
    async fn a_file_written_through_the_agent_reads_back() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        let call = |command: &'static str, arguments: Value| {
            let instant = &instant;
            async move { instant.agent(100, command, arguments).await }
        };
        let open = call("guest-file-open", json!({ "path": "/tmp/x", "mode": "wb" })).await;
        let AgentReply::Return(handle) = open else { panic!("{open:?}") };
        call("guest-file-write", json!({ "handle": handle, "buf-b64": "aGk=" })).await;
        let open = call("guest-file-open", json!({ "path": "/tmp/x", "mode": "rb" })).await;
        let AgentReply::Return(handle) = open else { panic!("{open:?}") };
        let AgentReply::Return(read) = call("guest-file-read", json!({ "handle": handle })).await
        else {
            panic!("no content")
        };
        assert_eq!(read["buf-b64"], "aGk=");
    }
}
