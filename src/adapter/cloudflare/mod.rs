//! Cloudflare's API, version 4 (developers.cloudflare.com/api): tunnels, their remote configuration, and
//! the DNS records of a zone. Paths, envelopes and codes as the official clients have them.

mod answer;
mod call;
mod records;
#[cfg(test)]
mod tests;
mod tunnels;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::OnceCell;

use self::{
    answer::ZoneAnswer,
    call::{Api, Call},
};
use crate::{
    error::Failure,
    inventory::desired::Cloudflare,
    ports::{Alias, DnsRecord, Edge, EdgeError, Permission, Rule, Tunnel, Zone},
    secret::Secret,
};

/// One account, as its API token sees it.
#[derive(Debug)]
pub struct CloudflareApi {
    api: Api,
    account: String,
    zones: Vec<String>,
    zone: OnceCell<Zone>,
}

impl CloudflareApi {
    /// Nothing is contacted and no secret is resolved before the first call.
    ///
    /// # Errors
    /// When the CA file is none.
    pub fn new(site: &Cloudflare) -> Result<Self, Failure> {
        Ok(Self {
            api: Api::new(site)?,
            account: site.account_id.clone(),
            zones: site.zones.clone(),
            zone: OnceCell::new(),
        })
    }

    async fn find_zone(&self) -> Result<Zone, EdgeError> {
        for name in &self.zones {
            let path = format!("/zones?name={}&account.id={}", encoded(name), self.account);
            let found: Vec<ZoneAnswer> = self.api.all(&path, Permission::Zone).await?;
            if let Some(zone) = found.into_iter().find(|zone| zone.name == *name) {
                return Ok(Zone { id: zone.id, name: zone.name });
            }
        }
        Err(EdgeError::NoZone { wanted: self.zones.clone() })
    }
}

impl Edge for CloudflareApi {
    async fn zone(&self) -> Result<Zone, EdgeError> {
        self.zone.get_or_try_init(|| self.find_zone()).await.cloned()
    }

    async fn tunnels(&self, name: &str) -> Result<Vec<Tunnel>, EdgeError> {
        self.list_tunnels(name).await
    }

    async fn create_tunnel(&self, name: &str) -> Result<Tunnel, EdgeError> {
        self.post_tunnel(name).await
    }

    async fn drop_connections(&self, id: &str) -> Result<(), EdgeError> {
        let path = self.tunnel_path(id, "/connections");
        gone_is_fine(self.api.done(Call::delete(path, Permission::Tunnel)).await)
    }

    async fn delete_tunnel(&self, id: &str) -> Result<(), EdgeError> {
        let path = self.tunnel_path(id, "");
        gone_is_fine(self.api.done(Call::delete(path, Permission::Tunnel)).await)
    }

    async fn rules(&self, id: &str) -> Result<Vec<Rule>, EdgeError> {
        self.get_rules(id).await
    }

    async fn set_rules(&self, id: &str, rules: &[Rule]) -> Result<(), EdgeError> {
        self.put_rules(id, rules).await
    }

    async fn token(&self, id: &str) -> Result<Secret, EdgeError> {
        self.get_token(id).await
    }

    async fn records(&self, zone: &Zone) -> Result<Vec<DnsRecord>, EdgeError> {
        self.list_records(zone).await
    }

    async fn create_record(&self, zone: &Zone, wanted: &Alias) -> Result<DnsRecord, EdgeError> {
        self.post_record(zone, wanted).await
    }

    async fn update_record(&self, zone: &Zone, id: &str, wanted: &Alias) -> Result<(), EdgeError> {
        self.put_record(zone, id, wanted).await
    }

    async fn delete_record(&self, zone: &Zone, id: &str) -> Result<(), EdgeError> {
        let path = format!("/zones/{}/dns_records/{}", zone.id, encoded(id));
        gone_is_fine(self.api.done(Call::delete(path, Permission::Dns)).await)
    }
}

/// A call that takes something away: that it is gone already is fine.
fn gone_is_fine(result: Result<(), EdgeError>) -> Result<(), EdgeError> {
    match result {
        Err(EdgeError::Refused { status: 404, .. }) => Ok(()),
        other => other,
    }
}

/// What stands in a URL as it is (RFC 3986, 2.3): a UUID's hyphens among it.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}
