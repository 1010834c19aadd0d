//! `homelab init tailnet-policy`: what the tailnet has to allow, as text to be pasted into its policy.
//!
//! Nodes talk to one another by SSH, to the API server and kubelets, between etcd members, and by VXLAN;
//! operators reach SSH and the API. Everything else stays closed: a tailnet denies by default once it has
//! a policy, and drops what it denies, so that a missing rule looks like a host that hangs (TS-06).

use std::fmt::Write;

use crate::inventory::desired::{
    Overlay, TailnetControl, TailnetPlan, TailscaleCredentials, TailscaleOperator,
};

/// TCP from node to node: SSH, the API server and k3s's supervisor, kubelets, etcd clients and peers.
const NODE_TCP: [&str; 4] = ["22", "6443", "10250", "2379-2380"];
/// TCP from operators to nodes.
const OPERATOR_TCP: [&str; 2] = ["22", "6443"];
/// Flannel's VXLAN on Linux.
const VXLAN: &str = "8472";

/// The policy, and what the credentials need, for the control plane of an inventory; with Tailscale's operator, its
/// devices, too.
pub fn text(plan: &TailnetPlan, overlay: Overlay, operator: Option<&TailscaleOperator>) -> String {
    let mut text = of_nodes(plan, overlay, operator);
    if let Some(operator) = operator {
        operators_credentials(&mut text, operator);
    }
    text
}

fn of_nodes(plan: &TailnetPlan, overlay: Overlay, operator: Option<&TailscaleOperator>) -> String {
    match &plan.control {
        TailnetControl::Tailscale { credentials, .. } => {
            let mut text = tailscale(&plan.tag, overlay, operator);
            text.push_str(&tailscale_credentials(&plan.tag, credentials));
            text
        }
        TailnetControl::Headscale { user, .. } => headscale(&plan.tag, user, overlay, operator),
        TailnetControl::AuthKey { login_server: None, .. } => {
            let mut text = tailscale(&plan.tag, overlay, operator);
            write_lines(
                &mut text,
                &[
                    "",
                    "// The auth key (Settings -> Keys): one-off or reusable, pre-approved, not ephemeral,",
                    &format!(
                        "// with the tag {}. It is handed to each node that joins: a one-off key serves one node.",
                        plan.tag
                    ),
                ],
            );
            text
        }
        TailnetControl::AuthKey { login_server: Some(_), .. } => {
            headscale(&plan.tag, "USER", overlay, operator)
        }
    }
}

fn tailscale(tag: &str, overlay: Overlay, operator: Option<&TailscaleOperator>) -> String {
    let mut node_ports: Vec<String> =
        NODE_TCP.iter().map(|port| format!("\"tcp:{port}\"")).collect();
    if overlay == Overlay::Tailscale {
        node_ports.push(format!("\"udp:{VXLAN}\""));
    }
    let operator_ports: Vec<String> =
        OPERATOR_TCP.iter().map(|port| format!("\"tcp:{port}\"")).collect();
    // The operator makes the proxies' keys, so that its tag owns theirs.
    let owners =
        operator.map_or_else(String::new, |TailscaleOperator { tag, proxy_tag, .. }| {
            format!("\n    \"{tag}\": [\"autogroup:admin\"],\n    \"{proxy_tag}\": [\"{tag}\"],")
        });
    let mut text = String::new();
    write_lines(
        &mut text,
        &[
            "// Access controls (https://login.tailscale.com/admin/acls): merge these into what is there.",
            "{",
            "  \"tagOwners\": {",
            &format!("    \"{tag}\": [\"autogroup:admin\"],{owners}"),
            "  },",
            "  \"grants\": [",
            "    // Node to node.",
            &format!(
                "    {{ \"src\": [\"{tag}\"], \"dst\": [\"{tag}\"], \"ip\": [{}] }},",
                node_ports.join(", ")
            ),
            "    // Operators to nodes.",
            &format!(
                "    {{ \"src\": [\"autogroup:admin\"], \"dst\": [\"{tag}\"], \"ip\": [{}] }},",
                operator_ports.join(", ")
            ),
        ],
    );
    if let Some(TailscaleOperator { proxy_tag, .. }) = operator {
        write_lines(
            &mut text,
            &[
                "    // To the apps; a node asks for them when `homelab verify` looks.",
                &format!(
                    "    {{ \"src\": [\"autogroup:member\", \"{tag}\"], \"dst\": [\"{proxy_tag}\"], \"ip\": [\"tcp:443\"] }},"
                ),
            ],
        );
    }
    write_lines(&mut text, &["  ],", "}"]);
    text
}

