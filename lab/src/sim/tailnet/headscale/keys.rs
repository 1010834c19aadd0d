//! Keys that let nodes in: by user and text before 0.28, by their ids from then on.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Code, check_tag, nothing, object, refuse, release, wire};
use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    model::NewKey,
    request::{flag, texts},
    route::{Asked, number},
};

pub(super) fn create(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let mut tags = texts(&object, "aclTags");
    for tag in &tags {
        check_tag(tag).map_err(|message| refuse(Code::InvalidArgument, message))?;
    }
    tags.sort();
    tags.dedup();
    let by_id = release(asked).names_keys_by_id();
    let user = number(object.get("user")).filter(|user| *user != 0);
    let known = asked.data.users.iter().any(|known| Some(known.id) == user);
    if user.is_some() && !known || user.is_none() && !by_id {
        return Err(refuse(Code::Unknown, "user not found"));
    }
    if user.is_none() && tags.is_empty() {
        let message = "auth-key must be either tagged or owned by user";
        return Err(refuse(Code::Unknown, message));
    }
    // A key that asks for no time has Go's zero time, which is past.
    let text = object.get("expiration").and_then(Value::as_str).unwrap_or(wire::ZERO);
    let expires: Timestamp = text.parse().map_err(|_| {
        refuse(Code::InvalidArgument, "proto: invalid value for google.protobuf.Timestamp")
    })?;
    let new = NewKey {
        user,
        reusable: flag(&object, "reusable"),
        ephemeral: flag(&object, "ephemeral"),
        preauthorized: true,
        tags,
        description: String::new(),
        expires: Some(expires),
    };
    let key = asked.data.add_key(asked.settings.plane, asked.now, new);
    Ok(Answer::ok(&json!({ "preAuthKey": wire::new_key(asked.data, &key) })))
}

pub(super) fn list(asked: &mut Asked<'_>) -> Outcome {
    let release = release(asked);
    let user = asked.request.query("user").and_then(|user| user.parse::<u64>().ok());
    if !release.names_keys_by_id() && asked.data.users.iter().all(|known| Some(known.id) != user) {
        return Err(refuse(Code::Unknown, "user not found"));
    }
    let shown = asked.data.keys.iter().filter(|key| release.names_keys_by_id() || key.user == user);
    let keys: Vec<Value> = shown.map(|key| wire::key(asked.data, release, key)).collect();
    Ok(Answer::ok(&json!({ "preAuthKeys": keys })))
}

pub(super) fn expire(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let now = asked.now;
    if release(asked).names_keys_by_id() {
        // It is one UPDATE: an id that is nobody's changes nothing, and is no error.
        let id = number(object.get("id")).unwrap_or_default().to_string();
        if let Some(key) = asked.data.key(&id) {
            key.revoked = Some(now);
        }
        return Ok(nothing());
    }
    let text = object.get("key").and_then(Value::as_str).unwrap_or_default();
    let Some(key) = asked.data.keys.iter_mut().find(|key| key.secret == text) else {
        return Err(refuse(Code::Unknown, "AuthKey not found"));
    };
    if key.user != number(object.get("user")) {
        return Err(refuse(Code::Unknown, "preauth key does not belong to user"));
    }
    key.revoked = Some(now);
    Ok(nothing())
}

pub(super) fn delete(asked: &mut Asked<'_>) -> Outcome {
    if !release(asked).names_keys_by_id() {
        return Err(refuse(Code::Unimplemented, "Method Not Allowed"));
    }
    let id = asked.request.query("id").unwrap_or_default().to_owned();
    asked.data.keys.retain(|key| key.id != id);
    for device in &mut asked.data.devices {
        if device.key.as_ref() == Some(&id) {
            device.key = None;
        }
    }
    Ok(nothing())
}
