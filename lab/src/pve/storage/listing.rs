//! Storages as lists and definitions.

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::place::Place;
use crate::pve::{error::ApiError, request::Request, schema::format::split_list, state::State};

/// Bytes in use below a folder, counted in blocks.
fn used(folder: &camino::Utf8Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => {
                if let Ok(path) = camino::Utf8PathBuf::from_path_buf(entry.path()) {
                    sum += facts.blocks() * 512 + used(&path);
                }
            }
            Ok(facts) => sum += facts.blocks() * 512,
            Err(_) => {}
        }
    }
    sum
}

/// A storage's room on a node.
pub(crate) fn room(place: &Place) -> (u64, u64) {
    let total = place.config.total_bytes;
    let used = used(place.root()).min(total);
    if place.is_directory() {
        return (total, used);
    }
    // LVM tells a pool's use in hundredths of a percent.
    let part = (total / 10_000).max(1);
    (total, used / part * part)
}

fn facts(place: &Place) -> Map<String, Value> {
    let (total, used) = room(place);
    let mut answer = Map::new();
    answer.insert("type".to_owned(), json!(place.type_name()));
    answer.insert("content".to_owned(), json!(place.config.content.join(",")));
    answer.insert("active".to_owned(), json!(1));
    answer.insert("enabled".to_owned(), json!(1));
    answer.insert("shared".to_owned(), json!(u8::from(place.config.shared)));
    answer.insert("total".to_owned(), json!(total));
    answer.insert("used".to_owned(), json!(used));
    answer.insert("avail".to_owned(), json!(total - used));
    answer
}

pub(crate) async fn of_node(request: Request) -> Result<Value, ApiError> {
    let node = request.node();
    let wanted: Vec<String> = request
        .text("content")
        .map(|list| split_list(&list).map(str::to_owned).collect())
        .unwrap_or_default();
    let one = request.text("storage");
    let mut answer = Vec::new();
    for place in request.state.storage.of_node(&node) {
        let path = format!("/storage/{}", place.id());
        let fits =
            wanted.is_empty() || wanted.iter().any(|name| place.config.content.contains(name));
        let asked = one.as_deref().is_none_or(|id| id == place.id());
        if !fits
            || !asked
            || !request.may_any(&path, &["Datastore.Audit", "Datastore.AllocateSpace"])
        {
            continue;
        }
        let mut facts = facts(place);
        let (total, used) = room(place);
        // Shares of a whole: the precision of a double is more than enough.
        #[allow(clippy::cast_precision_loss)]
        let fraction = if total == 0 { 0.0 } else { used as f64 / total as f64 };
        let fraction = if used == 0 { json!(0) } else { json!(fraction) };
        facts.insert("used_fraction".to_owned(), fraction);
        facts.insert("storage".to_owned(), json!(place.id()));
        answer.push(Value::Object(facts));
    }
    Ok(Value::Array(answer))
}

pub(crate) async fn index(_: Request) -> Result<Value, ApiError> {
    let names = [
        "content",
        "download-url",
        "file-restore",
        "import-metadata",
        "identity",
        "oci-registry-pull",
        "prunebackups",
        "rrd",
        "rrddata",
        "status",
        "upload",
    ];
    Ok(names.iter().map(|name| json!({ "subdir": name })).collect())
}

pub(crate) async fn status(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let place = request.state.storage.on_node(&request.node(), &id);
    let place = place.map_err(|_| ApiError::parameter("storage", "No such storage."))?;
    Ok(Value::Object(facts(place)))
}

pub(crate) async fn import_metadata(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let volume = request.text("volume").unwrap_or_default();
    let place = request.state.storage.on_node(&request.node(), &id).map_err(ApiError::failure)?;
    let parsed = place.parse(&volume).map_err(ApiError::failure)?;
    let text = format!("importing from '{}' files is not emulated", parsed.format);
    Err(ApiError::failure(text))
}

fn definition_of(state: &State, place: &Place) -> Value {
    let config = &place.config;
    let mut answer = Map::new();
    answer.insert("storage".to_owned(), json!(config.id));
    answer.insert("type".to_owned(), json!(place.type_name()));
    answer.insert("content".to_owned(), json!(config.content.join(",")));
    for (key, value) in
        [("path", &config.path), ("vgname", &config.volume_group), ("thinpool", &config.thin_pool)]
    {
        if let Some(value) = value {
            answer.insert(key.to_owned(), json!(value));
        }
    }
    if config.shared {
        answer.insert("shared".to_owned(), json!(1));
    }
    if let Some(nodes) = &config.nodes {
        answer.insert("nodes".to_owned(), json!(nodes.join(",")));
    }
    let text = format!("{:?}", state.config.storages);
    answer.insert("digest".to_owned(), json!(hex::encode(Sha1::digest(text))));
    Value::Object(answer)
}

pub(crate) async fn definitions(request: Request) -> Result<Value, ApiError> {
    let kind = request.text("type");
    let mut answer = Vec::new();
    for id in request.state.storage.ids() {
        let place = request.state.storage.anywhere(id).map_err(ApiError::failure)?;
        let fits = kind.as_deref().is_none_or(|kind| kind == place.type_name());
        let path = format!("/storage/{id}");
        if fits && request.may_any(&path, &["Datastore.Audit", "Datastore.AllocateSpace"]) {
            answer.push(definition_of(&request.state, place));
        }
    }
    Ok(Value::Array(answer))
}

pub(crate) async fn definition(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let place = request.state.storage.anywhere(&id).map_err(ApiError::failure)?;
    Ok(definition_of(&request.state, place))
}