fn tailscale_credentials(tag: &str, credentials: &TailscaleCredentials) -> String {
    let mut text = String::from("\n");
    match credentials {
        TailscaleCredentials::OAuth { .. } => write_lines(
            &mut text,
            &[
                "// The OAuth client of `tailnet.control` (Settings -> Trust credentials) needs the scopes",
                &format!(
                    "//   auth_keys     write, with the tag {tag}: makes a key for each node that joins"
                ),
                &format!(
                    "//   devices:core  write, with the tag {tag}: lists devices, removes stale ones of ours,"
                ),
                "//                 and gives a rebuilt node its address back",
            ],
        ),
        TailscaleCredentials::ApiKey(_) => write_lines(
            &mut text,
            &[
                "// The API access token (Settings -> Keys) may do what its owner may, and ends after at most",
                "// 90 days: its owner must be Owner, Admin, IT admin or Network admin. An OAuth client with",
                &format!(
                    "// the scopes auth_keys and devices:core and the tag {tag} is the narrower choice."
                ),
            ],
        ),
    }
    text
}

/// As "Install the Tailscale Kubernetes Operator" of Tailscale's documentation has it. It is no good giving it the
/// client of the nodes: a client makes keys for its own tags alone, and this one's secret is in the cluster.
fn operators_credentials(text: &mut String, operator: &TailscaleOperator) {
    let TailscaleOperator { login_server, tag, proxy_tag, .. } = operator;
    let place = login_server.as_deref().unwrap_or("Settings -> Trust credentials");
    write_lines(
        text,
        &[
            "",
            &format!("// Tailscale's operator has an OAuth client of its own ({place}), which"),
            "// `gitops.tailscale_operator.oauth` names: its secret lies in the cluster. It needs the scopes",
            &format!(
                "//   devices:core  write, with the tag {tag}: names and removes the proxies' devices"
            ),
            &format!(
                "//   auth_keys     write, with the tag {tag}, which owns {proxy_tag}: makes keys for itself and them"
            ),
            &format!(
                "//   services      write, with the tag {tag}: as Tailscale asks for; only its ProxyGroups use it"
            ),
        ],
    );
}

