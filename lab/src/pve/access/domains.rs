//! Realms: where users are authenticated. Those that come with Proxmox, read only.

use serde_json::{Value, json};

use super::permission::{Permission, any_of};
use crate::pve::{endpoint::Endpoint, error::ApiError, request::Request, schema::formatted};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/access/domains").permission(Permission::World).handler(list),
        Endpoint::get("/access/domains/{realm}")
            .permission(any_of("/access/realm", &["Realm.Allocate", "Sys.Audit"]))
            .parameters([formatted("pve-realm").max_length(32).named("realm")])
            .handler(read),
    ]
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let data = request.state.access.lock();
    Ok(data
        .realms
        .iter()
        .map(|(name, realm)| json!({ "realm": name, "type": realm.kind, "comment": realm.comment }))
        .collect())
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let name = request.text("realm").unwrap_or_default();
    let data = request.state.access.lock();
    let realm = data
        .realms
        .get(&name)
        .ok_or_else(|| ApiError::failure(format!("domain '{name}' does not exist")))?;
    Ok(json!({ "type": realm.kind, "comment": realm.comment, "digest": "" }))
}
