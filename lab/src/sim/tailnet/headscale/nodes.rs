//! Nodes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Code, check_tag, id, nothing, object, refuse, release, wire};
use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    model::Device,
    names,
    plane::Release,
    request::texts,
    route::Asked,
    world,
};

pub(super) fn list(asked: &mut Asked<'_>) -> Outcome {
    let release = release(asked);
    let user = match asked.request.query("user").filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => match asked.data.users.iter().find(|user| user.name == name) {
            Some(user) => Some(user.id),
            None => return Err(refuse(Code::Unknown, "user not found")),
        },
    };
    let shown = asked.data.devices.iter().filter(|device| user.is_none() || device.user == user);
    let nodes: Vec<Value> =
        shown.map(|device| wire::node(asked.data, release, device, true)).collect();
    Ok(Answer::ok(&json!({ "nodes": nodes })))
}

/// A node by the path's id.
fn node<'a>(asked: &'a mut Asked<'_>, absent: (Code, &str)) -> Result<&'a mut Device, Answer> {
    let id = id(asked, "node_id")?.to_string();
    let (code, message) = absent;
    asked.data.device(&id).ok_or_else(|| refuse(code, message))
}

/// How a call says that a node is not there which looks for it first.
fn absent(asked: &Asked<'_>) -> (Code, &'static str) {
    match release(asked) {
        Release::V0_26 => (Code::Unknown, "record not found"),
        _ => (Code::NotFound, "node not found"),
    }
}

/// How one says it that does not.
const NO_LONGER: (Code, &str) = (Code::Unknown, "node no longer exists in NodeStore");

fn shown(asked: &Asked<'_>, device: &Device) -> Answer {
    Answer::ok(&json!({ "node": wire::node(asked.data, release(asked), device, false) }))
}

pub(super) fn one(asked: &mut Asked<'_>) -> Outcome {
    let absent = absent(asked);
    let device = node(asked, absent)?.clone();
    Ok(shown(asked, &device))
}

pub(super) fn delete(asked: &mut Asked<'_>) -> Outcome {
    let absent = absent(asked);
    let id = node(asked, absent)?.id.clone();
    asked.data.devices.retain(|device| device.id != id);
    Ok(nothing())
}

pub(super) fn expire(asked: &mut Asked<'_>) -> Outcome {
    let never = release(asked) >= Release::V0_29
        && asked.request.query("disableExpiry").is_some_and(|flag| flag == "true");
    let later = asked.request.query("expiry").and_then(|time| time.parse::<Timestamp>().ok());
    let now = asked.now;
    let device = node(asked, NO_LONGER)?;
    match (never, later) {
        (true, _) => device.expires = None,
        (false, Some(later)) if later > now => device.expires = Some(later),
        (false, _) => world::expire(device, now),
    }
    let device = device.clone();
    Ok(shown(asked, &device))
}

pub(super) fn rename(asked: &mut Asked<'_>) -> Outcome {
    let name = asked.parameters.last().cloned().unwrap_or_default();
    if !names::is_label(&name) {
        let message = format!("renaming node: {name:?} is not a valid DNS label");
        return Err(refuse(Code::Unknown, &message));
    }
    let id = node(asked, NO_LONGER)?.id.clone();
    if asked.data.devices.iter().any(|other| other.name == name && other.id != id) {
        return Err(refuse(Code::Unknown, &format!("node name is not unique: {name}")));
    }
    let device = node(asked, NO_LONGER)?;
    device.name = name;
    device.renamed = true;
    let device = device.clone();
    Ok(shown(asked, &device))
}

pub(super) fn set_tags(asked: &mut Asked<'_>) -> Outcome {
    let mut tags = texts(&object(asked)?, "tags");
    if tags.is_empty() && release(asked) >= Release::V0_28 {
        let message =
            "cannot remove all tags from a node - tagged nodes must have at least one tag";
        return Err(refuse(Code::InvalidArgument, message));
    }
    for tag in &tags {
        check_tag(tag).map_err(|message| refuse(Code::Unknown, message))?;
    }
    let owners = &asked.settings.tag_owners;
    let strange: Vec<&str> =
        tags.iter().map(String::as_str).filter(|tag| !owners.contains_key(*tag)).collect();
    if !strange.is_empty() {
        let message =
            format!("requested tags [{}] are invalid or not permitted", strange.join(" "));
        return Err(refuse(Code::InvalidArgument, &message));
    }
    tags.sort();
    tags.dedup();
    let tagged = release(asked) >= Release::V0_28;
    let device = node(asked, (Code::NotFound, "node not found"))?;
    device.tags = tags;
    if tagged {
        device.user = None;
    }
    let device = device.clone();
    Ok(shown(asked, &device))
}