pub(crate) fn headscale(
    tag: &str,
    user: &str,
    overlay: Overlay,
    operator: Option<&TailscaleOperator>,
) -> String {
    let mut text = String::new();
    let owners = operator.map_or_else(String::new, |TailscaleOperator { proxy_tag, .. }| {
        format!("\n    \"{proxy_tag}\": [\"{user}@\"],")
    });
    let node_ports = NODE_TCP.join(",");
    let operator_ports = OPERATOR_TCP.join(",");
    write_lines(
        &mut text,
        &[
            "// Headscale's policy (`policy.path` in its config.yaml): merge these into what is there, try",
            "// with `headscale policy check --file FILE`, then reload Headscale.",
            "{",
            "  \"tagOwners\": {",
            &format!("    \"{tag}\": [\"{user}@\"],{owners}"),
            "  },",
            "  \"acls\": [",
            "    // Node to node.",
            &format!(
                "    {{ \"action\": \"accept\", \"proto\": \"tcp\", \"src\": [\"{tag}\"], \"dst\": [\"{tag}:{node_ports}\"] }},"
            ),
        ],
    );
    if overlay == Overlay::Tailscale {
        write_lines(
            &mut text,
            &[&format!(
                "    {{ \"action\": \"accept\", \"proto\": \"udp\", \"src\": [\"{tag}\"], \"dst\": [\"{tag}:{VXLAN}\"] }},"
            )],
        );
    }
    write_lines(
        &mut text,
        &[
            "    // Operators to nodes.",
            &format!(
                "    {{ \"action\": \"accept\", \"proto\": \"tcp\", \"src\": [\"{user}@\"], \"dst\": [\"{tag}:{operator_ports}\"] }},"
            ),
        ],
    );
    if let Some(TailscaleOperator { proxy_tag, .. }) = operator {
        write_lines(
            &mut text,
            &[
                "    // To the apps; a node asks for them when `homelab verify` looks.",
                &format!(
                    "    {{ \"action\": \"accept\", \"proto\": \"tcp\", \"src\": [\"{user}@\", \"{tag}\"], \"dst\": [\"{proxy_tag}:443\"] }},"
                ),
            ],
        );
    }
    write_lines(
        &mut text,
        &[
            "  ],",
            "}",
            "",
            "// The API key: `headscale apikeys create --expiration 90d` on the server; it may do everything.",
            &format!("// The user that keys are made for: `headscale users create {user}`."),
            "// Headscale cannot give a rebuilt node its address back: it is re-addressed, which the plan shows.",
        ],
    );
    text
}

fn write_lines(text: &mut String, lines: &[&str]) {
    for line in lines {
        writeln!(text, "{line}").expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::inventory::desired::{Artifact, SecretSource};

    fn plan(control: TailnetControl) -> TailnetPlan {
        TailnetPlan {
            control,
            tag: "tag:k3s".into(),
            tailscale: Artifact {
                version: String::new(),
                url: String::new(),
                sha256: String::new(),
            },
            mtu: 1280,
            persistent_tun: true,
            guard: true,
            environment: BTreeMap::new(),
            prefixes: vec![],
            join_timeout: Duration::from_secs(60),
        }
    }

    fn secret() -> SecretSource {
        SecretSource::Env("SECRET".into())
    }

    fn headscale_plan() -> TailnetPlan {
        plan(TailnetControl::Headscale {
            login_server: "https://headscale.example.com".into(),
            api_key: secret(),
            user: "lab".into(),
        })
    }

    fn operator() -> TailscaleOperator {
        TailscaleOperator {
            client_id: "c".into(),
            client_secret: secret(),
            login_server: None,
            tag: "tag:k8s-operator".into(),
            proxy_tag: "tag:k8s".into(),
        }
    }

    #[test]
    fn tailscales_policy_names_owners_ports_and_scopes() {
        let credentials =
            TailscaleCredentials::OAuth { client_id: "c".into(), client_secret: secret() };
        let control =
            TailnetControl::Tailscale { api: String::new(), tailnet: "-".into(), credentials };
        let plan = plan(control);
        insta::assert_snapshot!(text(&plan, Overlay::Tailscale, None));
        insta::assert_snapshot!(
            "with_operator",
            text(&plan, Overlay::Tailscale, Some(&operator()))
        );
    }

    #[test]
    fn vxlan_is_closed_where_the_overlay_does_not_use_the_tailnet() {
        assert!(text(&headscale_plan(), Overlay::Tailscale, None).contains(":8472"));
        assert!(!text(&headscale_plan(), Overlay::Lan, None).contains("8472"));
    }

    /// The test of the Headscale adapter gives it to a real one.
    #[test]
    fn headscales_policy_names_owners_and_ports() {
        insta::assert_snapshot!(text(&headscale_plan(), Overlay::Tailscale, None));
    }

    #[test]
    fn headscales_policy_lets_nodes_and_people_reach_the_apps() {
        let text = text(&headscale_plan(), Overlay::Tailscale, Some(&operator()));
        insta::assert_snapshot!(text);
    }
}
