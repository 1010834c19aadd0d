//! What moved between a plan that was agreed to and the one of now. Pure.
//!
//! A step is within the agreement when the file has it, does the same to the same thing, and neither its
//! price nor its reasons go beyond what was agreed to. Two things look like more and are not:
//!
//! * A step that only looks is free to look.
//! * What the plan itself makes may be found half made by the run after a kill: there the reasons are others,
//!   and a service that was to be installed is now to be restarted. A reboot or a loss is never part of it.

use super::Ground;
use crate::plan::{Change, Impact, Step};

/// Everything about the ground that is another, a line each.
pub(super) fn ground(agreed: &Ground, now: &Ground) -> Vec<String> {
    let mut moved = Vec::new();
    let mut differs = |differs: bool, text: String| moved.extend(differs.then_some(text));
    differs(
        agreed.id != now.id,
        format!(
            "another cluster: the plan is of `{}` ({}), the inventory of `{}` ({})",
            agreed.cluster, agreed.id, now.cluster, now.id
        ),
    );
    differs(
        agreed.endpoint != now.endpoint,
        format!("another Proxmox: {}, the plan is of {}", now.endpoint, agreed.endpoint),
    );
    differs(
        agreed.program != now.program,
        format!(
            "another homelab: this is {}, the plan was made by {}",
            now.program, agreed.program
        ),
    );
    let (was, is) = (&agreed.fingerprints, &now.fingerprints);
    differs(was.inventory != is.inventory, "the inventory was changed".to_owned());
    let lock = match (&was.lock, &is.lock) {
        (None, Some(_)) => "the lock file is new",
        (Some(_), None) => "the lock file is gone",
        _ => "the lock file was changed",
    };
    differs(was.lock != is.lock, lock.to_owned());
    moved
}

/// Every step of `now` that goes beyond what was agreed to, a line each.
pub(super) fn steps(agreed: &[Step], now: &[Step]) -> Vec<String> {
    now.iter().filter_map(|step| beyond(agreed, step)).collect()
}

/// The steps that are no longer needed, in one line.
pub(super) fn gone(agreed: &[Step], now: &[Step]) -> Option<String> {
    let gone: Vec<String> = agreed
        .iter()
        .filter(|step| now.iter().all(|now| now.id != step.id))
        .map(|step| format!("`{}`", step.id))
        .collect();
    let count = match gone.len() {
        0 => return None,
        1 => "1 step of the plan is".to_owned(),
        count => format!("{count} steps of the plan are"),
    };
    Some(format!("{count} no longer needed, since it is so already: {}", gone.join(", ")))
}

/// How a step goes beyond what was agreed to.
fn beyond(agreed: &[Step], now: &Step) -> Option<String> {
    let (id, price) = (&now.id, now.impact.name());
    let reasons = now.reasons.join("; ");
    let Some(known) = agreed.iter().find(|step| step.id == now.id) else {
        return Some(format!("`{id}` is new [{price}]: {reasons}"));
    };
    if !does_the_same(&known.change, &now.change) {
        let (was, is) = (known.change.title(), now.change.title());
        return Some(format!("`{id}` does something else: {is}; agreed to: {was}"));
    }
    if now.impact == Impact::Check {
        return None;
    }
    let begun = was_to_be_made(agreed, known);
    let most = if begun { known.impact.max(Impact::Restart) } else { known.impact };
    if now.impact > most {
        let was = known.impact.name();
        return Some(format!("`{id}` costs more [{price}]: {reasons}; agreed to: [{was}]"));
    }
    let loss = now.impact == Impact::DataLoss;
    let same = if loss {
        // What is deleted for good is deleted for the reason that was shown, or not at all.
        now.reasons == known.reasons
    } else {
        begun || now.reasons.iter().all(|reason| known.reasons.contains(reason))
    };
    let was = known.reasons.join("; ");
    (!same).then(|| format!("`{id}` has another reason: {reasons}; agreed to: {was}"))
}

