//! Tunnels: `accounts/{account}/cfd_tunnel`.

use serde_json::{Map, Value, json};

use super::{
    CloudflareApi,
    answer::{ConfigurationAnswer, TunnelAnswer, rule},
    call::Call,
    encoded,
};
use crate::{
    ports::{EdgeError, Permission, Rule, Tunnel},
    secret::Secret,
};

impl CloudflareApi {
    fn tunnels_path(&self) -> String {
        format!("/accounts/{}/cfd_tunnel", self.account)
    }

    pub(super) fn tunnel_path(&self, id: &str, rest: &str) -> String {
        format!("{}/{}{rest}", self.tunnels_path(), encoded(id))
    }

    /// Deleted tunnels stay in the list unless one says that they shall not.
    pub(super) async fn list_tunnels(&self, name: &str) -> Result<Vec<Tunnel>, EdgeError> {
        let path = format!("{}?is_deleted=false&name={}", self.tunnels_path(), encoded(name));
        let found: Vec<TunnelAnswer> = self.api.all(&path, Permission::Tunnel).await?;
        let living = found.into_iter().filter(|tunnel| tunnel.deleted_at.is_none());
        Ok(living.map(Tunnel::from).filter(|tunnel| tunnel.name == name).collect())
    }

    pub(super) async fn post_tunnel(&self, name: &str) -> Result<Tunnel, EdgeError> {
        let body = json!({ "name": name, "config_src": "cloudflare" });
        let call = Call::post(self.tunnels_path(), Permission::Tunnel, body);
        let made: TunnelAnswer = self.api.result(call).await?;
        Ok(made.into())
    }

    pub(super) async fn get_rules(&self, id: &str) -> Result<Vec<Rule>, EdgeError> {
        let call = Call::get(self.tunnel_path(id, "/configurations"), Permission::Tunnel);
        let answer: ConfigurationAnswer = self.api.result(call).await?;
        let rules = answer.config.and_then(|config| config.ingress).unwrap_or_default();
        Ok(rules.into_iter().map(rule).collect())
    }

    pub(super) async fn put_rules(&self, id: &str, rules: &[Rule]) -> Result<(), EdgeError> {
        let written = rules.iter().map(|rule| {
            let mut object = Map::new();
            if let Some(hostname) = &rule.hostname {
                object.insert("hostname".into(), json!(hostname));
            }
            object.insert("service".into(), json!(rule.service));
            Value::Object(object)
        });
        let body = json!({ "config": { "ingress": written.collect::<Vec<_>>() } });
        let path = self.tunnel_path(id, "/configurations");
        self.api.done(Call::put(path, Permission::Tunnel, body)).await
    }

    pub(super) async fn get_token(&self, id: &str) -> Result<Secret, EdgeError> {
        let call = Call::get(self.tunnel_path(id, "/token"), Permission::Tunnel);
        self.api.result::<String>(call).await.map(Secret::new)
    }
}
