//! The devices of the tailnet that Tailscale's operator made for the cluster's apps, as their Secrets name them. Pure.
//!
//! Each proxy keeps its state in a Secret of the operator's namespace: `device_id` is the device's stable id
//! (tailscale, `kube/kubetypes`: `KeyDeviceID`). A device that a Secret of this cluster names is this cluster's.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The operator's namespace, in the rendered tree.
pub const NAMESPACE: &str = "tailscale";

/// A device that is a proxy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Tailscale's stable node id.
    pub node_id: String,
    /// Its name in the tailnet, as far as it is known.
    pub name: String,
}

/// The device of a Secret; `None` for a Secret of something else, or of a proxy that has not joined yet.
pub fn read(secret: &Value) -> Option<Proxy> {
    let text = |key: &str| {
        let bytes = STANDARD.decode(secret["data"][key].as_str()?).ok()?;
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    let node_id = text("device_id")?;
    let name = text("device_fqdn").map(|name| name.trim_end_matches('.').to_owned());
    Some(Proxy { name: name.unwrap_or_else(|| node_id.clone()), node_id })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proxy_is_known_by_the_device_that_its_secret_names() {
        let secret = |id: &str| {
            json!({ "data": { "device_id": STANDARD.encode(id),
                "device_fqdn": STANDARD.encode("jellyfin.tail1234.ts.net.") } })
        };
        let name = "jellyfin.tail1234.ts.net".to_owned();
        assert_eq!(read(&secret("nABC")), Some(Proxy { node_id: "nABC".into(), name }));
        assert_eq!(read(&secret("")), None);
        assert_eq!(read(&json!({ "data": { "client_id": "a2V5" } })), None);
    }
}
