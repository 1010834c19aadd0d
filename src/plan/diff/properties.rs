//! What is true of every plan, whatever the world looks like.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::Index};

use super::{
    settled::settled,
    worlds::{Situation, any_desired, any_situation},
    *,
};
use crate::{
    damage::cases,
    model::Vmid,
    plan::{
        edge::is_ours,
        observed::{Sight, TemplateSight},
    },
    stage::StageId,
};

/// The VMIDs that a plan must keep its hands off.
fn untouchable(situation: &Situation) -> BTreeSet<Vmid> {
    let Situation { desired, observed } = situation;
    let machines = observed.machines.iter().filter(|(_, sight)| {
        matches!(sight, MachineSight::Foreign(_) | MachineSight::HalfMade { task: None, .. })
    });
    let templates =
        observed.templates.iter().filter(|(_, sight)| matches!(sight, TemplateSight::Foreign(_)));
    let of_templates = templates.map(|(proxmox_node, _)| template_vmid(desired, proxmox_node));
    machines.map(|(node, _)| desired.nodes[node].vmid).chain(of_templates).collect()
}

/// The VMID that a step changes, makes or deletes.
fn touched(desired: &Desired, change: &Change) -> Option<Vmid> {
    match change {
        Change::MakeTemplate { vmid, .. }
        | Change::RemoveTemplate { vmid, .. }
        | Change::RemoveMachine { vmid, .. } => Some(*vmid),
        change => change.node().map(|node| desired.nodes[node].vmid),
    }
}

/// Steps come after those that they need, so that no needs go round in a circle.
fn assert_orderly(plan: &Plan) {
    let mut before: BTreeSet<&StepId> = BTreeSet::new();
    for step in &plan.steps {
        for need in &step.needs {
            assert!(before.contains(need), "{} needs {need}, which is not before it", step.id);
        }
        assert!(before.insert(&step.id), "{} is there twice", step.id);
        assert!(!step.reasons.is_empty(), "{} has no reason", step.id);
        assert!(step.reasons.iter().all(|reason| !reason.is_empty()), "{} has no reason", step.id);
    }
}

