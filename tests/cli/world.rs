//! A world to run the program in.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;
use homelab::{
    adapter::proxmox::ProxmoxClient,
    inventory::{self, LoadOptions, Overrides, Pins},
    secret::Secret,
};
use homelab_lab::pve::{Config, NodeConfig, Running, Server, StorageConfig, control::client};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    ended::{Ended, terminate},
    furniture::{USER, setup},
    offline::Offline,
    served::Served,
};

/// The guest that is nobody's and must stay as it is.
pub(crate) const BYSTANDER: u32 = 104;
/// Where the guests would be if they were there: nothing listens on these loopback addresses.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(127, 79, 0, 102);

/// An emulator with exactly the rights that the program asks for, and an inventory that points at it.
pub(crate) struct World {
    proxmox: Running,
    folder: tempfile::TempDir,
    token: String,
    image: Served,
    /// A loopback port where nothing listens.
    closed_port: u16,
}

/// What is different in a world.
pub(crate) struct Wish {
    pub(crate) image: Served,
    /// How much of the real server's delays pass.
    pub(crate) pace: f64,
    /// A privilege that the token lacks.
    pub(crate) without: Option<&'static str>,
    /// Whether the token is in the access control list at all.
    pub(crate) access: bool,
    pub(crate) local_content: &'static [&'static str],
    /// What is set as the bridge's MTU.
    pub(crate) bridge_mtu: Option<u16>,
    /// The token's name.
    pub(crate) token: &'static str,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            image: Served::image(),
            pace: 0.1,
            without: None,
            access: true,
            local_content: &["iso", "vztmpl", "backup", "import"],
            bridge_mtu: None,
            token: "homelab",
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Wish::default()).await
    }

    pub(crate) async fn with(wish: Wish) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Utf8PathBuf::try_from(folder.path().join("proxmox")).unwrap();
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let config = Config {
            nodes: vec![NodeConfig {
                cores: 8,
                bridge_mtu: wish.bridge_mtu,
                ..NodeConfig::new("pve1", "127.0.0.1")
            }],
            storages: vec![
                StorageConfig::directory("local", "/var/lib/vz", wish.local_content),
                StorageConfig::lvm_thin("local-lvm", "pve", "data", &["images", "rootdir"]),
            ],
            pace: wish.pace,
            ..Config::recording(listen, data)
        };
        let proxmox = Server::start(config).await.unwrap();
        let mut setup = setup(wish.without, wish.token);
        if !wish.access {
            setup.access.clear();
        }
        let secrets = proxmox.furnish(&setup).await.unwrap();
        let id = format!("{USER}!{}", wish.token);
        let token = format!("{id}={}", secrets[&id]);
        let closed_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let world = Self { proxmox, folder, token, image: wish.image, closed_port };
        world.write_inventory();
        world
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::try_from(self.folder.path().join(name)).unwrap()
    }

    /// The state folder of the inventory's cluster.
    pub(crate) fn state(&self) -> Utf8PathBuf {
        self.path("state/homelab/test")
    }

    pub(crate) fn journal(&self) -> String {
        fs_err::read_to_string(self.state().join("journal.jsonl")).unwrap_or_default()
    }

    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    /// The token's secret half, which nothing may show.
    pub(crate) fn secret(&self) -> String {
        self.token.split_once('=').expect("a token has a secret").1.to_owned()
    }

    fn write_inventory(&self) {
        let (endpoint, authority) = (self.proxmox.endpoint(), self.proxmox.ca_file());
        let (url, sha256, port) = (&self.image.url, &self.image.sha256, self.closed_port);
        let made_up = "ab".repeat(32);
        let text = format!(
            "\
version: 1
cluster:
  name: test
  id: 11111111-2222-4333-8444-555555555555
proxmox:
  endpoint: {endpoint}
  tls:
    ca_file: {authority}
  token:
    env: TEST_TOKEN
  pool: homelab
  storage:
    disks: local-lvm
    image: local
    seeds: local
image:
  url: {url}
  sha256: {sha256}
  template: 9000
access:
  user: debian
  port: {port}
  public_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJwMHtx3h0bmYIcGQ0aWkVxQ2rRvAQs0c9N3xq6TnQv me]
network:
  cidr: 127.79.0.0/24
  gateway: 127.79.0.1
defaults:
  proxmox_node: pve1
  cores: 1
  memory: 2G
  disk: 6G
nodes:
  server:
    role: server
    vmid: 102
    address: {SERVER}
  agent:
    role: agent
    vmid: 101
    address: 127.79.0.101
tailnet:
  control:
    headscale:
      login_server: http://127.0.0.1:{port}
      api_key: {{env: TEST_TOKEN}}
      user: homelab
  tag: tag:k3s
  tailscale: {{version: 1.102.5, url: 'http://127.0.0.1:{port}/t.tgz', sha256: {made_up}}}
k3s:
  version: v1.34.9+k3s1
  url: http://127.0.0.1:{port}/k3s
  sha256: {made_up}
"
        );
        fs_err::write(self.path("homelab.yaml"), text).unwrap();
    }

    pub(crate) fn endpoint(&self) -> String {
        self.proxmox.endpoint()
    }

    pub(crate) fn fingerprint(&self) -> String {
        self.proxmox.fingerprint()
    }

    /// The public half of a key pair, as far as an inventory looks at it.
    pub(crate) fn write_key_pair(&self, name: &str) {
        let path = self.path(&format!("{name}.pub"));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJwMHtx3h0bmYIcGQ0aWkVxQ2rRvAQs0c9N3xq6TnQv me\n";
        fs_err::write(path, key).unwrap();
    }

    /// Changes the inventory.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("homelab.yaml");
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.contains(from), "the inventory has no `{from}`");
        fs_err::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// The program with these arguments, in this world and with nothing of its caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homelab"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("TEST_TOKEN", &self.token)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The program as another operator runs it: with a state folder of his own.
    pub(crate) fn elsewhere(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("XDG_STATE_HOME", self.path("elsewhere"));
        command
    }

    /// Proxmox itself, with the program's own rights.
    pub(crate) fn api(&self) -> ProxmoxClient {
        let path = self.path("homelab.yaml");
        let options =
            LoadOptions { pins: Pins::Required, path, lock: None, overrides: Overrides::default() };
        let site = inventory::load(&options).unwrap().desired.proxmox;
        ProxmoxClient::new(&site, Secret::new(self.token.clone())).unwrap()
    }

    /// Runs the program to its end.
    pub(crate) async fn homelab(&self, arguments: &[&str]) -> Ended {
        self.end(self.start(arguments)).await
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, mut command: Command) -> Ended {
        self.end(command.spawn().unwrap()).await
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) async fn end(&self, child: Child) -> Ended {
        let limit = Duration::from_secs(60);
        let output = tokio::time::timeout(limit, child.wait_with_output()).await;
        let output = output.expect("the program does not end").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            out: text(output.stdout),
            err: self.cleaned(&text(output.stderr)),
        }
    }

    /// What differs from run to run, by name.
    fn cleaned(&self, text: &str) -> String {
        text.replace(&self.proxmox.endpoint(), "https://PROXMOX")
            .replace(&self.proxmox.address().to_string(), "PROXMOX")
            .replace(self.folder.path().to_str().unwrap(), "")
            .replace(&self.image.url, "http://IMAGE/image.raw")
            .replace(&self.image.sha256, "IMAGE-SHA256")
            .replace(&self.proxmox.fingerprint(), "FINGERPRINT")
            .replace(&format!(":{}", self.closed_port), ":CLOSED")
    }

    /// Ends the emulator: from here on nothing listens there.
    pub(crate) async fn without_proxmox(self) -> Offline {
        let Self { proxmox, folder, token, image, closed_port } = self;
        drop(proxmox);
        let _ = (image, closed_port);
        Offline { folder, token }
    }

    /// A request to the emulator's own door.
    async fn door(&self, method: &str, path: &str, body: Value) -> Value {
        let address = self.proxmox.address().to_string();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = client::send(&address, method, path, &body).await.unwrap();
        assert!(answer.get("error").is_none(), "{method} {path}: {answer}");
        answer["data"].clone()
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.door("POST", "/lab/faults", fault).await;
    }

    pub(crate) async fn forget_faults(&self) {
        self.door("DELETE", "/lab/faults", Value::Null).await;
    }

    /// Requests that change something, as `POST /nodes/pve1/qemu/102/status/start`.
    pub(crate) async fn changes(&self) -> Vec<String> {
        let requests = self.door("GET", "/lab/requests", Value::Null).await;
        let entries = requests.as_array().cloned().unwrap_or_default();
        let line = |entry: &Value| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let new = entry["parameters"]["newid"].as_i64();
            let new = new.map(|new| format!(" newid={new}"));
            let new = new.or_else(|| {
                entry["parameters"]["newid"].as_str().map(|new| format!(" newid={new}"))
            });
            format!("{} {}{}", text("method"), text("path"), new.unwrap_or_default())
        };
        entries.iter().filter(|entry| entry["mutating"] == json!(true)).map(line).collect()
    }

    /// How many requests came to Proxmox's API.
    pub(crate) async fn requests(&self) -> usize {
        let requests = self.door("GET", "/lab/requests", Value::Null).await;
        requests.as_array().map_or(0, Vec::len)
    }

    pub(crate) async fn forget_requests(&self) {
        self.door("DELETE", "/lab/requests", Value::Null).await;
    }

    /// Waits until something holds, looking often; never longer than a minute.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self).await {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the host's own root does.
    pub(crate) async fn as_root(&self, method: &str, path: &str, given: Value) -> Value {
        self.proxmox.act_as_root(method, path, given).await.unwrap()
    }

    /// Runs `up` until both machines are started, then asks it to stop: nobody answers SSH on paper.
    pub(crate) async fn start_machines(&self) {
        if let Err(ended) = self.try_to_start_machines().await {
            panic!("two machines should run by now: {ended}\n{:#?}", self.changes().await);
        }
    }

    /// The same; the run as it ended where it ended before that.
    pub(crate) async fn try_to_start_machines(&self) -> Result<(), Ended> {
        let mut up = self.start(&["up", "--until", "machines", "--yes"]);
        let begun = Instant::now();
        loop {
            let journal = self.journal();
            let ends = |line: &&str| line.contains("step_finished") && line.contains("\"done\"");
            let started = |name: &&str| {
                let step = format!("\"machines/start/{name}\"");
                journal.lines().filter(ends).any(|line| line.contains(&step))
            };
            if ["server", "agent"].iter().all(started) {
                break;
            }
            let ended = up.try_wait().unwrap().is_some();
            if ended || begun.elapsed() > Duration::from_secs(60) {
                up.start_kill().ok();
                return Err(self.end(up).await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        terminate(&up);
        let ended = self.end(up).await;
        assert_eq!(ended.code, Some(130), "{ended}");
        Ok(())
    }

    pub(crate) async fn with_machines() -> Self {
        let world = Self::new().await;
        world.start_machines().await;
        world
    }
}
