//! What an administrator does once, as `root@pam` by ticket: pool, user, token, roles and grants.

use homelab::{
    adapter::proxmox::ProxmoxClient,
    commands::role::Scope,
    inventory::desired::{ProxmoxSite, SecretSource, TlsTrust},
    secret::Secret,
};
use reqwest::{Client, Method};
use serde_json::Value;

const USER: &str = "homelab-test@pve";

/// The administrator.
pub(crate) struct Root {
    endpoint: String,
    fingerprint: [u8; 32],
    client: Client,
    ticket: String,
    csrf: String,
}

impl Root {
    /// Logs in where the environment says.
    pub(crate) async fn from_environment() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see tests/proxmox"))
        };
        let fingerprint = variable("HOMELAB_TEST_PROXMOX_FINGERPRINT").replace(':', "");
        // The adapter pins; the administrator of this test may look away.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build();
        let mut root = Self {
            endpoint: variable("HOMELAB_TEST_PROXMOX"),
            fingerprint: hex::decode(fingerprint).unwrap().try_into().unwrap(),
            client: client.unwrap(),
            ticket: String::new(),
            csrf: String::new(),
        };
        let password = variable("HOMELAB_TEST_PROXMOX_PASSWORD");
        let login = [("username", "root@pam"), ("password", &password)];
        let data = root.call(Method::POST, "/access/ticket", &login).await.unwrap();
        root.ticket = data["ticket"].as_str().unwrap().into();
        root.csrf = data["CSRFPreventionToken"].as_str().unwrap().into();
        root
    }

    /// The name of the first node.
    pub(crate) async fn node(&self) -> String {
        let nodes = self.call(Method::GET, "/nodes", &[]).await.unwrap();
        nodes[0]["node"].as_str().unwrap().to_owned()
    }

    /// A client with exactly the rights of `scope`.
    pub(crate) async fn client_with(&self, scope: &Scope) -> ProxmoxClient {
        let pool = scope.pool.clone().unwrap();
        // What an earlier run left goes first; the user takes its tokens and grants along.
        let _ = self.call(Method::DELETE, &format!("/access/users/{USER}"), &[]).await;
        let _ = self.call(Method::POST, "/pools", &[("poolid", &pool)]).await;
        self.call(Method::POST, "/access/users", &[("userid", USER)]).await.unwrap();
        for role in scope.roles() {
            let privileges = role.privileges.join(",");
            let _ = self.call(Method::DELETE, &format!("/access/roles/{}", role.name), &[]).await;
            let parameters = [("roleid", role.name), ("privs", &privileges)];
            self.call(Method::POST, "/access/roles", &parameters).await.unwrap();
        }
        let path = format!("/access/users/{USER}/token/up");
        let token = self.call(Method::POST, &path, &[("privsep", "1")]).await.unwrap();
        let id = format!("{USER}!up");
        for grant in scope.grants() {
            let parameters = [
                ("path", grant.path.as_str()),
                ("roles", grant.role),
                ("users", USER),
                ("tokens", &id),
            ];
            self.call(Method::PUT, "/access/acl", &parameters).await.unwrap();
        }
        let site = ProxmoxSite {
            endpoint: self.endpoint.clone(),
            tls: TlsTrust::Fingerprints(vec![self.fingerprint]),
            token: SecretSource::Env("UNUSED".into()),
            pool: Some(pool),
            bridge: "vmbr0".into(),
            vlan: None,
            disk_storage: "local-lvm".into(),
            image_storage: "local".into(),
            seed_storage: "local".into(),
            parallel_clones: 2,
        };
        let secret = token["value"].as_str().unwrap();
        ProxmoxClient::new(&site, Secret::new(format!("{id}={secret}"))).unwrap()
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, String> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}/api2/json{path}", self.endpoint))
            .header("Cookie", format!("PVEAuthCookie={}", self.ticket))
            .header("CSRFPreventionToken", &self.csrf);
        if matches!(method, Method::POST | Method::PUT) {
            request = request.form(parameters);
        }
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            Ok(body["data"].clone())
        } else {
            Err(format!("{path}: {status} {body}"))
        }
    }
}
