//! The emulator through the wire: TLS, HTTP, permissions, faults.

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    AccessSetup, Config, GuestSetup, RoleSetup, Running, Server, Setup, TokenSetup, control::client,
};

/// An emulator in a folder of its own, without the real server's delays.
struct World {
    running: Running,
    _folder: tempfile::TempDir,
    tokens: std::collections::BTreeMap<String, String>,
}

struct Answer {
    head: String,
    body: Value,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

async fn world(setup: Setup) -> World {
    world_of(setup, 9).await
}

async fn world_of(setup: Setup, era: u32) -> World {
    let folder = tempfile::tempdir().unwrap();
    let data = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config { pace: 0.0, era, ..Config::recording(listen, data) };
    let running = Server::start(config).await.unwrap();
    let tokens = running.furnish(&setup).await.unwrap();
    World { running, _folder: folder, tokens }
}

impl World {
    /// A TLS connection that trusts the emulator's own authority and nobody else.
    async fn connect(&self) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
        let authority = fs_err::read(self.running.ca_file()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(self.running.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// What comes back for these bytes until the connection ends.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        // A cut connection is an answer too.
        stream.read_to_end(&mut reply).await.ok();
        String::from_utf8_lossy(&reply).into_owned()
    }

    async fn call(&self, token: &str, method: &str, path: &str, form: &str) -> Answer {
        let secret = &self.tokens[token];
        let reply = self
            .raw(&format!(
                "{method} /api2/json{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Authorization: PVEAPIToken={token}={secret}\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ))
            .await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Answer { head: head.to_owned(), body }
    }

    async fn root(&self, method: &str, path: &str, form: &str) -> Answer {
        self.call("root@pam!all", method, path, form).await
    }

    async fn door(&self, method: &str, path: &str, body: Value) -> Value {
        let address = self.running.address().to_string();
        let body = body.to_string();
        let reply = client::send(&address, method, path, body.as_bytes()).await.unwrap();
        assert_eq!(reply["error"], Value::Null);
        reply["data"].clone()
    }
}

fn token(user: &str, name: &str, separated: bool) -> TokenSetup {
    TokenSetup { user: user.to_owned(), name: name.to_owned(), separated, expire: 0 }
}

fn root_only() -> Setup {
    Setup { tokens: vec![token("root@pam", "all", false)], ..Setup::default() }
}

fn bystander(vmid: u32) -> GuestSetup {
    GuestSetup { vmid, name: "bystander".to_owned(), node: None, disk_gib: 1, running: false }
}

/// An operator who may look at guest 100 and nothing else.
fn operator() -> Setup {
    let access = |subject: &str, path: &str| AccessSetup {
        path: path.to_owned(),
        subject: subject.to_owned(),
        role: "Look".to_owned(),
        propagate: true,
    };
    Setup {
        roles: vec![RoleSetup { name: "Look".to_owned(), privileges: vec!["VM.Audit".to_owned()] }],
        users: vec!["op@pve".to_owned()],
        tokens: vec![
            token("root@pam", "all", false),
            token("op@pve", "bare", true),
            token("op@pve", "given", true),
        ],
        access: vec![access("op@pve", "/vms/100"), access("op@pve!given", "/vms")],
        pools: Vec::new(),
        guests: vec![bystander(100), bystander(101)],
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_an_answer() {
    let world = world(root_only()).await;
    let answer = world.root("GET", "/version", "").await;
    assert_eq!(answer.status(), "HTTP/1.1 200 OK");
    assert_eq!(answer.body["data"]["release"], "9.2");
}

#[tokio::test]
async fn the_authority_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let first = Server::start(Config::recording(listen, data.clone())).await.unwrap();
    let fingerprint = first.fingerprint();
    drop(first);
    let second = Server::start(Config::recording(listen, data)).await.unwrap();
    assert_eq!(second.fingerprint(), fingerprint);
}

#[tokio::test]
async fn a_separated_token_has_what_both_it_and_its_user_have() {
    let world = world(operator()).await;
    let config = |vmid| format!("/nodes/pve1/qemu/{vmid}/config");
    let bare = world.call("op@pve!bare", "GET", &config(100), "").await;
    assert_eq!(bare.status(), "HTTP/1.1 403 Permission check failed (/vms/100, VM.Audit)");
    let given = world.call("op@pve!given", "GET", &config(100), "").await;
    assert_eq!(given.body["data"]["name"], "bystander");
    let other = world.call("op@pve!given", "GET", &config(101), "").await;
    assert_eq!(other.status(), "HTTP/1.1 403 Permission check failed (/vms/101, VM.Audit)");
}

#[tokio::test]
async fn lists_show_only_what_the_caller_may_see() {
    let world = world(operator()).await;
    let list = world.call("op@pve!given", "GET", "/cluster/resources?type=vm", "").await;
    let vmids: Vec<u64> = list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["vmid"].as_u64().unwrap())
        .collect();
    assert_eq!(vmids, [100]);
    let all = world.root("GET", "/cluster/resources?type=vm", "").await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_expired_token_is_refused_without_a_body() {
    let mut setup = root_only();
    setup.tokens.push(TokenSetup { expire: 1000, ..token("root@pam", "old", false) });
    let world = world(setup).await;
    let answer = world.call("root@pam!old", "GET", "/version", "").await;
    assert_eq!(answer.status(), "HTTP/1.1 401 Authentication failed!");
    assert_eq!(answer.body, Value::Null);
    assert!(!answer.head.contains("Content-Type"), "{}", answer.head);
}

#[tokio::test]
async fn a_ticket_dies_after_two_hours() {
    let world = world(root_only()).await;
    let form = "username=root@pam&password=rootpw12345";
    let login = world.root("POST", "/access/ticket", form).await;
    let ticket = login.body["data"]["ticket"].as_str().unwrap().to_owned();
    let request = format!(
        "GET /api2/json/version HTTP/1.1\r\nConnection: close\r\n\
         Cookie: PVEAuthCookie={ticket}\r\n\r\n"
    );
    assert!(world.raw(&request).await.starts_with("HTTP/1.1 200 OK"));
    world.door("POST", "/lab/clock", json!({ "advance": 7300 })).await;
    assert!(world.raw(&request).await.starts_with("HTTP/1.1 401 Authentication failed!"));
}

#[tokio::test]
async fn what_the_log_keeps_of_a_login_is_not_the_password() {
    let world = world(root_only()).await;
    world.root("POST", "/access/ticket", "username=root@pam&password=rootpw12345").await;
    let log = world.door("GET", "/lab/requests", Value::Null).await;
    assert_eq!(log[0]["endpoint"], "/access/ticket");
    assert_eq!(log[0]["parameters"]["password"], "[redacted]");
    assert_eq!(log[0]["mutating"], false);
}

#[tokio::test]
async fn a_dropped_reply_leaves_the_deed_done() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "drop_reply", "method": "POST", "path": "/pools" });
    world.door("POST", "/lab/faults", fault).await;
    let first = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(first.head, "");
    let second = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(second.status(), "HTTP/1.1 500 create pool failed: pool 'ours' already exists");
}

#[test]
fn a_fault_with_a_field_of_another_kind_is_refused() {
    let text = br#"{"kind":"drop_reply","seconds":3}"#;
    assert_eq!(
        super::Fault::parse(text).unwrap_err(),
        "a fault 'drop_reply' has no field 'seconds'"
    );
}

#[tokio::test]
async fn an_http_fault_strikes_the_nth_request_only() {
    let world = world(root_only()).await;
    let fault = json!({
        "kind": "http", "status": 596, "reason": "Connection timed out",
        "method": "GET", "path": "/version", "nth": 2,
    });
    world.door("POST", "/lab/faults", fault).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(world.root("GET", "/version", "").await.status().to_owned());
    }
    assert_eq!(seen, ["HTTP/1.1 200 OK", "HTTP/1.1 596 Connection timed out", "HTTP/1.1 200 OK"]);
}

#[tokio::test]
async fn a_reset_connection_does_nothing() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "reset", "percent": 50, "method": "POST", "path": "/pools" });
    world.door("POST", "/lab/faults", fault).await;
    assert_eq!(world.root("POST", "/pools", "poolid=ours").await.head, "");
    let pools = world.root("GET", "/pools", "").await;
    assert_eq!(pools.body["data"], json!([]));
}

