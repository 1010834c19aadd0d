//! k3s on a node: the pinned binary, one configuration file of ours, one unit of ours.
//!
//! Secrets stand in files of their own (`token-file`, `agent-token-file`), so that the configuration can be
//! compared and shown. The agent token is made on the first server and never leaves the nodes but in its
//! full form, with the hash of the authority in it (K3S-03).

mod config;
pub mod datastore;
mod diagnosis;
mod kubeconfig;
mod reasons;

use std::{net::Ipv4Addr, time::Duration};

use serde::Deserialize;
use serde_json::json;

pub use config::{Place, files};
pub use diagnosis::{Diagnosis, diagnose};
pub use kubeconfig::{local_kubeconfig, merge_kubeconfig, portable_kubeconfig};
pub(crate) use reasons::{announced_wrongly, missing, vtep};
pub use reasons::{
    has_stale_node, immutable_change, install_reasons, is_running, knows_a_cluster, label_reasons,
};

use super::{
    paths,
    run::{run, run_for},
};
use crate::{
    error::{Effect, Failure, Kind, Result},
    inventory::desired::{Artifact, Desired, Node, Role},
    plan::probe::HostProbe,
    ports::Host,
    script::Script,
    secret::Secret,
    template,
};

pub(crate) fn unit_name(role: Role) -> &'static str {
    match role {
        Role::Server => "k3s",
        Role::Agent => "k3s-agent",
    }
}

/// What is brought to a node before [`install`]: artifact, path, mode.
pub fn artifacts(desired: &Desired) -> Vec<(&Artifact, &'static str, u32)> {
    let mut artifacts = vec![(&desired.k3s.binary, paths::K3S, 0o755)];
    if let Some(images) = &desired.k3s.images {
        artifacts.push((images, images_path(images), 0o644));
    }
    artifacts
}

/// k3s tells the kind of an archive by its name.
pub(crate) fn images_path(images: &Artifact) -> &'static str {
    let path = images.url.split(['?', '#']).next().unwrap_or_default();
    match path {
        path if path.ends_with(".zst") => paths::K3S_IMAGES_ZST,
        path if path.ends_with(".gz") || path.ends_with(".tgz") => paths::K3S_IMAGES_GZ,
        _ => paths::K3S_IMAGES,
    }
}

/// What a node needs to join a cluster.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The server's tailnet address.
    pub server: Ipv4Addr,
    /// `K10<hash>::...`: the agent token for agents, the server token for servers.
    pub token: Secret,
    /// For servers: all have the same agent token.
    pub agent_token: Option<Secret>,
}

/// Reads from a running server what a node of that role needs to join; the hash in the token is checked
/// against the authority that the server has.
pub async fn membership(server: &impl Host, role: Role, address: Ipv4Addr) -> Result<Membership> {
    let script = template::script("k3s/read-join-tokens.sh", json!({}))?;
    let printed = run(server, &script).await?;
    let mut lines = printed.lines();
    let mut next = || lines.next().unwrap_or_default().trim().to_owned();
    let (hash, server_token, agent_token) = (next(), next(), next());
    for (name, token) in [("server", &server_token), ("agent", &agent_token)] {
        if token_hash(token) != Some(hash.as_str()) {
            // Nothing of the token is said.
            return Err(Failure::new(
                Kind::Kubernetes,
                format!(
                    "the {name} token does not hold the hash of the server's authority, {hash}"
                ),
            )
            .at(server.node())
            .hint("`systemctl restart k3s` on the server writes its token files anew"));
        }
    }
    Ok(match role {
        Role::Agent => {
            Membership { server: address, token: Secret::new(agent_token), agent_token: None }
        }
        Role::Server => {
            let password = agent_token.rsplit(':').next().unwrap_or_default();
            Membership {
                server: address,
                token: Secret::new(server_token),
                agent_token: Some(Secret::new(password)),
            }
        }
    })
}

/// The hash in `K10<hash>::...`: 64 hexadecimal digits.
pub(crate) fn token_hash(token: &str) -> Option<&str> {
    let (hash, _) = token.strip_prefix("K10")?.split_once("::")?;
    (hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash)
}

