//! Lists, whole or in pieces.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    failure::Failure, request::Request, resource::Resource, selector::Selector, store::State,
    write::versioned,
};

/// The objects of a resource that a request asks for.
///
/// # Errors
/// 400 for a selector, a limit or a place to go on that cannot be read.
pub(super) fn list(
    state: &State,
    resource: &Resource,
    namespace: Option<&str>,
    request: &Request,
) -> Result<Value, Failure> {
    let (labels, fields) = (request.query("labelSelector"), request.query("fieldSelector"));
    let selector = Selector::read(resource, labels, fields)?;
    let limit = match request.query("limit") {
        "" | "0" => usize::MAX,
        text => text
            .parse()
            .map_err(|error| Failure::bad_request(format!("invalid limit {text:?}: {error}")))?,
    };
    let (revision, start) = match request.query("continue") {
        "" => (state.revision(), None),
        token => place(token).map(|(revision, start)| (revision, Some(start)))?,
    };
    let version = resource.api_version();
    let mut left = state
        .objects(resource, namespace)
        .map(|(key, object)| (format!("{}/{}", key.namespace, key.name), object))
        .filter(|(at, object)| {
            start.as_ref().is_none_or(|start| at > start) && selector.matches(object)
        })
        .peekable();
    let (mut items, mut last) = (Vec::new(), String::new());
    while items.len() < limit
        && let Some((at, object)) = left.next()
    {
        let mut item = versioned(object, &version);
        // The server's own kinds do not say in a list what they are.
        if !resource.custom
            && let Some(fields) = item.as_object_mut()
        {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        items.push(item);
        last = at;
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if left.peek().is_some() {
        let token = json!({ "v": "meta.k8s.io/v1", "rv": revision, "start": last });
        metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(token.to_string()));
        if labels.is_empty() && fields.is_empty() {
            metadata["remainingItemCount"] = json!(left.count());
        }
    }
    Ok(json!({
        "kind": format!("{}List", resource.kind),
        "apiVersion": version,
        "metadata": metadata,
        "items": items,
    }))
}

/// Where a list goes on.
fn place(token: &str) -> Result<(u64, String), Failure> {
    let read = || {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let token: Value = serde_json::from_slice(&token).ok()?;
        Some((token["rv"].as_u64()?, token["start"].as_str()?.to_owned()))
    };
    read().ok_or_else(|| Failure::bad_request("continue key is not valid"))
}
