//! The tailnet and cluster stages of one node.

use std::net::Ipv4Addr;

use super::Refusal;
use crate::{
    inventory::{
        Desired,
        desired::{Node, Role, TailnetControl},
    },
    model::NodeName,
    plan::{
        guest,
        observed::{Observed, Sight},
        probe::HostProbe,
        step::{Change, Impact, Plan, Step, StepId},
    },
    ports::PowerState,
    stage::{cluster, tailnet},
};

/// Why tailscaled and what stands around it must be installed anew on a node.
pub fn tailscale_reasons(desired: &Desired, node: &Node, probe: &HostProbe) -> Vec<String> {
    let differs = tailnet::install_reasons(desired, node, probe);
    if !differs.is_empty() {
        return differs;
    }
    let ids = ["tailnet/mtu", "tailnet/tun", "tailnet/leak", "tailnet/filter"];
    told(tailnet::failing(desired, node, probe, None, &ids))
}

/// Why a node must join the tailnet, take its address back, or have its preferences set.
pub fn join_reasons(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    recorded: Option<Ipv4Addr>,
) -> Vec<String> {
    let mut reasons = tailnet::join_reasons(desired, node, probe);
    reasons.extend(told(tailnet::failing(desired, node, probe, recorded, &["tailnet/address"])));
    reasons
}

fn told(failed: Vec<(String, String)>) -> Vec<String> {
    failed.into_iter().map(|(title, cause)| format!("{title}: {cause}")).collect()
}

/// Why nobody can tell what is on a node whose first boot is behind it; `None` where nothing is on it yet. What a step
/// finds as it should be it leaves so.
fn unseen(observed: &Observed, node: &NodeName) -> Option<String> {
    let machine = observed.machine(node)?;
    let why = match observed.hosts.get(node) {
        _ if guest::seed_volume(&machine.config).is_some() => return None,
        _ if machine.power != PowerState::Running => "it does not run",
        Some(Sight::Silent(_)) => "SSH does not answer",
        _ => return None,
    };
    Some(format!("not seen yet, as {why}: what is as it should be stays"))
}

/// The price of a step that finds nothing, or does not know what it finds.
fn price_of_the_unseen(unseen: Option<&String>) -> Impact {
    if unseen.is_some() { Impact::Restart } else { Impact::Create }
}

/// A node that was in the tailnet before gets its address back, where the control plane can do that.
fn not_joined(desired: &Desired, observed: &Observed, node: &Node) -> Vec<String> {
    let mut reasons = vec!["not joined yet".to_owned()];
    if let Some(address) = observed.addresses.get(&node.name) {
        reasons.push(match desired.tailnet.control {
            TailnetControl::Tailscale { .. } => format!("its address {address} is taken back"),
            _ => format!(
                "its address {address} changes, since this control plane cannot give it back: \
                 kubelet, VTEP and whoever uses the address see a new one"
            ),
        });
    }
    reasons
}

pub(super) fn tailnet_steps(desired: &Desired, observed: &Observed, node: &Node, plan: &mut Plan) {
    let name = &node.name;
    let finished = Change::FinishMachine { node: name.clone() }.id();
    let configured =
        Change::ConfigureMachine { node: name.clone(), keys: vec![], reboot: false }.id();
    let before = [finished, configured];
    let (probe, unseen) = (observed.probe(name), unseen(observed, name));
    let reasons = match (probe, &unseen) {
        (Some(probe), _) => tailscale_reasons(desired, node, probe),
        (None, Some(why)) => vec![why.clone()],
        (None, None) => vec!["not there yet".to_owned()],
    };
    let mut needs = before.to_vec();
    if !reasons.is_empty() {
        let running = probe.map(|probe| probe.unit("tailscaled.service").is_active());
        let impact = match running {
            Some(true) => Impact::Restart,
            Some(false) => Impact::Create,
            None => price_of_the_unseen(unseen.as_ref()),
        };
        let mut step = Step::new(Change::InstallTailscale { node: name.clone() }, impact, "");
        step.reasons = reasons;
        needs.push(plan.add(step, &before));
    }
    let reasons = match (probe, &unseen) {
        (None, Some(why)) => vec![why.clone()],
        (None, None) => not_joined(desired, observed, node),
        (Some(probe), _) => {
            let mut reasons =
                join_reasons(desired, node, probe, observed.addresses.get(name).copied());
            if tailnet::is_forgotten(observed.devices.seen(), probe) {
                reasons.push("the tailnet no longer has its device".to_owned());
            }
            reasons
        }
    };
    if !reasons.is_empty() {
        let mut step = Step::new(Change::JoinTailnet { node: name.clone() }, Impact::Create, "");
        step.reasons = reasons;
        plan.add(step, &needs);
    }
}

