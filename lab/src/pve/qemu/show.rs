//! `GET .../config` and `.../pending`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{answer, call::Subject};
use crate::pve::{error::ApiError, request::Request};

pub(crate) async fn config(request: Request) -> Result<Value, ApiError> {
    let config = Subject::of(&request).load().map_err(ApiError::failure)?;
    let digest = config.digest();
    let current = request.boolean("current").unwrap_or(false);
    if let Some(name) = request.text("snapshot") {
        if current {
            return Err(ApiError::parameter(
                "snapshot",
                "cannot use 'snapshot' parameter with 'current'",
            ));
        }
        let Some(snapshot) = config.snapshots.get(&name) else {
            return Err(ApiError::failure(format!("snapshot '{name}' does not exist")));
        };
        return Ok(answer::section(snapshot, &digest));
    }
    let section = if current { config.current } else { config.with_pending() };
    Ok(answer::section(&section, &digest))
}

pub(crate) async fn pending(request: Request) -> Result<Value, ApiError> {
    let config = Subject::of(&request).load().map_err(ApiError::failure)?;
    let options: BTreeSet<&String> = config
        .current
        .keys()
        .chain(config.pending.set.keys())
        .chain(config.pending.delete.keys())
        .collect();
    let mut answer = Vec::new();
    for option in options {
        let mut item = Map::new();
        item.insert("key".to_owned(), json!(option));
        if let Some(value) = config.get(option) {
            item.insert("value".to_owned(), answer::value(option, value));
        }
        if let Some(value) = config.pending.set.get(option) {
            item.insert("pending".to_owned(), answer::value(option, value));
        }
        if let Some(force) = config.pending.delete.get(option) {
            item.insert("delete".to_owned(), json!(if *force { 2 } else { 1 }));
        }
        answer.push(Value::Object(item));
    }
    answer.push(json!({ "key": "digest", "value": config.digest() }));
    Ok(Value::Array(answer))
}
