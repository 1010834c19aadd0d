//! Devices.

use std::net::Ipv4Addr;

use http::StatusCode;
use serde_json::{Value, json};

use super::{access, nothing, object, refuse, wrong};
use crate::sim::tailnet::{
    address,
    answer::{Answer, Outcome},
    model::Device,
    names,
    request::{flag, texts},
    route::Asked,
    world,
};

pub(super) fn list(asked: &mut Asked<'_>) -> Outcome {
    let devices: Vec<Value> = asked.data.devices.iter().map(|device| wire(asked, device)).collect();
    Ok(Answer::ok(&json!({ "devices": devices })))
}

pub(super) fn one(asked: &mut Asked<'_>) -> Outcome {
    let device = found(asked)?.clone();
    Ok(Answer::ok(&wire(asked, &device)))
}

pub(super) fn delete(asked: &mut Asked<'_>) -> Outcome {
    let id = found(asked)?.id.clone();
    asked.data.devices.retain(|device| device.id != id);
    Ok(nothing())
}

pub(super) fn set_address(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let id = found(asked)?.id.clone();
    let text = object.get("ipv4").and_then(Value::as_str).unwrap_or_default();
    let address = text.parse::<Ipv4Addr>().ok().filter(|address| address::is_assignable(*address));
    // The API's texts for both are not known; the console says the second.
    let address = address.ok_or_else(|| wrong("invalid IPv4 address"))?;
    if asked.data.devices.iter().any(|other| other.ipv4 == address && other.id != id) {
        return Err(wrong("address already in use"));
    }
    found(asked)?.ipv4 = address;
    Ok(nothing())
}

pub(super) fn authorize(asked: &mut Asked<'_>) -> Outcome {
    let authorized = flag(&object(asked)?, "authorized");
    found(asked)?.authorized = authorized;
    Ok(nothing())
}

pub(super) fn set_tags(asked: &mut Asked<'_>) -> Outcome {
    let tags = texts(&object(asked)?, "tags");
    if tags.is_empty() && !found(asked)?.tags.is_empty() {
        return Err(wrong("tagged nodes cannot be untagged without reauth"));
    }
    access::check_tags(asked, &tags)?;
    let device = found(asked)?;
    // It has no owner any more who could log in again.
    device.key_expiry_disabled = device.key_expiry_disabled || device.tags.is_empty();
    device.tags = tags;
    Ok(nothing())
}

pub(super) fn set_key(asked: &mut Asked<'_>) -> Outcome {
    let disabled = flag(&object(asked)?, "keyExpiryDisabled");
    found(asked)?.key_expiry_disabled = disabled;
    Ok(nothing())
}

pub(super) fn set_name(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let given = object.get("name").and_then(Value::as_str).unwrap_or_default();
    let name = given.strip_suffix(&format!(".{}", asked.settings.domain)).unwrap_or(given);
    let id = found(asked)?.id.clone();
    // The texts are made up. An empty name goes back to the host name.
    if !name.is_empty() && !names::is_label(name) {
        return Err(wrong("invalid name"));
    }
    let others = asked.data.devices.iter().filter(|other| other.id != id);
    let taken: Vec<&str> = others.map(|other| other.name.as_str()).collect();
    if taken.contains(&name) {
        return Err(wrong("name already in use"));
    }
    let derived = match asked.data.devices.iter().find(|device| device.id == id) {
        Some(device) if name.is_empty() => {
            names::given(asked.settings.plane, &device.hostname, &taken)
        }
        _ => name.to_owned(),
    };
    let renamed = !name.is_empty();
    let device = found(asked)?;
    device.name = derived;
    device.renamed = renamed;
    Ok(nothing())
}

pub(super) fn expire(asked: &mut Asked<'_>) -> Outcome {
    let now = asked.now;
    world::expire(found(asked)?, now);
    Ok(nothing())
}

/// A device by either of its ids.
fn found<'a>(asked: &'a mut Asked<'_>) -> Result<&'a mut Device, Answer> {
    let id = asked.parameters.first().cloned().unwrap_or_default();
    let absent = || refuse(StatusCode::NOT_FOUND, "no manageable device matching this ID found");
    asked.data.device(&id).ok_or_else(absent)
}

fn wire(asked: &Asked<'_>, device: &Device) -> Value {
    let mut value = json!({
        "addresses": [device.ipv4, device.ipv6],
        "id": device.legacy_id,
        "nodeId": device.id,
        "user": if device.tags.is_empty() { "person@lab.example" } else { "tagged-devices" },
        "name": format!("{}.{}", device.name, asked.settings.domain),
        "hostname": device.hostname,
        "clientVersion": "1.102.5",
        "updateAvailable": false,
        "os": "linux",
        "created": device.created.to_string(),
        "connectedToControl": device.online,
        "keyExpiryDisabled": device.key_expiry_disabled,
        "expires": device.expires.unwrap_or(device.created).to_string(),
        "authorized": device.authorized,
        "isExternal": false,
        "isEphemeral": device.ephemeral,
        "machineKey": device.machine,
        "nodeKey": device.node_key,
        "blocksIncomingConnections": false,
        "tailnetLockKey": "",
        "tailnetLockError": "",
    });
    if !device.tags.is_empty() {
        value["tags"] = json!(device.tags);
    }
    // Who is connected is seen all the time.
    if !device.online {
        value["lastSeen"] = json!(device.last_seen.to_string());
    }
    if asked.request.query("fields") == Some("all") {
        value["advertisedRoutes"] = json!([]);
        value["enabledRoutes"] = json!([]);
        value["sshEnabled"] = json!(false);
        value["distro"] = json!({ "name": "debian", "version": "13", "codeName": "trixie" });
    }
    value
}