/// Which keys of a machine are configured is what its reasons say, each with its value.
fn does_the_same(agreed: &Change, now: &Change) -> bool {
    match (agreed, now) {
        (Change::ConfigureMachine { .. }, Change::ConfigureMachine { .. }) => true,
        _ => agreed == now,
    }
}

/// Whether the plan makes what the step works on: the machine, or a thing of the whole cluster.
fn was_to_be_made(agreed: &[Step], step: &Step) -> bool {
    match step.change.node() {
        Some(node) => {
            let make = Change::MakeMachine { node: node.clone() };
            agreed.iter().any(|step| step.change == make)
        }
        None => step.impact == Impact::Create,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Vmid;

    fn node() -> crate::model::NodeName {
        "agent".parse().unwrap()
    }

    fn configure(impact: Impact, reasons: &[&str]) -> Step {
        let keys = vec!["cores".to_owned()];
        let reboot = impact == Impact::Reboot;
        let mut step =
            Step::new(Change::ConfigureMachine { node: node(), keys, reboot }, impact, "");
        step.reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
        step
    }

    fn remove(vmid: u32, reason: &str) -> Step {
        let change = Change::RemoveMachine {
            node: node(),
            proxmox_node: "pve1".into(),
            vmid: Vmid(vmid),
            member: false,
        };
        Step::new(change, Impact::DataLoss, reason)
    }

    #[test]
    fn the_same_steps_for_the_same_reasons_or_fewer_are_within_the_agreement() {
        let agreed = [configure(Impact::Reboot, &["cores: 1 -> 2", "memory: 2G -> 4G"])];
        assert_eq!(steps(&agreed, &agreed), Vec::<String>::new());
        let half = [configure(Impact::InPlace, &["cores: 1 -> 2"])];
        assert_eq!(steps(&agreed, &half), Vec::<String>::new());
        assert_eq!(gone(&agreed, &half), None);
    }

    #[test]
    fn what_is_new_harsher_another_or_for_another_reason_is_told() {
        let agreed = [configure(Impact::InPlace, &["onboot: unset -> 1"]), remove(101, "--prune")];
        let moved = |now: Step| steps(&agreed, &[now]).join("");
        let verify = Step::new(Change::CheckNetwork, Impact::Check, "something changes");
        let told = [
            moved(verify),
            moved(configure(Impact::Reboot, &["onboot: unset -> 1"])),
            moved(configure(Impact::InPlace, &["onboot: 0 -> 1"])),
            moved(remove(102, "--prune")),
            moved(remove(101, "its VM is gone, its device is not")),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        `network/check` is new [check]: something changes
        `machines/configure/agent` costs more [reboot]: onboot: unset -> 1; agreed to: [in place]
        `machines/configure/agent` has another reason: onboot: 0 -> 1; agreed to: onboot: unset -> 1
        `machines/remove/agent` does something else: delete VM 102, its disks, and its device in the tailnet; agreed to: delete VM 101, its disks, and its device in the tailnet
        `machines/remove/agent` has another reason: its VM is gone, its device is not; agreed to: --prune
        ");
    }

    #[test]
    fn what_the_plan_makes_may_be_found_half_made_and_is_still_not_rebooted() {
        let make = Step::new(Change::MakeMachine { node: node() }, Impact::Create, "no such VM");
        let new = configure(Impact::Create, &["a new machine"]);
        let agreed = [make, new];
        let half = configure(Impact::InPlace, &["cores: 1 -> 2"]);
        assert_eq!(steps(&agreed, std::slice::from_ref(&half)), Vec::<String>::new());
        insta::assert_snapshot!(
            gone(&agreed, &[half]).unwrap(),
            @"1 step of the plan is no longer needed, since it is so already: `machines/make/agent`"
        );
        let reboot = configure(Impact::Reboot, &["cores: 1 -> 2"]);
        assert_eq!(steps(&agreed, &[reboot]).len(), 1);
    }
}
