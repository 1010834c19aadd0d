//! DNS records: `zones/{zone}/dns_records`.

use serde_json::{Value, json};

use super::{CloudflareApi, answer::RecordAnswer, call::Call, encoded};
use crate::ports::{Alias, DnsRecord, EdgeError, Permission, Zone};

/// The edge chooses it, as it must for what it proxies.
const AUTOMATIC: u32 = 1;

impl CloudflareApi {
    pub(super) async fn list_records(&self, zone: &Zone) -> Result<Vec<DnsRecord>, EdgeError> {
        let path = format!("/zones/{}/dns_records?order=name", zone.id);
        let found: Vec<RecordAnswer> = self.api.all(&path, Permission::Dns).await?;
        Ok(found.into_iter().map(DnsRecord::from).collect())
    }

    pub(super) async fn post_record(
        &self,
        zone: &Zone,
        wanted: &Alias,
    ) -> Result<DnsRecord, EdgeError> {
        let path = format!("/zones/{}/dns_records", zone.id);
        let made: RecordAnswer =
            self.api.result(Call::post(path, Permission::Dns, body(wanted))).await?;
        Ok(made.into())
    }

    pub(super) async fn put_record(
        &self,
        zone: &Zone,
        id: &str,
        wanted: &Alias,
    ) -> Result<(), EdgeError> {
        let path = format!("/zones/{}/dns_records/{}", zone.id, encoded(id));
        self.api.done(Call::put(path, Permission::Dns, body(wanted))).await
    }
}

fn body(wanted: &Alias) -> Value {
    json!({
        "type": "CNAME",
        "name": wanted.name,
        "content": wanted.target,
        "proxied": true,
        "ttl": AUTOMATIC,
        "comment": wanted.comment,
    })
}
