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

/// What is known of what is on a node.
enum Contents<'a> {
    /// It is not made yet, or its first boot is not behind it.
    Nothing,
    /// Nobody can tell, and why. What a step finds as it should be it leaves so.
    Unseen(String),
    Seen(&'a HostProbe),
}

impl<'a> Contents<'a> {
    fn of(observed: &'a Observed, node: &NodeName) -> Self {
        if let Some(probe) = observed.probe(node) {
            return Self::Seen(probe);
        }
        let Some(machine) = observed.machine(node) else { return Self::Nothing };
        let why = match observed.hosts.get(node) {
            _ if guest::seed_volume(&machine.config).is_some() => return Self::Nothing,
            _ if machine.power != PowerState::Running => "it does not run",
            Some(Sight::Silent(_)) => "SSH does not answer",
            _ => return Self::Nothing,
        };
        Self::Unseen(format!("not seen yet, as {why}: what is as it should be stays"))
    }

    /// Of a step that starts a service, which may run already.
    fn price(&self, runs: impl Fn(&HostProbe) -> bool) -> Impact {
        match self {
            Self::Seen(probe) if !runs(probe) => Impact::Create,
            Self::Nothing => Impact::Create,
            Self::Seen(_) | Self::Unseen(_) => Impact::Restart,
        }
    }
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
    let contents = Contents::of(observed, name);
    let reasons = match &contents {
        Contents::Nothing => vec!["not there yet".to_owned()],
        Contents::Unseen(why) => vec![why.clone()],
        Contents::Seen(probe) => tailscale_reasons(desired, node, probe),
    };
    let mut needs = before.to_vec();
    if !reasons.is_empty() {
        let impact = contents.price(tailnet::is_running);
        let mut step = Step::new(Change::InstallTailscale { node: name.clone() }, impact, "");
        step.reasons = reasons;
        needs.push(plan.add(step, &before));
    }
    let reasons = match contents {
        Contents::Nothing => not_joined(desired, observed, node),
        Contents::Unseen(why) => vec![why],
        Contents::Seen(probe) => {
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
    let contents = Contents::of(observed, name);
    let reasons = match &contents {
        Contents::Nothing => vec!["not there yet".to_owned()],
        Contents::Unseen(why) => vec![why.clone()],
        Contents::Seen(probe) => {
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
        let impact = contents.price(cluster::is_running);
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
