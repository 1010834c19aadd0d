//! Against a real Headscale (`HOMELAB_TEST_HEADSCALE` names the binary), joined by a real tailscaled
//! without a TUN (`HOMELAB_TEST_TAILSCALE` names the folder of both binaries), all on loopback.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    adapter::tailnet::{Headscale, credential::Credential},
    commands::tailnet_policy,
    inventory::desired::Overlay,
    ports::{KeyMark, Tailnet, TailnetError},
};

/// A process of ours, gone when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: {variable} is not set");
    }
    path
}

fn output(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        #[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn start(program: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    // The embedded DERP server speaks plain HTTP here.
    Running(command.env("TS_DEBUG_USE_DERP_HTTP", "1").spawn().unwrap())
}

fn configuration(folder: &str, port: u16) -> String {
    let (metrics, grpc, stun) = (free_port(), free_port(), free_port());
    format!(
        "server_url: http://127.0.0.1:{port}\nlisten_addr: 127.0.0.1:{port}\n\
         metrics_listen_addr: 127.0.0.1:{metrics}\ngrpc_listen_addr: 127.0.0.1:{grpc}\n\
         noise: {{ private_key_path: {folder}/noise.key }}\n\
         prefixes: {{ v4: 100.64.0.0/10, v6: 'fd7a:115c:a1e0::/48', allocation: sequential }}\n\
         derp: {{ urls: [], paths: [], auto_update_enabled: false, server: {{ enabled: true, \
         region_id: 999, region_code: test, region_name: test, verify_clients: true, \
         stun_listen_addr: '127.0.0.1:{stun}', private_key_path: {folder}/derp.key, \
         automatically_add_embedded_derp_region: true, ipv4: 127.0.0.1 }} }}\n\
         disable_check_updates: true\nlogtail: {{ enabled: false }}\n\
         database: {{ type: sqlite, sqlite: {{ path: {folder}/db.sqlite }} }}\n\
         dns: {{ magic_dns: true, base_domain: test.internal, override_local_dns: false, \
         nameservers: {{ global: [] }} }}\n\
         policy: {{ mode: file, path: {folder}/policy.hujson }}\n\
         unix_socket: {folder}/headscale.sock\nunix_socket_permission: '0700'\n"
    )
}

#[tokio::test]
async fn a_device_joins_a_real_headscale_and_is_removed_again() {
    let Some(headscale) = from_environment("HOMELAB_TEST_HEADSCALE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let port = free_port();
    let config = format!("{path}/config.yaml");
    fs_err::write(&config, configuration(path, port)).unwrap();
    // The very policy that we tell people to use.
    let policy = tailnet_policy::headscale("tag:k3s", "lab", Overlay::Tailscale, None);
    fs_err::write(format!("{path}/policy.hujson"), policy).unwrap();
    let _server = start(&headscale, &["-c", &config, "serve"]);
    wait_until("Headscale answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    output(&headscale, &["-c", &config, "users", "create", "lab"]);
    let key = output(&headscale, &["-c", &config, "apikeys", "create"]);
    let key = key.lines().last().unwrap();
    let endpoint = format!("http://127.0.0.1:{port}");
    let tailnet = Headscale::new(&endpoint, Credential::given(key), "lab").unwrap();

    let can = tailnet.check().await.unwrap();
    assert!(can.service.starts_with("Headscale 0."), "{can:?}");
    assert_eq!(tailnet.devices().await.unwrap(), []);
    tailnet.delete_device("77").await.unwrap();
    let stranger = Headscale::new(&endpoint, Credential::given("hskey-api-x"), "lab").unwrap();
    let error = stranger.devices().await.unwrap_err();
    assert!(matches!(error, TailnetError::Unauthorized { .. }), "{error}");
    let nobody = Headscale::new(&endpoint, Credential::given(key), "nobody").unwrap();
    assert!(nobody.check().await.unwrap_err().to_string().contains("users create nobody"));

    let hour = Duration::from_secs(3600);
    let spare = tailnet.mint_key("tag:k3s", &KeyMark::new("spare", hour)).await.unwrap();
    let mark = KeyMark::new("k3s-agent", hour);
    let minted = tailnet.mint_key("tag:k3s", &mark).await.unwrap();
    assert_eq!(tailnet.marked_key(&mark).await.unwrap().as_ref(), Some(&minted.id));
    assert_eq!(tailnet.marked_key(&KeyMark::new("nobody's", hour)).await.unwrap(), None);
    tailnet.revoke_key(&spare.id).await.unwrap();
    tailnet.revoke_key(&spare.id).await.unwrap();

    let Some(binaries) = from_environment("HOMELAB_TEST_TAILSCALE") else { return };
    let socket = format!("--socket={path}/tailscaled.sock");
    let state = format!("--statedir={path}/tailscaled");
    let _daemon = start(
        &binaries.join("tailscaled"),
        &["--tun=userspace-networking", "--port=0", "--no-logs-no-support", &socket, &state],
    );
    let tailscale = binaries.join("tailscale");
    wait_until("tailscaled answers", || Path::new(&format!("{path}/tailscaled.sock")).exists());
    let up = |key: &str| {
        let file = format!("{path}/auth-key");
        fs_err::write(&file, key).unwrap();
        let key = format!("--auth-key=file:{file}");
        let server = format!("--login-server={endpoint}");
        let arguments = [&socket, "up", &server, &key, "--hostname=k3s-agent", "--timeout=20s"];
        Command::new(&tailscale).args(arguments).output().unwrap()
    };
    assert!(!up(spare.secret.expose()).status.success(), "a revoked key still works");
    let joined = up(minted.secret.expose());
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    let status: serde_json::Value =
        serde_json::from_str(&output(&tailscale, &[&socket, "status", "--json"])).unwrap();
    let device = tailnet.devices().await.unwrap().remove(0);
    assert_eq!(device.node_id, status["Self"]["ID"].as_str().unwrap());
    assert_eq!(device.ipv4.unwrap().to_string(), status["Self"]["TailscaleIPs"][0]);
    assert_eq!((device.name.as_str(), device.online), ("k3s-agent", Some(true)));
    assert_eq!((device.tags.as_slice(), device.key_expiry), (&["tag:k3s".to_owned()][..], None));
    assert!(!device.ephemeral);
    tailnet.delete_device(&device.id).await.unwrap();
    assert_eq!(tailnet.devices().await.unwrap(), []);
}
