//! `homelab status`: what is there, without judging it.

use serde::Serialize;

use super::session::{Session, wants_json};
use crate::{
    cli::Global,
    error::Result,
    inventory::{Desired, Pins, discretion::without_secrets},
    observe::{self, Depth},
    plan::{
        Observed,
        observed::{MachineSight, Sight},
    },
    ports::PowerState,
    render,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab status
  homelab status -o json | jq '.[].machine'")]
pub struct Args {}

/// One node as it stands.
#[derive(Debug, Serialize)]
struct Row {
    node: String,
    vmid: u32,
    machine: String,
    lan: String,
    /// `ok`, why not, or nothing where it was not tried.
    ssh: Option<String>,
    tailnet: Option<String>,
    mtu: Option<u32>,
    kubernetes: Option<String>,
    vtep: Option<String>,
}

pub(crate) async fn run(global: &Global, _args: Args) -> Result<()> {
    let session = Session::look(global, Pins::Optional).await?;
    let observed = observe::observe(&session.run, Depth::All).await;
    let rows = observed.map(|observed| rows(&session.run.desired, &observed));
    let rows = session.close(rows).await?;
    if wants_json(global) {
        return render::document(&rows);
    }
    let mut table = render::table([
        "NODE",
        "VMID",
        "MACHINE",
        "LAN",
        "SSH",
        "TAILNET",
        "MTU",
        "KUBERNETES",
        "VTEP",
    ]);
    let mut reasons = Vec::new();
    for row in rows {
        table.add_row([
            row.node.clone(),
            row.vmid.to_string(),
            row.machine,
            row.lan,
            in_a_word(&row.node, "SSH", row.ssh, &mut reasons),
            row.tailnet.unwrap_or_else(|| "-".into()),
            row.mtu.map_or_else(|| "-".into(), |mtu| mtu.to_string()),
            in_a_word(&row.node, "Kubernetes", row.kubernetes, &mut reasons),
            row.vtep.unwrap_or_else(|| "-".into()),
        ]);
    }
    render::output::line(table)?;
    reasons.iter().try_for_each(render::output::line)
}

/// What fits into a column; the rest stands below the table.
fn in_a_word(node: &str, what: &str, seen: Option<String>, reasons: &mut Vec<String>) -> String {
    match seen {
        None => "-".into(),
        Some(seen) if seen == "ok" || seen.starts_with("Ready ") => seen,
        Some(why) => {
            reasons.push(format!("{node}: {what}: {why}"));
            "see below".into()
        }
    }
}

fn rows(desired: &Desired, observed: &Observed) -> Vec<Row> {
    desired
        .nodes
        .values()
        .map(|node| {
            let machine = match observed.machines.get(&node.name) {
                None | Some(MachineSight::Absent) => "absent".to_owned(),
                Some(MachineSight::Foreign(stranger)) => match &stranger.name {
                    Some(name) => format!("foreign ({name})"),
                    None => format!("taken by {stranger}"),
                },
                Some(MachineSight::HalfMade { .. }) => "half made".to_owned(),
                Some(MachineSight::Ours(machine)) => match machine.power {
                    PowerState::Running => "running".to_owned(),
                    PowerState::Stopped => "stopped".to_owned(),
                },
            };
            let ssh = match observed.hosts.get(&node.name) {
                Some(Sight::Seen(_)) => Some("ok".to_owned()),
                Some(Sight::Silent(why)) => Some(why.clone()),
                Some(Sight::Unseen) | None => None,
            };
            let probe = observed.probe(&node.name);
            let kube = observed.kube_node(&node.name);
            let kubernetes = match (kube, &observed.kube) {
                (Some(seen), _) if seen.ready => Some(format!("Ready {}", seen.kubelet_version)),
                (Some(seen), _) => {
                    Some(format!("NotReady: {}", seen.not_ready.clone().unwrap_or_default()))
                }
                (None, Sight::Silent(why)) => Some(why.clone()),
                (None, _) => None,
            };
            let shown = |told: Option<String>| told.map(|text| without_secrets(&text));
            Row {
                node: node.name.to_string(),
                vmid: node.vmid.0,
                machine,
                lan: node.address.to_string(),
                ssh: shown(ssh),
                tailnet: probe.and_then(|probe| probe.tailnet_ipv4()).map(|ip| ip.to_string()),
                mtu: probe.and_then(|probe| probe.mtu("tailscale0")),
                kubernetes: shown(kubernetes),
                vtep: kube.and_then(|seen| seen.vtep).map(|vtep| vtep.to_string()),
            }
        })
        .collect()
}