pub(super) fn cluster_steps(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let name = &node.name;
    let first = desired.first_server();
    let mut needs = vec![
        Change::InstallTailscale { node: name.clone() }.id(),
        Change::JoinTailnet { node: name.clone() }.id(),
    ];
    needs.extend(on_its_feet(name));
    let change = match node.role {
        Role::Server => Change::InstallServer { node: name.clone(), first: *name == first.name },
        Role::Agent => Change::InstallAgent { node: name.clone() },
    };
    // Servers one by one, in order; agents after the first.
    if *name != first.name {
        let before = match node.role {
            Role::Server => desired.servers().take_while(|server| server.name != *name).last(),
            Role::Agent => None,
        };
        let waits_for = before.unwrap_or(first);
        // What joins asks the first server, which may be rebooted in this run, without a change of its k3s.
        needs.extend(on_its_feet(&first.name));
        needs.push(
            Change::InstallServer {
                node: waits_for.name.clone(),
                first: waits_for.name == first.name,
            }
            .id(),
        );
    }
    let (probe, unseen) = (observed.probe(name), unseen(observed, name));
    let reasons = match (probe, &unseen) {
        (None, Some(why)) => vec![why.clone()],
        (None, None) => vec!["not there yet".to_owned()],
        (Some(probe), _) => {
            if let Some((message, hint)) =
                cluster::immutable_change(desired, node, probe, observed.kube_node(name))
            {
                refusals.push(Refusal::new(name.to_string(), message, hint));
            }
            let mut reasons =
                cluster::install_reasons(desired, node, probe, observed.kube_node(name));
            if node.role == Role::Server {
                reasons.extend(cluster::datastore::key_reasons(
                    desired,
                    probe,
                    &observed.datastore_key,
                ));
            }
            reasons
        }
    };
    if let Sight::Silent(why) = &observed.datastore_key
        && name == &first.name
    {
        plan.notes.push(format!(
            "the key of the datastore's snapshots was not compared with the servers': {why}"
        ));
    }
    if !reasons.is_empty() {
        let impact = match probe.map(cluster::is_running) {
            Some(true) => Impact::Restart,
            Some(false) => Impact::Create,
            None => price_of_the_unseen(unseen.as_ref()),
        };
        let mut step = Step::new(change.clone(), impact, "");
        step.reasons = reasons;
        needs.push(plan.add(step, &needs));
    }
    let labels = cluster::label_reasons(node, observed.kube_node(name));
    if !labels.is_empty() {
        let mut step = Step::new(Change::LabelNode { node: name.clone() }, Impact::InPlace, "");
        step.reasons = labels;
        let mut needs = vec![change.id()];
        needs.extend([name, &first.name].into_iter().flat_map(on_its_feet));
        plan.add(step, &needs);
    }
}

/// The last steps of a machine: a reboot is one of them.
fn on_its_feet(node: &NodeName) -> [StepId; 2] {
    [
        Change::ConfigureMachine { node: node.clone(), keys: vec![], reboot: false }.id(),
        Change::FinishMachine { node: node.clone() }.id(),
    ]
}
