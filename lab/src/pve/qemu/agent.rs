//! `.../agent/*`: the guest agent.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::{call::Subject, endpoints::on_guest};
use crate::{
    hypervisor::AgentReply,
    pve::{
        access::permission::any_of,
        endpoint::{Endpoint, Method},
        error::ApiError,
        request::Request,
        schema::{array, boolean, integer, one_of, string},
    },
};

/// How long the real server waits for the agent's first sign of life.
const PING_WAIT: Duration = Duration::from_secs(3);
/// What `file-read` reads at most.
const READ_LIMIT: i64 = 16 << 20;

const AUDIT: &[&str] = &["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"];
const FILES: &[&str] = &["VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted"];
const FREEZE: &[&str] =
    &["VM.GuestAgent.Audit", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted"];
const POWER: &[&str] = &["VM.PowerMgmt", "VM.GuestAgent.Unrestricted"];
const ANYTHING: &[&str] = &["VM.GuestAgent.Unrestricted"];

/// The commands without parameters: the last part of the path, the method, who may.
const PLAIN: [(&str, Method, &[&str]); 19] = [
    ("fsfreeze-freeze", Method::Post, FILES),
    ("fsfreeze-status", Method::Post, FREEZE),
    ("fsfreeze-thaw", Method::Post, FILES),
    ("fstrim", Method::Post, FILES),
    ("get-fsinfo", Method::Get, AUDIT),
    ("get-host-name", Method::Get, AUDIT),
    ("get-memory-block-info", Method::Get, AUDIT),
    ("get-memory-blocks", Method::Get, AUDIT),
    ("get-osinfo", Method::Get, AUDIT),
    ("get-time", Method::Get, AUDIT),
    ("get-timezone", Method::Get, AUDIT),
    ("get-users", Method::Get, AUDIT),
    ("get-vcpus", Method::Get, AUDIT),
    ("info", Method::Get, AUDIT),
    ("network-get-interfaces", Method::Get, AUDIT),
    ("ping", Method::Post, AUDIT),
    ("shutdown", Method::Post, POWER),
    ("suspend-disk", Method::Post, POWER),
    ("suspend-hybrid", Method::Post, POWER),
];

macro_rules! path {
    ($tail:literal) => {
        concat!("/nodes/{node}/qemu/{vmid}/agent/", $tail)
    };
}

/// Paths are declared with a static life; these are the plain commands' own.
fn plain_path(command: &str) -> &'static str {
    match command {
        "fsfreeze-freeze" => path!("fsfreeze-freeze"),
        "fsfreeze-status" => path!("fsfreeze-status"),
        "fsfreeze-thaw" => path!("fsfreeze-thaw"),
        "fstrim" => path!("fstrim"),
        "get-fsinfo" => path!("get-fsinfo"),
        "get-host-name" => path!("get-host-name"),
        "get-memory-block-info" => path!("get-memory-block-info"),
        "get-memory-blocks" => path!("get-memory-blocks"),
        "get-osinfo" => path!("get-osinfo"),
        "get-time" => path!("get-time"),
        "get-timezone" => path!("get-timezone"),
        "get-users" => path!("get-users"),
        "get-vcpus" => path!("get-vcpus"),
        "info" => path!("info"),
        "network-get-interfaces" => path!("network-get-interfaces"),
        "ping" => path!("ping"),
        "shutdown" => path!("shutdown"),
        "suspend-disk" => path!("suspend-disk"),
        "suspend-hybrid" => path!("suspend-hybrid"),
        _ => path!("suspend-ram"),
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let vm = "/vms/{vmid}";
    let mut all: Vec<Endpoint> = PLAIN
        .into_iter()
        .chain([("suspend-ram", Method::Post, POWER)])
        .map(|(command, method, privileges)| {
            let name = format!("guest-{command}");
            on_guest(Endpoint::new(method, plain_path(command)))
                .protected()
                .permission(any_of(vm, privileges))
                .handler(move |request| plain(request, name.clone()))
        })
        .collect();
    let guarded = |endpoint: Endpoint, privileges| {
        on_guest(endpoint).protected().permission(any_of(vm, privileges))
    };
    let names = PLAIN.map(|(name, ..)| name).into_iter().chain(["suspend-ram"]);
    all.extend([
        on_guest(Endpoint::get("/nodes/{node}/qemu/{vmid}/agent")).handler(index),
        guarded(Endpoint::post("/nodes/{node}/qemu/{vmid}/agent"), ANYTHING)
            .parameters([one_of(names).named("command")])
            .handler(generic),
        guarded(Endpoint::post(path!("exec")), ANYTHING)
            .parameters([
                array(string()).named("command"),
                string().max_length(65536).optional().named("input-data"),
            ])
            .handler(execute),
        guarded(Endpoint::get(path!("exec-status")), ANYTHING)
            .parameters([integer().named("pid")])
            .handler(program),
        guarded(
            Endpoint::get(path!("file-read")),
            &["VM.GuestAgent.FileRead", "VM.GuestAgent.Unrestricted"],
        )
        .parameters([
            integer().minimum(1).maximum(16_777_216).optional().named("count"),
            boolean().optional().named("decode"),
            string().named("file"),
            integer().minimum(0).optional().named("offset"),
        ])
        .handler(read),
        guarded(
            Endpoint::post(path!("file-write")),
            &["VM.GuestAgent.FileWrite", "VM.GuestAgent.Unrestricted"],
        )
        .parameters([
            string().max_length(61440).named("content"),
            boolean().optional().named("encode"),
            string().named("file"),
        ])
        .handler(write),
        guarded(Endpoint::post(path!("set-user-password")), ANYTHING)
            .parameters([
                boolean().optional().named("crypted"),
                string().min_length(5).max_length(1024).named("password"),
                string().named("username"),
            ])
            .handler(set_password),
    ]);
    all
}

async fn index(_: Request) -> Result<Value, ApiError> {
    let mut names: Vec<&str> = PLAIN
        .iter()
        .map(|(name, ..)| *name)
        .chain(["exec", "exec-status", "file-read", "file-write", "set-user-password"])
        .chain(["suspend-ram"])
        .collect();
    names.sort_unstable();
    Ok(names.iter().map(|name| json!({ "name": name })).collect())
}

/// One command of the agent, after the checks that come before every one.
async fn call(request: &Request, command: &str, arguments: Value) -> Result<AgentReply, ApiError> {
    let subject = Subject::of(request);
    let config = subject.load().map_err(ApiError::failure)?;
    if !config.current.contains_key("agent") {
        return Err(ApiError::failure("No QEMU guest agent configured"));
    }
    if !subject.is_running() {
        return Err(ApiError::failure(format!("VM {} is not running", subject.vmid)));
    }
    let hypervisor = subject.state.hypervisor();
    let reply = hypervisor.agent(subject.vmid, "guest-ping", json!({})).await;
    let reply = match reply {
        AgentReply::Return(_) if command != "guest-ping" => {
            hypervisor.agent(subject.vmid, command, arguments).await
        }
        other => other,
    };
    if reply == AgentReply::NotRunning {
        subject.state.clock.delay(PING_WAIT).await;
        return Err(ApiError::failure("QEMU guest agent is not running"));
    }
    Ok(reply)
}

/// A command whose errors are status 500.
async fn strict(request: &Request, command: &str, arguments: Value) -> Result<Value, ApiError> {
    match call(request, command, arguments).await? {
        AgentReply::Return(value) => Ok(value),
        AgentReply::Error { description, .. } => {
            Err(ApiError::failure(format!("Agent error: {description}")))
        }
        AgentReply::NotRunning => Err(ApiError::failure("QEMU guest agent is not running")),
    }
}

/// A command whose errors are answers.
fn wrapped(reply: AgentReply) -> Value {
    match reply {
        AgentReply::Return(value) => json!({ "result": value }),
        AgentReply::Error { class, description } => {
            json!({ "result": { "error": { "class": class, "desc": description } } })
        }
        AgentReply::NotRunning => Value::Null,
    }
}

async fn plain(request: Request, command: String) -> Result<Value, ApiError> {
    call(&request, &command, json!({})).await.map(wrapped)
}

async fn generic(request: Request) -> Result<Value, ApiError> {
    let command = format!("guest-{}", request.text("command").unwrap_or_default());
    plain(request, command).await
}

async fn execute(request: Request) -> Result<Value, ApiError> {
    let command = request.list("command");
    let mut arguments = json!({
        "path": command.first(),
        "arg": command.get(1..).unwrap_or_default(),
        "capture-output": true,
    });
    if let Some(input) = request.text("input-data") {
        let input = base64::engine::general_purpose::STANDARD.encode(input);
        arguments["input-data"] = Value::from(input);
    }
    let answer = strict(&request, "guest-exec", arguments).await?;
    // The real server answers the number as a text.
    Ok(json!({ "pid": answer["pid"].to_string() }))
}

fn decoded(value: &Value) -> Value {
    let bytes = value
        .as_str()
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .unwrap_or_default();
    Value::from(String::from_utf8_lossy(&bytes).into_owned())
}

async fn program(request: Request) -> Result<Value, ApiError> {
    let pid = request.integer("pid");
    let status = strict(&request, "guest-exec-status", json!({ "pid": pid })).await?;
    let mut answer = Map::new();
    for (key, value) in status.as_object().into_iter().flatten() {
        let value = match (key.as_str(), value) {
            ("out-data" | "err-data", text) => decoded(text),
            (_, Value::Bool(flag)) => json!(u8::from(*flag)),
            (_, other) => other.clone(),
        };
        answer.insert(key.clone(), value);
    }
    Ok(Value::Object(answer))
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let path = request.text("file").unwrap_or_default();
    let limit = request.integer("count").unwrap_or(READ_LIMIT);
    let open = json!({ "path": path, "mode": "rb" });
    let handle = strict(&request, "guest-file-open", open).await?;
    let arguments = json!({ "handle": handle, "count": limit });
    let answer = strict(&request, "guest-file-read", arguments).await;
    strict(&request, "guest-file-close", json!({ "handle": handle })).await?;
    let answer = answer?;
    let decode = request.boolean("decode").unwrap_or(true);
    let mut reply = json!({
        "content": if decode { decoded(&answer["buf-b64"]) } else { answer["buf-b64"].clone() },
        "bytes-read": answer["count"],
    });
    if answer["eof"] != true {
        reply["truncated"] = json!(1);
    }
    Ok(reply)
}

async fn write(request: Request) -> Result<Value, ApiError> {
    let path = request.text("file").unwrap_or_default();
    let content = request.text("content").unwrap_or_default();
    let content = if request.boolean("encode").unwrap_or(true) {
        base64::engine::general_purpose::STANDARD.encode(content)
    } else {
        content
    };
    let open = json!({ "path": path, "mode": "wb" });
    let handle = strict(&request, "guest-file-open", open).await?;
    let arguments = json!({ "handle": handle, "buf-b64": content });
    let written = strict(&request, "guest-file-write", arguments).await;
    strict(&request, "guest-file-close", json!({ "handle": handle })).await?;
    written.map(|_| Value::Null)
}

async fn set_password(request: Request) -> Result<Value, ApiError> {
    let password = request.text("password").unwrap_or_default();
    let arguments = json!({
        "username": request.text("username"),
        "password": base64::engine::general_purpose::STANDARD.encode(password),
        "crypted": request.boolean("crypted").unwrap_or(false),
    });
    call(&request, "guest-set-user-password", arguments).await.map(wrapped)
}
