//! Users, keys and nodes as JSON: each field, in the order of the definition.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sim::tailnet::{
    model::{Device, Key, User},
    plane::Release,
    state::Data,
};

/// Go's zero time, which an expiry that nobody set was before 0.28.
pub(super) const ZERO: &str = "0001-01-01T00:00:00Z";

pub(super) fn user(user: &User) -> Value {
    described(&user.id.to_string(), &user.name, &user.created.to_string(), "")
}

/// Whose a node with tags is said to be from 0.28 on (`types.TaggedDevices`).
fn tagged_devices() -> Value {
    described("2147455555", "tagged-devices", ZERO, "Tagged Devices")
}

fn described(id: &str, name: &str, created: &str, display: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "createdAt": created,
        "displayName": display,
        "email": "",
        "providerId": "",
        "provider": "",
        "profilePicUrl": "",
    })
}

fn owner(data: &Data, id: Option<u64>) -> Value {
    let found = data.users.iter().find(|known| Some(known.id) == id);
    found.map_or(Value::Null, user)
}

/// A key as lists and nodes show it: from 0.28 on without its secret part.
pub(super) fn key(data: &Data, release: Release, key: &Key) -> Value {
    let mut value = new_key(data, key);
    if release.names_keys_by_id() {
        let prefix = key.secret.get(..23).unwrap_or(&key.secret);
        value["key"] = json!(format!("{prefix}-***"));
    }
    value
}

/// A key as the call shows it that made it.
pub(super) fn new_key(data: &Data, key: &Key) -> Value {
    json!({
        "user": owner(data, key.user),
        "id": key.id,
        "key": key.secret,
        "reusable": key.reusable,
        "ephemeral": key.ephemeral,
        "used": key.used,
        "expiration": key.revoked.unwrap_or(key.expires).to_string(),
        "createdAt": key.created.to_string(),
        "aclTags": key.tags,
    })
}

/// A node; `listed`: in the list, which alone names the tagged devices' own user.
pub(super) fn node(data: &Data, release: Release, device: &Device, listed: bool) -> Value {
    let by_tags = release >= Release::V0_28;
    let user = match by_tags && listed && !device.tags.is_empty() {
        true => tagged_devices(),
        false => owner(data, device.user),
    };
    let joined_with = data.keys.iter().find(|key| Some(&key.id) == device.key.as_ref());
    let mut value = json!({
        "id": device.id,
        "machineKey": device.machine,
        "nodeKey": device.node_key,
        "discoKey": "",
        "ipAddresses": [device.ipv4, device.ipv6],
        "name": device.hostname,
        "user": user,
        "lastSeen": device.last_seen.to_string(),
        "expiry": expiry(release, device.expires),
        "preAuthKey": joined_with.map_or(Value::Null, |found| key(data, release, found)),
        "createdAt": device.created.to_string(),
        "registerMethod": "REGISTER_METHOD_AUTH_KEY",
        "givenName": device.name,
        "online": device.online,
        "approvedRoutes": [],
        "availableRoutes": [],
        "subnetRoutes": [],
    });
    match by_tags {
        true => value["tags"] = json!(device.tags),
        false => {
            value["forcedTags"] = json!(device.tags);
            value["invalidTags"] = json!([]);
            value["validTags"] = json!([]);
        }
    }
    value
}

fn expiry(release: Release, expires: Option<Timestamp>) -> Value {
    match expires {
        Some(expires) => json!(expires.to_string()),
        None if release < Release::V0_28 => json!(ZERO),
        None => Value::Null,
    }
}
