//! Auth keys.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{access, nothing, object, refuse, wrong};
use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    model::{Key, NewKey},
    plane::Plane,
    request::{flag, texts},
    route::Asked,
};

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 50;

pub(super) fn create(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let create = object
        .get("capabilities")
        .and_then(|capabilities| capabilities.pointer("/devices/create"))
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Map::new);
    let tags = texts(&create, "tags");
    if tags.is_empty() && access::of(asked)?.tags.is_some() {
        return Err(wrong("tailnet-owned auth key must have tags set"));
    }
    access::check_tags(asked, &tags)?;
    let description = object.get("description").and_then(Value::as_str).unwrap_or_default();
    check_description(description)?;
    let seconds = object.get("expirySeconds").and_then(Value::as_i64).filter(|life| *life != 0);
    let seconds = seconds.unwrap_or(Plane::LONGEST_KEY);
    if !(1..=Plane::LONGEST_KEY).contains(&seconds) {
        // The text is made up.
        return Err(wrong("expirySeconds must be between 1 and 7776000"));
    }
    let new = NewKey {
        user: None,
        reusable: flag(&create, "reusable"),
        ephemeral: flag(&create, "ephemeral"),
        preauthorized: flag(&create, "preauthorized"),
        tags,
        description: description.to_owned(),
        expires: asked.now.checked_add(SignedDuration::from_secs(seconds)).ok(),
    };
    let key = asked.data.add_key(asked.settings.plane, asked.now, new);
    let mut shown = wire(&key, asked.now);
    // This once, and never again.
    shown["key"] = json!(key.secret);
    Ok(Answer::ok(&shown))
}

/// Letters, digits, hyphens and blanks, and not many. The texts are made up.
fn check_description(text: &str) -> Result<(), Answer> {
    if text.chars().count() > LONGEST_DESCRIPTION {
        return Err(wrong("description must be 50 characters or less"));
    }
    match text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ' ')) {
        true => Ok(()),
        false => Err(wrong("description may contain letters, numbers, hyphens and spaces only")),
    }
}

pub(super) fn list(asked: &mut Asked<'_>) -> Outcome {
    let valid = asked.data.keys.iter().filter(|key| key.is_valid(asked.now));
    let keys: Vec<Value> = valid.map(|key| wire(key, asked.now)).collect();
    Ok(Answer::ok(&json!({ "keys": keys })))
}

pub(super) fn one(asked: &mut Asked<'_>) -> Outcome {
    let now = asked.now;
    Ok(Answer::ok(&wire(found(asked)?, now)))
}

/// Revokes it; it is shown for a while yet, as one that is invalid.
pub(super) fn delete(asked: &mut Asked<'_>) -> Outcome {
    let now = asked.now;
    let key = found(asked)?;
    if key.revoked.is_some() {
        return Err(absent());
    }
    key.revoked = Some(now);
    Ok(nothing())
}

fn found<'a>(asked: &'a mut Asked<'_>) -> Result<&'a mut Key, Answer> {
    let id = asked.parameters.last().cloned().unwrap_or_default();
    asked.data.key(&id).ok_or_else(absent)
}

fn absent() -> Answer {
    refuse(StatusCode::NOT_FOUND, "404 page not found")
}

fn wire(key: &Key, now: Timestamp) -> Value {
    let mut value = json!({
        "id": key.id,
        "keyType": "auth",
        "description": key.description,
        "expirySeconds": key.expires.duration_since(key.created).as_secs(),
        "created": key.created.to_string(),
        "expires": key.expires.to_string(),
        "capabilities": { "devices": { "create": {
            "reusable": key.reusable,
            "ephemeral": key.ephemeral,
            "preauthorized": key.preauthorized,
            "tags": key.tags,
        } } },
        "userId": "",
    });
    if let Some(revoked) = key.revoked {
        value["revoked"] = json!(revoked.to_string());
    }
    if !key.is_valid(now) {
        value["invalid"] = json!(true);
    }
    value
}
