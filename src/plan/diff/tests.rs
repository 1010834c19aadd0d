mod leftovers;
mod unseen;

use std::collections::BTreeMap;

use super::*;
use crate::{
    model::{Marker, NodeName, Nonce, Vmid, marker::MarkerRole},
    plan::{
        observed::{Machine, Sight, Stranger, Stray, TemplateSight},
        probe::HostProbe,
    },
    ports::{GuestConfig, GuestSummary, PowerState},
    stage::{StageId, scripts::tests::desired},
};

/// A Proxmox VE that nobody has made anything on.
pub(crate) fn bare(desired: &Desired) -> Observed {
    let absent = desired.nodes.keys().map(|node| (node.clone(), MachineSight::Absent));
    Observed {
        nodes: Vec::new(),
        guests: Vec::new(),
        templates: [("pve1".to_owned(), TemplateSight::Absent)].into(),
        machines: absent.collect(),
        hosts: BTreeMap::new(),
        addresses: BTreeMap::new(),
        devices: Sight::Unseen,
        kube: Sight::Unseen,
        flux: Sight::Unseen,
        longhorn: Sight::Unseen,
        snapshots: Sight::Unseen,
        datastore_key: Sight::Unseen,
        repository: Sight::Unseen,
        held: None,
        edge: Sight::Unseen,
        tunnel: None,
        unchecked: false,
        unverified: false,
        seeds: BTreeMap::new(),
        strays: Vec::new(),
    }
}

/// A guest of ours that runs with what the inventory asks for.
pub(crate) fn machine(desired: &Desired, node: &NodeName) -> Machine {
    let wanted = &desired.nodes[node];
    let mut values: BTreeMap<String, String> = guest::changed_keys(
        desired,
        wanted,
        &GuestConfig { digest: String::new(), values: BTreeMap::new() },
    )
    .into_iter()
    .map(|change| (change.key.to_owned(), change.value))
    .collect();
    values.insert("scsi0".into(), format!("local-lvm:vm-{}-disk-0,size=32G", wanted.vmid));
    let role = MarkerRole::Node(node.clone());
    Machine {
        proxmox_node: "pve1".into(),
        vmid: wanted.vmid,
        config: GuestConfig { digest: "0a".into(), values },
        marker: Marker {
            cluster: desired.id,
            role,
            nonce: Nonce::from_text("0011223344556677").unwrap(),
            host_keys: Vec::new(),
            address: Some(wanted.address),
        },
        power: PowerState::Running,
        lock: None,
        pending: Vec::new(),
    }
}

/// All guests are there and as wanted; their hosts say what `probe` says.
fn made(desired: &Desired, probe: &str) -> Observed {
    let probe = HostProbe::parse(probe).unwrap();
    let mut observed = bare(desired);
    for node in desired.nodes.keys() {
        let machine = Box::new(machine(desired, node));
        observed.machines.insert(node.clone(), MachineSight::Ours(machine));
        observed.hosts.insert(node.clone(), Sight::Seen(probe.clone()));
    }
    observed
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// The machine in `observed`, to be made different.
fn of<'a>(observed: &'a mut Observed, node: &str) -> &'a mut Machine {
    match observed.machines.get_mut(&name(node)) {
        Some(MachineSight::Ours(machine)) => machine,
        other => panic!("{node} is {other:?}"),
    }
}

/// Each step with its impact, what it waits for and why it is there.
fn steps(plan: &Plan) -> String {
    plan.steps
        .iter()
        .map(|step| {
            let needs: Vec<&str> = step.needs.iter().map(|need| &*need.0).collect();
            format!(
                "{} ({}) after [{}]: {}\n",
                step.id.0,
                step.impact.name(),
                needs.join(" "),
                step.reasons.join("; ")
            )
        })
        .collect()
}

fn planned(desired: &Desired, observed: &Observed) -> Plan {
    diff(desired, observed, Wishes::default()).unwrap()
}

/// The step of that id, where the plan has it.
fn step_of<'a>(plan: &'a Plan, id: &str) -> Option<&'a Step> {
    plan.steps.iter().find(|step| *step.id.0 == *id)
}

fn refused(desired: &Desired, observed: &Observed) -> Vec<String> {
    let refusals = diff(desired, observed, Wishes::default()).unwrap_err();
    refusals
        .into_iter()
        .map(|refusal| format!("{}: {}\n{}", refusal.place, refusal.message, refusal.hint))
        .collect()
}

/// Cloud-init is done, and nothing else is installed.
const FRESH: &str = r#"{"version":1,"cloud_init":{"installed":true,"disabled":true}}"#;

#[test]
fn a_bare_host_gets_everything_in_the_order_of_the_ladder() {
    let desired = desired();
    insta::assert_snapshot!(steps(&planned(&desired, &bare(&desired))));
}

#[test]
fn a_machine_that_is_as_wanted_is_left_alone_and_its_host_goes_on() {
    let desired = desired();
    let plan = planned(&desired, &made(&desired, FRESH));
    let machines = plan.steps.iter().filter(|step| step.stage() == StageId::Machines);
    assert_eq!(machines.count(), 0, "{}", steps(&plan));
    assert!(step_of(&plan, "tailnet/install/k3s-server").is_some());
    assert!(step_of(&plan, "image/template/pve1").is_none(), "nothing is to be cloned any more");
}

