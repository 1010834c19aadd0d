//! A guest on paper and its agent's answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::hypervisor::{AgentReply, GuestSpec};

/// A guest on paper.
pub(super) struct Paper {
    pub(super) spec: GuestSpec,
    pub(super) pid: u32,
    pub(super) since: Instant,
    /// Whether an agent answers.
    pub(super) answers: bool,
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

impl Paper {
    pub(super) fn new(spec: GuestSpec, pid: u32, answers: bool) -> Self {
        Self {
            spec,
            pid,
            since: Instant::now(),
            answers,
            programs: BTreeMap::new(),
            next_program: 1001,
            files: [("/etc/hostname".to_owned(), b"hi\n".to_vec())].into(),
            handles: BTreeMap::new(),
            next_handle: 1000,
        }
    }

    /// The reset button.
    pub(super) fn reset(&mut self) {
        self.programs.clear();
        self.handles.clear();
        self.since = Instant::now();
    }

    /// One command of the agent.
    pub(super) fn answer(&mut self, command: &str, arguments: &Value) -> AgentReply {
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
