//! A node's network interfaces.

use serde_json::{Value, json};

use crate::pve::{
    access::permission::all_of,
    config::NodeConfig,
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{formatted, node, one_of},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/nodes/{node}/network")
            .proxied()
            .parameters([
                node(),
                one_of([
                    "bridge",
                    "bond",
                    "eth",
                    "alias",
                    "vlan",
                    "fabric",
                    "OVSBridge",
                    "OVSBond",
                    "OVSPort",
                    "OVSIntPort",
                    "vnet",
                    "any_bridge",
                    "any_local_bridge",
                    "include_sdn",
                ])
                .optional()
                .named("type"),
            ])
            .handler(list),
        Endpoint::get("/nodes/{node}/network/{iface}")
            .proxied()
            .permission(all_of("/nodes/{node}", &["Sys.Audit"]))
            .parameters([
                node(),
                formatted("pve-iface").min_length(2).max_length(20).named("iface"),
            ])
            .handler(read),
    ]
}

/// The bridges; the first one carries the node's address.
fn interfaces(config: &NodeConfig) -> Vec<Value> {
    config
        .bridges
        .iter()
        .enumerate()
        .map(|(index, bridge)| {
            let mut entry = json!({
                "iface": bridge,
                "type": "bridge",
                "active": 1,
                "autostart": 1,
                "priority": 3 + index,
                "bridge_ports": "",
                "bridge_stp": "off",
                "bridge_fd": "0",
                "families": ["inet"],
                "method": "manual",
                "method6": "manual",
            });
            if let Some(mtu) = config.bridge_mtu {
                // As text, like all that stands in /etc/network/interfaces.
                entry["mtu"] = mtu.to_string().into();
            }
            if index == 0 {
                entry["method"] = "static".into();
                entry["address"] = config.address.clone().into();
                entry["netmask"] = config.prefix_length.to_string().into();
                entry["cidr"] = format!("{}/{}", config.address, config.prefix_length).into();
                if let Some(gateway) = &config.gateway {
                    entry["gateway"] = gateway.clone().into();
                }
            }
            entry
        })
        .collect()
}

async fn list(request: Request) -> Result<Value, ApiError> {
    let kind = request.text("type");
    let bridges = matches!(
        kind.as_deref(),
        None | Some("bridge" | "any_bridge" | "any_local_bridge" | "include_sdn")
    );
    let config = request.state.node(&request.node());
    Ok(match config.filter(|_| bridges) {
        Some(config) => interfaces(config)
            .into_iter()
            .filter(|entry| {
                let name = entry["iface"].as_str().unwrap_or_default();
                let bridge = format!("/sdn/zones/localnetwork/{name}");
                let audit = format!("/nodes/{}", config.name);
                request.may_any(&bridge, &["SDN.Audit", "SDN.Use"])
                    || request.may(&audit, &["Sys.Audit"])
            })
            .collect(),
        None => json!([]),
    })
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let name = request.text("iface").unwrap_or_default();
    let found = request.state.node(&request.node()).and_then(|config| {
        interfaces(config).into_iter().find(|entry| entry["iface"] == name.as_str())
    });
    let mut entry =
        found.ok_or_else(|| ApiError::parameter("iface", "interface does not exist"))?;
    if let Some(fields) = entry.as_object_mut() {
        fields.shift_remove("iface");
    }
    Ok(entry)
}
