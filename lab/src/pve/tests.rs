//! The emulator through the wire: TLS, HTTP, permissions, faults.

mod access;
mod answers;
mod clients;
mod faults;
mod wire;

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