#[test]
fn more_cores_wait_for_a_reboot_and_nodes_are_rebooted_one_after_the_other() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    for node in ["k3s-server", "k3s-agent-1"] {
        of(&mut observed, node).config.values.insert("cores".into(), "2".into());
    }
    let plan = planned(&desired, &observed);
    let first = step_of(&plan, "machines/configure/k3s-server").unwrap();
    let second = step_of(&plan, "machines/configure/k3s-agent-1").unwrap();
    assert_eq!((first.impact, second.impact), (Impact::Reboot, Impact::Reboot));
    assert_eq!(first.reasons, ["cores: 2 -> 4"]);
    assert_eq!(second.needs, std::slice::from_ref(&first.id));
}

#[test]
fn k3s_of_an_agent_waits_for_every_reboot_that_it_or_the_server_needs() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    for node in ["k3s-server", "k3s-agent-1"] {
        of(&mut observed, node).config.values.insert("cores".into(), "2".into());
    }
    let plan = planned(&desired, &observed);
    let agent = step_of(&plan, "cluster/agent/k3s-agent-1").unwrap();
    for need in ["machines/configure/k3s-server", "machines/configure/k3s-agent-1"] {
        assert_eq!(step_of(&plan, need).unwrap().impact, Impact::Reboot);
        assert!(agent.needs.iter().any(|known| *known.0 == *need), "{:?}", agent.needs);
    }
}

#[test]
fn what_a_dead_run_left_waiting_for_a_reboot_is_planned_again() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    of(&mut observed, "k3s-server").pending = vec!["memory".into(), "startup".into()];
    let plan = planned(&desired, &observed);
    let step = step_of(&plan, "machines/configure/k3s-server").unwrap();
    assert_eq!(
        (step.impact, &step.reasons[..]),
        (Impact::Reboot, &["memory waits for a reboot".to_owned()][..])
    );
}

#[test]
fn a_disk_grows_in_place_and_its_file_system_with_it() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    of(&mut observed, "k3s-server")
        .config
        .values
        .insert("scsi0".into(), "local-lvm:x,size=16G".into());
    let plan = planned(&desired, &observed);
    let grown = step_of(&plan, "machines/configure/k3s-server").unwrap();
    assert_eq!((grown.impact, &grown.reasons[0][..]), (Impact::InPlace, "scsi0: 16 GiB -> 32 GiB"));
    let finished = step_of(&plan, "machines/finish/k3s-server").unwrap();
    assert_eq!(finished.reasons, ["the file system must grow with its disk"]);
    assert_eq!(finished.needs, std::slice::from_ref(&grown.id));
}

#[test]
fn a_smaller_disk_is_refused() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    of(&mut observed, "k3s-agent-1")
        .config
        .values
        .insert("scsi0".into(), "local-lvm:x,size=64G".into());
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn a_guest_of_another_on_a_wanted_vmid_is_refused() {
    let desired = desired();
    let mut observed = bare(&desired);
    let why = Some("it has no marker".to_owned());
    let foreign =
        MachineSight::Foreign(Stranger { name: Some("nas".into()), why, ..Stranger::default() });
    observed.machines.insert(name("k3s-agent-1"), foreign);
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn a_guest_that_hides_is_refused_under_the_vmids_of_nodes_and_template() {
    let desired = desired();
    let mut observed = bare(&desired);
    let hidden = Stranger::default();
    observed.machines.insert(name("k3s-agent-1"), MachineSight::Foreign(hidden.clone()));
    observed.templates.insert("pve1".into(), TemplateSight::Foreign(hidden));
    assert_eq!(
        refused(&desired, &observed),
        [
            "template on pve1: VMID 9000 is taken by a guest that the token may not see\n\
             choose another `image.template`: the templates count up from it, one for each Proxmox node in the order of their names",
            "k3s-agent-1: VMID 101 is taken by a guest that the token may not see\n\
             give k3s-agent-1 another `vmid`, or delete that VM yourself",
        ]
    );
}

#[test]
fn a_clone_that_died_half_way_is_refused_with_the_command_to_type() {
    let desired = desired();
    let mut observed = bare(&desired);
    let half = MachineSight::HalfMade { task: None, lock: Some("clone".into()) };
    observed.machines.insert(name("k3s-agent-1"), half);
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn a_server_that_is_gone_while_an_agent_knows_its_cluster_is_not_made_anew() {
    let desired = desired();
    let member = r#"{"version":1,"cloud_init":{"installed":true,"disabled":true},
        "k3s":{"agent_data":true}}"#;
    let mut observed = made(&desired, member);
    observed.machines.insert(name("k3s-server"), MachineSight::Absent);
    observed.hosts.remove(&name("k3s-server"));
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn a_changed_vmid_is_refused_instead_of_a_second_machine() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.machines.insert(name("k3s-agent-1"), MachineSight::Absent);
    observed.strays.push(Stray {
        node: name("k3s-agent-1"),
        proxmox_node: "pve1".into(),
        vmid: Vmid(111),
        name: "k3s-agent-1".into(),
        address: None,
    });
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn what_is_in_another_storage_or_pool_than_wanted_is_told_and_stays_there() {
    let mut desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.guests = vec![GuestSummary {
        vmid: desired.nodes[&name("k3s-agent-1")].vmid,
        node: "pve1".into(),
        name: "k3s-agent-1".into(),
        power: PowerState::Running,
        template: false,
        lock: None,
        tags: Vec::new(),
        memory_bytes: 0,
        is_container: false,
        pool: Some("attic".into()),
    }];
    desired.proxmox.pool = Some("homelab".into());
    desired.proxmox.disk_storage = "fast".into();
    let plan = diff(&desired, &observed, Wishes::default()).unwrap();
    insta::assert_snapshot!(plan.notes.join("\n"));
}

#[test]
fn a_changed_address_is_refused_even_where_the_host_is_silent() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.hosts.insert(name("k3s-agent-1"), Sight::Silent("no route to host".into()));
    of(&mut observed, "k3s-agent-1").marker.address = Some([192, 168, 1, 7].into());
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}

#[test]
fn every_refusal_is_told_at_once() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    for node in ["k3s-server", "k3s-agent-1"] {
        of(&mut observed, node).config.values.insert("scsi0".into(), "local-lvm:x,size=64G".into());
    }
    assert_eq!(refused(&desired, &observed).len(), 2);
}

