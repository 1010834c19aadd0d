//! What is there and no longer wanted: guests of former nodes, seeds.

use super::*;

fn stray(node: &str, vmid: u32) -> Stray {
    Stray {
        node: name(node),
        proxmox_node: "pve1".into(),
        vmid: Vmid(vmid),
        name: node.into(),
        address: None,
    }
}

#[test]
fn what_left_the_inventory_is_named_and_deleted_only_when_asked() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.strays.push(stray("old", 150));
    let plan = planned(&desired, &observed);
    assert!(step_of(&plan, "machines/remove/old").is_none());
    assert_eq!(
        plan.notes,
        ["old (VMID 150) is ours and not in the inventory: `--prune` deletes it"]
    );
    let pruned = diff(&desired, &observed, Wishes { prune: true }).unwrap();
    assert_eq!(step_of(&pruned, "machines/remove/old").unwrap().impact, Impact::DataLoss);
}

#[test]
fn what_left_the_inventory_goes_when_the_server_that_knows_it_is_back() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.strays.push(stray("old", 150));
    of(&mut observed, "k3s-server").power = PowerState::Stopped;
    observed.kube = Sight::Unseen;
    let pruned = diff(&desired, &observed, Wishes { prune: true }).unwrap();
    let removal = step_of(&pruned, "machines/remove/old").unwrap();
    assert!(matches!(removal.change, Change::RemoveMachine { member: true, .. }), "{removal:?}");
    let needs: Vec<&str> = removal.needs.iter().map(|need| &*need.0).collect();
    assert!(needs.contains(&"machines/start/k3s-server"), "{needs:?}");
    assert!(needs.contains(&"cluster/server/k3s-server"), "{needs:?}");
    assert!(!needs.iter().any(|need| need.contains("agent")), "{needs:?}");
}

#[test]
fn a_restored_backup_of_a_node_is_named_and_never_pruned() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.strays = vec![stray("k3s-server", 150), stray("old", 151), stray("old", 152)];
    let plan = diff(&desired, &observed, Wishes { prune: true }).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step.change, Change::RemoveMachine { .. })));
    let told: Vec<&str> = plan.notes.iter().map(|note| &note[..note.find(',').unwrap()]).collect();
    assert_eq!(
        told,
        [
            "k3s-server (VMID 150) has the marks of VMID 102",
            "old (VMID 151) has the marks of VMID 152",
            "old (VMID 152) has the marks of VMID 151",
        ]
    );
}

#[test]
fn a_seed_on_a_storage_that_two_proxmox_nodes_share_is_swept_once() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    let nonce = Nonce::from_text("0011223344556677").unwrap();
    let id = guest::seed_of(&desired, &name("old"), &nonce);
    for proxmox_node in ["pve1", "pve2"] {
        let volume = Volume { id: id.clone(), bytes: 1, vmid: None };
        observed.seeds.insert(proxmox_node.into(), vec![volume]);
    }
    let plan = planned(&desired, &observed);
    let sweeps = plan.steps.iter().filter(|step| step.id.0.contains("/sweep/"));
    assert_eq!(sweeps.count(), 1);
}

#[test]
fn a_seed_that_no_making_waits_for_is_swept_while_machines_are_made() {
    let desired = desired();
    let mut observed = bare(&desired);
    let seed = |node: &str| {
        let nonce = Nonce::from_text("0011223344556677").unwrap();
        let id = guest::seed_of(&desired, &name(node), &nonce);
        Volume { id, bytes: 1, vmid: None }
    };
    let (server, agent) = (seed("k3s-server"), seed("k3s-agent-1"));
    observed.seeds.insert("pve1".into(), vec![server.clone(), agent.clone()]);
    let swept = |observed: &Observed| {
        let plan = planned(&desired, observed);
        let volumes = plan.steps.iter().filter_map(|step| match &step.change {
            Change::SweepSeed { volume, .. } => Some(volume.clone()),
            _ => None,
        });
        volumes.collect::<Vec<_>>()
    };
    // Each making chooses a seed of its own.
    assert_eq!(swept(&observed), [server.id, agent.id.clone()]);
    let task = "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:".parse().unwrap();
    let cloning = MachineSight::HalfMade { task: Some(task), lock: None };
    observed.machines.insert(name("k3s-server"), cloning);
    assert_eq!(swept(&observed), [agent.id], "a clone that is being made waits for its own");
}

#[test]
fn a_node_that_was_renamed_is_not_made_beside_itself_at_its_own_address() {
    let desired = desired();
    let mut observed = made(&desired, FRESH);
    observed.machines.insert(name("k3s-agent-1"), MachineSight::Absent);
    let address = Some(desired.nodes[&name("k3s-agent-1")].address);
    observed.strays.push(Stray { address, ..stray("worker", 111) });
    insta::assert_snapshot!(refused(&desired, &observed).join("\n"));
}