#[tokio::test]
async fn a_task_fault_ends_the_task_as_asked() {
    let mut setup = root_only();
    setup.guests.push(bystander(100));
    let world = world(setup).await;
    let path = "/nodes/{node}/qemu/{vmid}/status/start";
    let fault = json!({ "kind": "task", "exit": "WARNINGS: 1", "path": path });
    world.door("POST", "/lab/faults", fault).await;
    let start = world.root("POST", "/nodes/pve1/qemu/100/status/start", "").await;
    let upid = start.body["data"].as_str().unwrap().to_owned();
    let status = loop {
        let status = world.root("GET", &format!("/nodes/pve1/tasks/{upid}/status"), "").await;
        if status.body["data"]["status"] == "stopped" {
            break status;
        }
    };
    assert_eq!(status.body["data"]["exitstatus"], "WARNINGS: 1");
    let current = world.root("GET", "/nodes/pve1/qemu/100/status/current", "").await;
    assert_eq!(current.body["data"]["status"], "running");
}

#[tokio::test]
async fn a_foreign_guest_appears_right_before_a_request() {
    let world = world(root_only()).await;
    let fault = json!({ "kind": "foreign", "vmid": 300, "path": "/cluster/nextid", "nth": 2 });
    world.door("POST", "/lab/faults", fault).await;
    let ask = "/cluster/nextid?vmid=300";
    assert_eq!(world.root("GET", ask, "").await.body["data"], "300");
    assert_eq!(world.root("GET", ask, "").await.body["errors"]["vmid"], "VM 300 already exists");
}