fn exposure_steps(wanted: Exposure, probe: &str) -> Vec<String> {
    let mut desired = desired();
    desired.access.exposure = wanted;
    let mut plan = Plan::default();
    exposure(&desired, &made(&desired, probe), &mut plan);
    plan.steps.into_iter().map(|step| step.id.0.to_string()).collect()
}

/// Closed by a run that died before it was confirmed: until the next boot.
const HELD: &str = r#"{"version":1,"exposure_filter":true}"#;
const CLOSED: &str = r#"{"version":1,"exposure_filter":true,
    "units":{"homelab-exposure.service":{"UnitFileState":"enabled","ActiveState":"active"}}}"#;
const CLOSE: [&str; 2] = ["network/close-lan/k3s-server", "network/close-lan/k3s-agent-1"];
const OPEN_AGAIN: [&str; 2] = ["network/open-lan/k3s-server", "network/open-lan/k3s-agent-1"];

#[test]
fn the_lan_side_is_closed_where_it_is_not_closed_for_good() {
    assert_eq!(exposure_steps(Exposure::Tailnet, FRESH), CLOSE);
    assert_eq!(exposure_steps(Exposure::Tailnet, HELD), CLOSE);
    assert!(exposure_steps(Exposure::Tailnet, CLOSED).is_empty());
}

#[test]
fn the_lan_side_is_opened_where_an_earlier_inventory_had_it_closed() {
    assert_eq!(exposure_steps(Exposure::Lan, CLOSED), OPEN_AGAIN);
    assert_eq!(exposure_steps(Exposure::Lan, HELD), OPEN_AGAIN);
    assert!(exposure_steps(Exposure::Lan, FRESH).is_empty());
}

#[test]
fn a_check_of_the_network_that_a_run_did_not_come_to_is_planned_again() {
    let mut desired = desired();
    desired.access.exposure = Exposure::Lan;
    let mut plan = Plan::default();
    let observed = Observed { unchecked: true, ..bare(&desired) };
    whole_cluster(&desired, &observed, &mut plan, &mut Vec::new());
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id.0).collect();
    assert_eq!(ids, ["network/check", "verify/all"]);
    assert_eq!(plan.steps[0].reasons, ["a run that changed something ended before it was checked"]);
    let mut plan = Plan::default();
    let observed = Observed { unverified: true, ..bare(&desired) };
    whole_cluster(&desired, &observed, &mut plan, &mut Vec::new());
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id.0).collect();
    assert_eq!(ids, ["verify/all"]);
    assert_eq!(
        plan.steps[0].reasons,
        ["a run that changed something ended before it was verified"]
    );
    let mut plan = Plan::default();
    whole_cluster(&desired, &bare(&desired), &mut plan, &mut Vec::new());
    assert!(plan.is_empty(), "{plan:?}");
}

#[test]
fn a_full_root_file_system_is_noted_since_no_step_makes_room() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    let mut plan = Plan::default();
    room(&desired, &observed, &mut plan);
    assert_eq!(plan.notes, Vec::<String>::new());
    for sight in observed.hosts.values_mut() {
        let Sight::Seen(probe) = sight else { continue };
        probe.root_disk = crate::plan::room::tests::disk(0, 970);
    }
    room(&desired, &observed, &mut plan);
    assert_eq!(plan.notes.len(), 2);
    assert!(
        plan.notes[0].starts_with("k3s-server: its root file system has little room: 0.0 GiB"),
        "{:?}",
        plan.notes
    );
}
