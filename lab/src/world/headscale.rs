//! The lab's control server: Headscale with its embedded relay, over plain HTTP.

use camino::Utf8Path;
use serde_json::Value;

use super::{
    WorldError,
    place::write,
    segment::{FILES, GATEWAY},
    service::Service,
};
use crate::machines::run;

pub(crate) const PORT: u16 = 8080;
/// What a device's name is followed by.
pub(crate) const DOMAIN: &str = "tailnet.lab.test";
/// The user that the product's keys belong to.
pub(crate) const USER: &str = "homelab";

/// What nodes may do: the cluster's nodes and their proxies reach each other, and nothing else.
const POLICY: &str = r#"{
  "tagOwners": {
    "tag:k3s": ["homelab@"],
    "tag:k3s-proxy": ["tag:k3s", "homelab@"],
  },
  "acls": [
    {
      "action": "accept",
      "src": ["tag:k3s", "tag:k3s-proxy"],
      "dst": ["tag:k3s:*", "tag:k3s-proxy:*"],
    },
  ],
}
"#;

/// A control server that answers, and a key for its API.
#[derive(Debug)]
pub(crate) struct Headscale {
    pub(crate) api_key: String,
    _service: Service,
}

impl Headscale {
    pub(crate) async fn start(program: &Utf8Path, folder: &Utf8Path) -> Result<Self, WorldError> {
        fs_err::create_dir_all(folder)?;
        let configuration = folder.join("config.yaml");
        write(&configuration, &text(folder))?;
        write(&folder.join("policy.hujson"), POLICY)?;
        let arguments = ["--config", configuration.as_str(), "serve"];
        let mut service = Service::start("headscale", program, &arguments, folder)?;
        service.listening(&format!("{GATEWAY}:{PORT}")).await?;

        let ask = async |words: &[&str]| {
            let line = [&["--config", configuration.as_str(), "--output", "json"], words].concat();
            run(program.as_str(), &line).await
        };
        ask(&["users", "create", USER]).await?;
        let answer = ask(&["apikeys", "create", "--expiration", "30d"]).await?;
        let api_key = match serde_json::from_str::<Value>(&answer) {
            Ok(Value::String(key)) => key,
            Ok(Value::Object(object)) => {
                object.values().find_map(Value::as_str).unwrap_or_default().to_owned()
            }
            _ => answer.trim().to_owned(),
        };
        if api_key.is_empty() {
            return Err(WorldError::Answer { service: "headscale", answer });
        }
        Ok(Self { api_key, _service: service })
    }
}

fn text(folder: &Utf8Path) -> String {
    format!(
        r#"server_url: http://{GATEWAY}:{PORT}
listen_addr: {GATEWAY}:{PORT}
metrics_listen_addr: 127.0.0.1:9191
noise:
  private_key_path: {folder}/noise_private.key
prefixes:
  v4: 100.64.0.0/10
  v6: fd7a:115c:a1e0::/48
  allocation: sequential
derp:
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: the lab's embedded relay
    verify_clients: true
    stun_listen_addr: "{GATEWAY}:3478"
    private_key_path: {folder}/derp_server_private.key
    automatically_add_embedded_derp_region: true
    ipv4: {GATEWAY}
  urls: []
  paths: []
  auto_update_enabled: false
disable_check_updates: true
grpc_listen_addr: 127.0.0.1:50444
grpc_allow_insecure: false
database:
  type: sqlite
  sqlite:
    path: {folder}/db.sqlite
    write_ahead_log: true
log:
  level: info
policy:
  mode: file
  path: {folder}/policy.hujson
dns:
  magic_dns: true
  base_domain: {DOMAIN}
  override_local_dns: false
  nameservers:
    global: []
unix_socket: {FILES}/headscale.socket
unix_socket_permission: "0700"
logtail:
  enabled: false
"#
    )
}
