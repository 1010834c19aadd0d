//! The lab's Proxmox VE: the emulator with real machines behind it, set up as an administrator would.

use std::{net::SocketAddr, process::Stdio, sync::Arc};

use camino::Utf8Path;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    WorldError, rights,
    segment::{BRIDGE, FILES, GATEWAY},
};
use crate::{
    hypervisor::Hypervisor,
    pve::{Config, NodeConfig, Running, Server, StorageConfig},
};

pub(crate) const PORT: u16 = 8006;
const NODE: &str = "pve1";
const ROOT_PASSWORD: &str = "the lab's own root";
const POOL: &str = "homelab";
const USER: &str = "homelab@pve";
const TOKEN: &str = "lab";

/// A Proxmox VE that answers, and a token for the product.
pub(crate) struct Proxmox {
    pub(crate) server: Running,
    /// `user@realm!name=uuid`.
    pub(crate) token: String,
}

impl Proxmox {
    pub(crate) async fn start(
        folder: &Utf8Path,
        hypervisor: Arc<dyn Hypervisor>,
        link_mtu: u16,
    ) -> Result<Self, WorldError> {
        let address = GATEWAY.parse().expect("the gateway is written as an address");
        let server = Server::start(Config {
            lacks: crate::pve::HostLacks::default(),
            gate: crate::sim::gate::Gate::default(),
            listen: SocketAddr::new(address, PORT),
            data_dir: folder.to_owned(),
            nodes: vec![NodeConfig {
                cores: 16,
                memory_bytes: 64 << 30,
                bridges: vec![BRIDGE.to_owned()],
                bridge_mtu: Some(link_mtu).filter(|mtu| *mtu != 1500),
                ..NodeConfig::new(NODE, GATEWAY)
            }],
            cluster_name: None,
            storages: vec![
                StorageConfig::directory(
                    "local",
                    "/var/lib/vz",
                    &["iso", "vztmpl", "backup", "import", "snippets"],
                ),
                StorageConfig {
                    // Thin: guests are given more than the lab's host has.
                    total_bytes: 2 << 40,
                    ..StorageConfig::lvm_thin("local-lvm", "pve", "data", &["images", "rootdir"])
                },
            ],
            root_password: ROOT_PASSWORD.to_owned(),
            subject_names: vec!["pve1.lab.test".to_owned()],
            // Real delays cost minutes and show nothing that the conformance run does not.
            pace: 0.1,
            era: 9,
            paper: None,
            hypervisor,
        })
        .await?;
        fs_err::copy(server.ca_file(), Utf8Path::new(FILES).join("pve-root-ca.pem"))?;
        let administrator = Administrator::log_in(&server).await?;
        let token = administrator.admit_the_product().await?;
        administrator.seed_the_bystander().await?;
        Ok(Self { server, token })
    }
}

/// `root@pam`, over the API.
struct Administrator {
    endpoint: String,
    authority: String,
    headers: Vec<String>,
}

impl Administrator {
    async fn log_in(server: &Running) -> Result<Self, WorldError> {
        let mut administrator = Self {
            endpoint: server.endpoint(),
            authority: server.ca_file().into_string(),
            headers: Vec::new(),
        };
        let fields = [("username", "root@pam"), ("password", ROOT_PASSWORD)];
        let ticket = administrator.call("POST", "access/ticket", &fields).await?;
        let text = |key: &str| ticket[key].as_str().unwrap_or_default().to_owned();
        administrator.headers = vec![
            format!("Cookie: PVEAuthCookie={}", text("ticket")),
            format!("CSRFPreventionToken: {}", text("CSRFPreventionToken")),
        ];
        Ok(administrator)
    }

    /// One request, with curl: what the lab relies on should not share its faults with the product.
    /// Everything goes in on standard input, so that no secret stands in a process list.
    async fn call(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Value, WorldError> {
        let mut lines = vec![
            format!("url = {}", quoted(&format!("{}/api2/json/{path}", self.endpoint))),
            format!("request = {method}"),
            format!("cacert = {}", quoted(&self.authority)),
        ];
        lines.extend(self.headers.iter().map(|header| format!("header = {}", quoted(header))));
        for (name, value) in fields {
            lines.push(format!("data-urlencode = {}", quoted(&format!("{name}={value}"))));
        }
        let mut curl = Command::new("curl")
            .args(["--silent", "--show-error", "--config", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = curl.stdin.take() {
            input.write_all(lines.join("\n").as_bytes()).await?;
        }
        let output = curl.wait_with_output().await?;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        match serde_json::from_str::<Value>(&answer) {
            Ok(mut value) if value.get("data").is_some() && value.get("message").is_none() => {
                Ok(value["data"].take())
            }
            _ => {
                let errors = String::from_utf8_lossy(&output.stderr);
                let answer = format!("{method} {path}: {answer} {errors}");
                Err(WorldError::Answer { service: "the emulated Proxmox VE", answer })
            }
        }
    }

    /// A pool, a user and a privilege-separated token, and no more rights than it needs.
    async fn admit_the_product(&self) -> Result<String, WorldError> {
        self.call("POST", "pools", &[("poolid", POOL)]).await?;
        self.call("POST", "access/users", &[("userid", USER)]).await?;
        let path = format!("access/users/{USER}/token/{TOKEN}");
        let token = self.call("POST", &path, &[("privsep", "1")]).await?;
        let id = format!("{USER}!{TOKEN}");
        for (role, privileges) in rights::ROLES {
            self.call("POST", "access/roles", &[("roleid", role), ("privs", privileges)]).await?;
        }
        for (path, role) in rights::GRANTS {
            let grant = [("path", path), ("roles", role), ("users", USER), ("tokens", id.as_str())];
            self.call("PUT", "access/acl", &grant).await?;
        }
        match token["value"].as_str() {
            Some(secret) => Ok(format!("{id}={secret}")),
            None => Err(WorldError::Answer {
                service: "the emulated Proxmox VE",
                answer: "a token without its value".to_owned(),
            }),
        }
    }

    /// A guest of somebody else's that must never be touched.
    async fn seed_the_bystander(&self) -> Result<(), WorldError> {
        let guest = [
            ("vmid", "104"),
            ("name", "game-server"),
            ("cores", "4"),
            ("memory", "8192"),
            ("scsihw", "virtio-scsi-pci"),
            ("scsi0", "local-lvm:8"),
            ("net0", "virtio,bridge=vmbr0"),
            ("description", "Not part of any cluster."),
        ];
        self.call("POST", &format!("nodes/{NODE}/qemu"), &guest).await?;
        Ok(())
    }
}

/// A value in curl's configuration syntax.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_not_end_its_own_quotes() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