#[tokio::test]
async fn a_lock_refuses_changes_until_it_is_gone() {
    let mut setup = root_only();
    setup.guests.push(bystander(100));
    let world = world(setup).await;
    let fault = json!({ "kind": "lock", "vmid": 100, "lock": "backup", "seconds": 0.0 });
    world.door("POST", "/lab/faults", fault).await;
    let change = world.root("PUT", "/nodes/pve1/qemu/100/config", "cores=2").await;
    assert_eq!(change.status(), "HTTP/1.1 500 VM is locked (backup)");
}

#[tokio::test]
async fn a_daemon_that_is_down_refuses_protected_calls_only() {
    let world = world(root_only()).await;
    world.door("POST", "/lab/daemon", json!({ "up": false })).await;
    let protected = world.root("POST", "/pools", "poolid=ours").await;
    assert_eq!(protected.status(), "HTTP/1.1 595 Connection refused");
    assert_eq!(world.root("GET", "/version", "").await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_renewed_authority_is_another_one() {
    let world = world(root_only()).await;
    let before = fs_err::read(world.running.ca_file()).unwrap();
    let fingerprint = world.running.fingerprint();
    world.door("POST", "/lab/certificate", json!({ "authority": true })).await;
    assert_ne!(fs_err::read(world.running.ca_file()).unwrap(), before);
    assert_ne!(world.running.fingerprint(), fingerprint);
    assert_eq!(world.root("GET", "/version", "").await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_protected_reply_contradicts_itself_and_the_connection_stays() {
    let world = world(root_only()).await;
    let secret = &world.tokens["root@pam!all"];
    let one = |method: &str, path: &str, close: &str| {
        format!(
            "{method} /api2/json{path} HTTP/1.1\r\nHost: x\r\n{close}\
             Authorization: PVEAPIToken=root@pam!all={secret}\r\n\r\n"
        )
    };
    let requests =
        one("POST", "/pools?poolid=ours", "") + &one("GET", "/pools", "Connection: close\r\n");
    let reply = world.raw(&requests).await;
    let heads: Vec<&str> = reply.matches("HTTP/1.1 200 OK").collect();
    assert_eq!(heads.len(), 2, "{reply}");
    assert!(reply.contains("Connection: close\r\nConnection: Keep-Alive\r\n"), "{reply}");
}

#[tokio::test]
async fn the_eighth_version_has_its_own_privileges() {
    let world = world_of(root_only(), 8).await;
    let role = world.root("POST", "/access/roles", "roleid=Watch&privs=VM.Monitor").await;
    assert_eq!(role.status(), "HTTP/1.1 200 OK");
    let role = world.root("POST", "/access/roles", "roleid=New&privs=VM.GuestAgent.Audit").await;
    assert_eq!(
        role.body["errors"]["privs"],
        "invalid format - invalid privilege 'VM.GuestAgent.Audit'\n"
    );
}

#[tokio::test]
async fn a_preface_of_http_2_is_refused_in_words_of_version_1() {
    let world = world(root_only()).await;
    let reply = world.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 506 http protocol version 2.0 not supported"), "{reply}");
}

/// Whether a value is of a type that Proxmox' schema names; Perl prints numbers as strings at
/// times.
fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "string" => value.is_string() || value.is_number(),
        "integer" | "number" | "boolean" => {
            value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
        }
        _ => true,
    }
}

fn check_answer(place: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
    let kind = schema["type"].as_str().unwrap_or("any");
    if value.is_null() && schema["optional"] == 1 {
        return;
    }
    if !is_of_type(value, kind) {
        found.push(format!("{place}: is no {kind}: {value:.80}"));
        return;
    }
    for item in value.as_array().into_iter().flatten() {
        check_answer(&format!("{place}[]"), item, &schema["items"], found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        match value.get(name) {
            Some(value) => check_answer(&format!("{place}.{name}"), value, property, found),
            None if property["optional"] == 1 || name.ends_with("[n]") => {}
            None => found.push(format!("{place}: lacks {name}")),
        }
    }
}

#[tokio::test]
async fn answers_are_of_the_types_that_proxmox_declares() {
    let Some(schema) = super::declarations::schema() else {
        eprintln!("skipped: no copy of Proxmox' schema here");
        return;
    };
    let mut setup = root_only();
    setup.guests.push(GuestSetup { running: true, ..bystander(100) });
    let world = world(setup).await;
    let mut found = Vec::new();
    let mut asked = 0;
    for endpoint in super::endpoints(9) {
        let needs_more = endpoint.parameters.iter().any(|parameter| {
            !parameter.schema.optional && !["node", "vmid", "storage"].contains(&parameter.name)
        });
        if endpoint.method != super::endpoint::Method::Get || needs_more {
            continue;
        }
        let path = endpoint.path.replace("{node}", "pve1").replace("{vmid}", "100");
        let path = path.replace("{storage}", "local");
        let answer = world.root("GET", &path, "").await;
        if answer.status() == "HTTP/1.1 200 OK" {
            asked += 1;
            let returns = &schema["paths"][endpoint.path]["GET"]["returns"];
            check_answer(&path, &answer.body["data"], returns, &mut found);
        }
    }
    assert!(asked > 30, "only {asked} calls answered");
    assert!(found.is_empty(), "{} of {asked}:\n{}", found.len(), found.join("\n"));
}