pub(crate) fn install_script(
    desired: &Desired,
    node: &Node,
    place: &Place,
    membership: Option<&Membership>,
    datastore_key: Option<&Secret>,
    restart: Option<&str>,
) -> Result<Script> {
    let (role, other_role, other_unit) = match node.role {
        Role::Server => ("server", "agent", paths::K3S_AGENT_UNIT),
        Role::Agent => ("agent", "server", paths::K3S_SERVER_UNIT),
    };
    let context = json!({
        "role": role,
        "other_role": other_role,
        "other_unit": other_unit,
        "unit": format!("{}.service", unit_name(node.role)),
        "joins": place.joins(),
        "sha256": desired.k3s.binary.sha256,
        "version": desired.k3s.binary.version,
        "pod_mtu": super::network::pod_mtu(desired),
        "token_file": paths::K3S_TOKEN,
        "agent_token_file": paths::K3S_AGENT_TOKEN,
        "files": files(desired, node, place)?,
        "datastore_key_file": paths::K3S_DATASTORE_KEY,
        "has_datastore_key": node.role == Role::Server && desired.k3s.datastore_backup.is_some(),
        "restart": restart,
    });
    let mut script = template::script("k3s/install-k3s.sh", context)?;
    if let Some(membership) = membership {
        script = script.secret("JOIN_TOKEN", membership.token.clone());
        if let Some(agent_token) = &membership.agent_token {
            script = script.secret("AGENT_TOKEN", agent_token.clone());
        }
    }
    if let Some(key) = datastore_key.filter(|_| node.role == Role::Server) {
        script = script.secret("DATASTORE_KEY", key.clone());
    }
    Ok(script)
}

/// Sets k3s up and starts it, without waiting until it is ready. Its artifacts must be on the node. `membership` is
/// `None` for the server that makes the cluster; `datastore_key` is [`datastore::key`]; `restart` says why k3s must start anew even where no file of
/// it changes.
pub async fn install(
    host: &impl Host,
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    membership: Option<&Membership>,
    datastore_key: Option<&Secret>,
    restart: Option<&str>,
) -> Result<()> {
    let place = Place::of(desired, node, probe, membership.map(|membership| membership.server))?;
    let script = install_script(desired, node, &place, membership, datastore_key, restart)?;
    run(host, &script).await.map(drop)
}

/// How a starting k3s is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct K3sProgress {
    /// The unit is active, and on a server the API is ready.
    pub ready: bool,
    pub active_state: Option<String>,
    pub sub_state: Option<String>,
    pub restarts: Option<u32>,
    /// The last lines of its journal.
    pub journal: String,
}

impl K3sProgress {
    /// The unit's state, how often it was started anew, and the line that ended it, or its last one.
    pub fn words(&self, role: Role) -> String {
        let mut lines = self.journal.lines().rev();
        let fatal = lines.clone().find(|line| line.contains("level=fatal"));
        let line = fatal.or_else(|| lines.next()).unwrap_or("nothing");
        let restarts = match self.restarts {
            Some(restarts) if restarts > 0 => format!(", started anew {restarts} times"),
            _ => String::new(),
        };
        let state = self.active_state.as_deref().unwrap_or("in an unknown state");
        format!("{} is {state}{restarts}; it said last: {line}", unit_name(role))
    }
}

pub(crate) fn await_script(role: Role, patience: Duration) -> Result<Script> {
    let context = json!({
        "unit": format!("{}.service", unit_name(role)),
        "role": match role { Role::Server => "server", Role::Agent => "agent" },
        "seconds": patience.as_secs(),
    });
    let script = template::script("k3s/await-k3s.sh", context)?;
    Ok(script.timeout(patience + Duration::from_secs(60)))
}

/// One look at k3s, which waits up to `patience` for it to be ready.
pub async fn progress(host: &impl Host, role: Role, patience: Duration) -> Result<K3sProgress> {
    run_for(host, &await_script(role, patience)?).await
}

/// Why a k3s did not get ready in time, by what it said last.
pub(super) fn never_ready(node: &Node, last: &K3sProgress) -> Failure {
    if let Some(diagnosis) = diagnose(&last.journal) {
        return diagnosis.failure(node);
    }
    let unit = unit_name(node.role);
    let message = format!("not ready after five minutes: {}", last.words(node.role));
    Failure::new(Kind::Kubernetes, message)
        .at(&node.name)
        .effect(Effect::Partial)
        .hint(format!("`journalctl -u {unit}` on the node tells more"))
}

pub(crate) fn kubeconfig_script() -> Result<Script> {
    template::script("k3s/read-kubeconfig.sh", json!({}))
}

/// The server's own kubeconfig, with an administrator's key.
pub async fn read_kubeconfig(host: &impl Host) -> Result<Secret> {
    run(host, &kubeconfig_script()?).await.map(Secret::document)
}

#[cfg(test)]
mod tests;