/// Of two nodes that are rebooted the second waits for the first.
fn assert_one_reboot_at_a_time(plan: &Plan) {
    let reboots: Vec<&Step> =
        plan.steps.iter().filter(|step| step.impact == Impact::Reboot).collect();
    for pair in reboots.windows(2) {
        assert!(pair[1].needs.contains(&pair[0].id), "{} and {} at once", pair[0].id, pair[1].id);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn no_plan_touches_what_is_not_ours(situation in any_situation(), prune in any::<bool>()) {
        let Situation { desired, observed } = &situation;
        let Ok(plan) = diff(desired, observed, Wishes { prune }) else { return Ok(()) };
        let untouchable = untouchable(&situation);
        for step in &plan.steps {
            let vmid = touched(desired, &step.change);
            prop_assert!(vmid.is_none_or(|vmid| !untouchable.contains(&vmid)), "{} touches {vmid:?}", step.id);
            match &step.change {
                Change::RemoveMachine { node, vmid, .. } => {
                    let stray = observed.strays.iter().find(|stray| stray.vmid == *vmid);
                    prop_assert!(prune && stray.is_some_and(|stray| stray.node == *node));
                    // Its device goes with it: no other guest may be that node.
                    let namesakes = observed.strays.iter().filter(|stray| stray.node == *node).count();
                    prop_assert!(namesakes == 1 && observed.machine(node).is_none(), "{}", step.id);
                }
                Change::DropName { record, .. } => {
                    let Sight::Seen(Ok(edge)) = &observed.edge else { panic!("no edge was seen") };
                    let record = edge.records.iter().find(|known| known.id == *record).unwrap();
                    prop_assert!(is_ours(desired, record), "{record:?}");
                }
                Change::PointName { name } => {
                    let Sight::Seen(Ok(edge)) = &observed.edge else { panic!("no edge was seen") };
                    let rivals = ["A", "AAAA", "CNAME", "NS"];
                    let others = edge.records.iter().filter(|record| !is_ours(desired, record));
                    let mut rivals = others.filter(|record| rivals.contains(&record.form.as_str()));
                    prop_assert!(rivals.all(|record| record.name != *name), "{name} is somebody else's");
                }
                Change::SweepSeed { volume, .. } => {
                    let short = format!("homelab-{}-", desired.id.short());
                    prop_assert!(volume.contains(&short), "{volume}");
                    let drives = observed.machines.values().filter_map(|sight| match sight {
                        MachineSight::Ours(machine) => guest::seed_volume(&machine.config),
                        _ => None,
                    });
                    prop_assert!(drives.into_iter().all(|used| used != volume), "{volume} is in a drive");
                }
                Change::RemoveTunnel | Change::RemoveProxies | Change::RemoveImage { .. } | Change::RemoveTemplate { .. } => {
                    prop_assert!(false, "{} is no work of a plan", step.id);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn what_cannot_be_ours_is_refused_whole(situation in any_situation()) {
        let Situation { desired, observed } = &situation;
        let is_taken = |sight: &MachineSight| {
            matches!(sight, MachineSight::Foreign(_) | MachineSight::HalfMade { task: None, .. })
        };
        let taken = observed.machines.values().filter(|sight| is_taken(sight)).count();
        match diff(desired, observed, Wishes::default()) {
            Ok(_) => prop_assert_eq!(taken, 0),
            Err(refusals) => {
                prop_assert!(refusals.len() >= taken.max(1));
                for refusal in refusals {
                    prop_assert!(!refusal.place.is_empty() && !refusal.message.is_empty() && !refusal.hint.is_empty());
                }
            }
        }
    }

    #[test]
    fn needs_are_steps_of_the_plan_and_never_go_round(situation in any_situation(), prune in any::<bool>()) {
        let Ok(plan) = diff(&situation.desired, &situation.observed, Wishes { prune }) else { return Ok(()) };
        assert_orderly(&plan);
        assert_one_reboot_at_a_time(&plan);
    }

    #[test]
    fn planning_twice_gives_the_same_plan(situation in any_situation(), prune in any::<bool>()) {
        let plan = || diff(&situation.desired, &situation.observed.clone(), Wishes { prune });
        prop_assert_eq!(plan(), plan());
    }

    #[test]
    fn a_part_of_a_plan_holds_nothing_that_the_whole_has_not(
        situation in any_situation(), from in any::<Index>(), until in any::<Index>(), chosen in any::<[bool; 6]>(),
    ) {
        let Ok(plan) = diff(&situation.desired, &situation.observed, Wishes::default()) else { return Ok(()) };
        let stages = *from.get(&StageId::LADDER)..=*until.get(&StageId::LADDER);
        let nodes = situation.desired.nodes.keys().zip(chosen).filter(|(_, chosen)| *chosen);
        let nodes: Vec<_> = nodes.map(|(node, _)| node.clone()).collect();
        let part = plan.clone().narrowed(stages.clone(), &nodes);
        assert_orderly(&part);
        for step in &part.steps {
            let whole = plan.steps.iter().find(|known| known.id == step.id).expect("a step of the whole");
            prop_assert_eq!((&step.change, &step.reasons, step.impact), (&whole.change, &whole.reasons, whole.impact));
            prop_assert!(step.needs.iter().all(|need| whole.needs.contains(need)));
            prop_assert!(stages.contains(&step.stage()));
            prop_assert!(nodes.is_empty() || step.change.node().is_none_or(|node| nodes.contains(node)));
        }
        // Nothing that was asked for is left out.
        let again = part.clone().narrowed(stages, &nodes);
        prop_assert_eq!(again.steps, part.steps);
    }

    #[test]
    fn where_everything_is_as_wanted_there_is_nothing_to_do(desired in any_desired()) {
        let plan = diff(&desired, &settled(&desired), Wishes { prune: true }).unwrap();
        let steps: Vec<_> = plan.steps.iter().map(|step| (&step.id, &step.reasons)).collect();
        prop_assert!(steps.is_empty(), "{steps:#?}");
    }
}
