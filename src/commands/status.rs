//! `homelab status`: what is there, without judging it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::session::{Session, wants_json};
use crate::{
    cli::Global,
    error::Result,
    inventory::{Desired, Pins, desired::Role, discretion::without_secrets},
    observe::{self, Depth},
    plan::{
        Observed, Room,
        datastore::{Snapshot, newest},
        observed::{MachineSight, Sight},
        schedule::age,
    },
    ports::{Clock, PowerState, World},
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
    /// How full its root file system is.
    root_disk: Option<String>,
    /// What of that there is too little of.
    #[serde(skip)]
    lacks_room: Option<String>,
    /// Of a server, where the cluster was asked.
    snapshots: Option<Snapshots>,
}

/// The newest snapshots of the datastore that a server took.
#[derive(Debug, Serialize)]
struct Snapshots {
    /// On its own disk.
    local: Option<Aged>,
    /// In the bucket, whether the upload went well or not.
    remote: Option<Aged>,
}

#[derive(Debug, Serialize)]
struct Aged {
    age_seconds: i64,
    #[serde(flatten)]
    snapshot: Snapshot,
}

pub(crate) async fn run(global: &Global, _args: Args) -> Result<()> {
    let session = Session::look(global, Pins::Optional).await?;
    let observed = observe::observe(&session.run, Depth::Cluster).await;
    let now = session.run.world.clock().wall();
    let rows = observed.map(|observed| rows(&session.run.desired, &observed, now));
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
        if let Some(lack) = &row.lacks_room {
            reasons.push(format!("{}: its root file system has little room: {lack}", row.node));
        }
        if let Some(snapshots) = &row.snapshots {
            reasons.extend(snapshots.lines(&row.node));
        }
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

impl Snapshots {
    fn of(seen: &[Snapshot], node: &str, now: Timestamp) -> Self {
        let aged = |remote| {
            newest(seen, node, remote).map(|snapshot| Aged {
                age_seconds: now.duration_since(snapshot.created).as_secs(),
                snapshot: Snapshot {
                    failure: snapshot.failure.as_deref().map(without_secrets),
                    ..snapshot.clone()
                },
            })
        };
        Self { local: aged(false), remote: aged(true) }
    }

    /// The one in the bucket counts; what is on the node's own disk is lost with it.
    fn lines(&self, node: &str) -> Vec<String> {
        let told = |aged: &Aged| {
            let age = age(SignedDuration::from_secs(aged.age_seconds));
            let Snapshot { location, bytes, failure, name, .. } = &aged.snapshot;
            match failure {
                None => format!(
                    "{node}: last snapshot of the datastore: {age} ago, {location} ({} KiB)",
                    bytes >> 10
                ),
                Some(why) => format!("{node}: the snapshot {name} failed {age} ago: {why}"),
            }
        };
        match (&self.remote, &self.local) {
            (Some(remote), _) => vec![told(remote)],
            (None, Some(local)) => vec![told(local)],
            (None, None) => vec![format!("{node}: no snapshots of the datastore yet")],
        }
    }
}

fn rows(desired: &Desired, observed: &Observed, now: Timestamp) -> Vec<Row> {
    desired
        .nodes
        .values()
        .map(|node| {
            let machine = match (observed.machines.get(&node.name), observed.stray_of(&node.name)) {
                (Some(MachineSight::Ours(machine)), _) => match machine.power {
                    PowerState::Running => "running".to_owned(),
                    PowerState::Stopped => "stopped".to_owned(),
                },
                (_, Some(elsewhere)) => elsewhere.place(),
                (None | Some(MachineSight::Absent), None) => "absent".to_owned(),
                (Some(MachineSight::Foreign(stranger)), None) => match &stranger.name {
                    Some(name) => format!("foreign ({name})"),
                    None => format!("taken by {stranger}"),
                },
                (Some(MachineSight::HalfMade { .. }), None) => "half made".to_owned(),
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
            let room = probe.and_then(|probe| Room::of(&probe.root_disk));
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
                root_disk: room.map(|room| room.words()),
                lacks_room: room.and_then(|room| room.lack()),
                vtep: kube.and_then(|seen| seen.vtep).map(|vtep| vtep.to_string()),
                snapshots: observed
                    .snapshots
                    .seen()
                    .filter(|_| node.role == Role::Server)
                    .map(|seen| Snapshots::of(seen, node.name.as_str(), now)),
            }
        })
        .collect()
}
