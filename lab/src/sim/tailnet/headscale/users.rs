//! Users.

use serde_json::{Value, json};

use super::{Code, id, nothing, object, refuse, wire};
use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    model::User,
    route::Asked,
};

pub(super) fn list(asked: &mut Asked<'_>) -> Outcome {
    // The first of them that is given counts, an empty one is none.
    let wanted = |name: &str| asked.request.query(name).filter(|value| !value.is_empty());
    let (name, number) = (wanted("name"), wanted("id"));
    let users: Vec<Value> = asked
        .data
        .users
        .iter()
        .filter(|user| match (name, number) {
            (Some(name), _) => user.name == name,
            (None, Some(number)) => user.id.to_string() == number,
            (None, None) => true,
        })
        .map(wire::user)
        .collect();
    Ok(Answer::ok(&json!({ "users": users })))
}

pub(super) fn create(asked: &mut Asked<'_>) -> Outcome {
    let object = object(asked)?;
    let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.len() < 2 {
        let message = "creating user: username must be at least 2 characters long";
        return Err(refuse(Code::Internal, message));
    }
    if asked.data.users.iter().any(|user| user.name == name) {
        let message = "creating user: creating user: UNIQUE constraint failed: users.name";
        return Err(refuse(Code::Internal, message));
    }
    let id = asked.data.users.last().map_or(1, |user| user.id + 1);
    let user = User { id, name: name.to_owned(), created: asked.now };
    let answer = Answer::ok(&json!({ "user": wire::user(&user) }));
    asked.data.users.push(user);
    Ok(answer)
}

pub(super) fn delete(asked: &mut Asked<'_>) -> Outcome {
    let id = id(asked, "id")?;
    if asked.data.users.iter().all(|user| user.id != id) {
        return Err(refuse(Code::Unknown, "user not found"));
    }
    if asked.data.devices.iter().any(|device| device.user == Some(id)) {
        return Err(refuse(Code::Unknown, "user not empty: node(s) found"));
    }
    asked.data.keys.retain(|key| key.user != Some(id));
    asked.data.users.retain(|user| user.id != id);
    Ok(nothing())
}
