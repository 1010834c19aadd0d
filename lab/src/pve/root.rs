//! The API's root, its version, and the shape of directories.

use serde_json::{Value, json};

use super::{endpoint::Endpoint, error::ApiError, request::Request};

pub(crate) const VERSION: &str = "9.2.11";
pub(crate) const RELEASE: &str = "9.2";
pub(crate) const REPOSITORY_ID: &str = "14a22df3c0ffee01";

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/").handler(async |_| {
            Ok(subdirectories(&["version", "cluster", "nodes", "storage", "access", "pools"]))
        }),
        Endpoint::get("/version").handler(version),
    ]
}

/// A directory whose entries are called `subdir`.
pub(crate) fn subdirectories(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "subdir": name })).collect()
}

/// A directory whose entries are called `name`.
pub(crate) fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}

/// The version as `/version` and `/nodes/{node}/version` tell it.
pub(crate) async fn version(request: Request) -> Result<Value, ApiError> {
    Ok(if request.state.config.era < 9 {
        json!({ "version": "8.4.14", "release": "8.4", "repoid": "b502d23c55afcba1" })
    } else {
        json!({ "version": VERSION, "release": RELEASE, "repoid": REPOSITORY_ID })
    })
}
