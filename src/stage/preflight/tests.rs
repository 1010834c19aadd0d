use std::collections::BTreeMap;

use super::*;
use crate::{
    commands::role::{KnownRoles, Scope},
    inventory::Desired,
    plan::observed::Sight,
    ports::{Bridge, NodeSummary, StorageSummary, Version},
    stage::scripts::tests::desired,
};

fn storage(name: &str, kind: &str, content: &[&str], gibibytes: u64) -> StorageSummary {
    StorageSummary {
        name: name.into(),
        kind: kind.into(),
        content: content.iter().map(|name| (*name).to_owned()).collect(),
        active: true,
        shared: false,
        total_bytes: gibibytes << 30,
        available_bytes: gibibytes << 30,
    }
}

/// A Proxmox that has and allows all that is wanted.
fn site(desired: &Desired) -> Site {
    let scope = Scope::of(desired);
    let mut granted: BTreeMap<String, _> = BTreeMap::new();
    for need in scope.needs() {
        let held: &mut std::collections::BTreeSet<String> = granted.entry(need.path).or_default();
        held.insert(need.privilege);
    }
    let roles = scope.roles().into_iter().map(|role| {
        let held = role.privileges.into_iter().map(str::to_owned).collect();
        (role.name.to_owned(), held)
    });
    let storages = vec![
        storage("local", "dir", &["iso", "import"], 100),
        storage("local-lvm", "lvmthin", &["images"], 48),
    ];
    Site {
        version: Version { major: 9, minor: 2, text: "9.2.11".into() },
        storages: [("pve1".to_owned(), storages)].into(),
        bridges: [(
            "pve1".to_owned(),
            vec![Bridge { name: "vmbr0".into(), mtu: None, address: None, gateway: None }],
        )]
        .into(),
        granted,
        roles: roles.collect(),
        pool: desired.proxmox.pool.as_ref().map(|_| true),
        token: "homelab@pve!homelab".into(),
    }
}

/// What a token without any entry in the access control list sees.
fn without_rights(mut site: Site) -> Site {
    site.granted.clear();
    site.storages = [("pve1".to_owned(), Vec::new())].into();
    site.bridges = [("pve1".to_owned(), Vec::new())].into();
    site
}

fn in_pool() -> Desired {
    let mut desired = desired();
    desired.proxmox.pool = Some("homelab".into());
    desired
}

fn told(refusals: &[Refusal]) -> Vec<String> {
    refusals
        .iter()
        .map(|refusal| format!("{}: {}\n{}", refusal.place, refusal.message, refusal.hint))
        .collect()
}

fn hints(refusals: &[Refusal]) -> Vec<&str> {
    let mut hints: Vec<&str> = refusals.iter().map(|refusal| refusal.hint.as_str()).collect();
    hints.dedup();
    hints
}

const TO: &str = "--users homelab@pve --tokens 'homelab@pve!homelab' --roles";

#[test]
fn where_all_is_there_and_allowed_nothing_is_told() {
    let desired = in_pool();
    let rights = rights::check(&desired, &site(&desired));
    assert!(rights.absent.is_empty() && rights.missing.is_empty(), "{rights:?}");
}

#[test]
fn a_token_without_any_right_is_told_each_privilege_and_one_command_a_role_and_path() {
    let desired = in_pool();
    let rights = rights::check(&desired, &without_rights(site(&desired)));
    assert!(rights.absent.is_empty(), "what it cannot see is not said to be absent: {rights:?}");
    assert_eq!(rights.missing.len(), Scope::of(&desired).needs().len());
    assert_eq!(
        hints(&rights.missing),
        [
            format!("pveum acl modify /pool/homelab {TO} HomelabGuests"),
            format!("pveum acl modify /storage/local-lvm {TO} HomelabDisks"),
            format!("pveum acl modify /storage/local {TO} HomelabImages"),
            format!("pveum acl modify /storage/local {TO} HomelabSeeds"),
            format!("pveum acl modify /nodes/pve1 {TO} HomelabNode"),
            format!("pveum acl modify /sdn/zones/localnetwork/vmbr0 {TO} HomelabBridge"),
        ]
    );
}

#[test]
fn a_role_that_is_not_there_is_made_once_before_it_is_granted() {
    let mut desired = in_pool();
    desired.nodes[0].storage_disk_bytes = Some(1 << 30);
    desired.nodes[0].storage_disk_storage = "second".into();
    let mut site = without_rights(site(&desired));
    site.roles = KnownRoles::new();
    let rights = rights::check(&desired, &site);
    let disks: Vec<&str> =
        hints(&rights.missing).into_iter().filter(|hint| hint.contains("HomelabDisks")).collect();
    assert_eq!(
        disks,
        [
            format!(
                "pveum role add HomelabDisks --privs 'Datastore.AllocateSpace Datastore.Audit' && \
                 pveum acl modify /storage/local-lvm {TO} HomelabDisks"
            ),
            format!("pveum acl modify /storage/second {TO} HomelabDisks"),
        ]
    );
}

#[test]
fn a_pool_that_is_not_there_is_made_and_nothing_else_is_said_of_it() {
    let desired = in_pool();
    let mut site = site(&desired);
    site.pool = Some(false);
    site.granted.remove("/pool/homelab");
    let rights = rights::check(&desired, &site);
    assert!(rights.missing.is_empty(), "{rights:?}");
    assert_eq!(
        told(&rights.absent),
        [format!(
            "pool homelab: there is no such pool\n\
             change `proxmox.pool` in the inventory, or as root on a Proxmox node: \
             pveum pool add homelab && pveum acl modify /pool/homelab {TO} HomelabGuests"
        )]
    );
}

#[test]
fn a_storage_that_is_not_there_is_told_and_nothing_is_granted_on_it() {
    let mut desired = in_pool();
    let mut known = site(&desired);
    desired.proxmox.disk_storage = "ceph".into();
    let rights = rights::check(&desired, &known);
    assert!(rights.missing.is_empty(), "{rights:?}");
    assert_eq!(
        told(&rights.absent),
        [format!(
            "storage ceph on pve1: there is no such storage, or the token may not see it; it sees local, local-lvm\n\
             change `proxmox.storage.disks` in the inventory; or, if there is a storage ceph, as root on a Proxmox node: \
             pveum acl modify /storage/ceph {TO} HomelabDisks"
        )]
    );
    // Granted for all storages: what is not in the list is not there.
    known.granted.insert("/storage/ceph".into(), ["Datastore.Audit".to_owned()].into());
    let rights = rights::check(&desired, &known);
    assert!(rights.missing.is_empty(), "{rights:?}");
    assert_eq!(
        told(&rights.absent),
        ["storage ceph on pve1: there is no such storage; there is local, local-lvm\n\
          change `proxmox.storage.disks` in the inventory"]
    );
}

#[test]
fn a_bridge_that_is_not_there_is_told_with_those_that_are() {
    let mut desired = in_pool();
    let known = site(&desired);
    desired.proxmox.bridge = "vmbr9".into();
    let rights = rights::check(&desired, &known);
    assert!(rights.missing.is_empty(), "{rights:?}");
    assert_eq!(
        told(&rights.absent),
        ["bridge vmbr9 on pve1: there is no such bridge; there is vmbr0\n\
          change `proxmox.bridge` in the inventory, or make the bridge on the Proxmox node"]
    );
}

#[test]
fn a_bridge_that_cannot_be_seen_is_said_to_be_unseen_with_the_privilege_that_shows_it() {
    let mut desired = in_pool();
    desired.proxmox.bridge = "vmbr9".into();
    let rights = rights::check(&desired, &without_rights(site(&desired)));
    assert!(rights.absent.is_empty(), "{rights:?}");
    assert_eq!(
        rights.missing.last().unwrap().message,
        "missing privilege SDN.Use (attach guests to the bridge); whether there is a bridge vmbr9 \
         cannot be seen without Sys.Audit on /nodes/pve1"
    );
}

#[test]
fn a_content_type_that_a_storage_can_never_hold_points_at_one_that_can() {
    let mut desired = desired();
    desired.proxmox.image_storage = "local-lvm".into();
    desired.proxmox.seed_storage = "local-lvm".into();
    let storages = site(&desired).storages.remove("pve1").unwrap();
    assert_eq!(
        told(&storage::contents(&desired, "pve1", &storages)),
        ["storage local-lvm on pve1: is of type lvmthin, which cannot hold content import, iso\n\
          set `proxmox.storage.image` and `proxmox.storage.seeds` to a storage of files, such as `local`"]
    );
    let alone = &storages[1..];
    assert_eq!(
        storage::contents(&desired, "pve1", alone)[0].hint,
        "set `proxmox.storage.image` and `proxmox.storage.seeds` to a directory storage; as root on \
         pve1, for a new one: pvesm add dir homelab-files --path /var/lib/homelab-files --content import,iso"
    );
}

/// A Proxmox VE with one node of 8 processors that nothing was made on.
fn bare(desired: &Desired) -> Observed {
    let absent = desired.nodes.keys().map(|node| (node.clone(), MachineSight::Absent));
    Observed {
        nodes: vec![NodeSummary {
            name: "pve1".into(),
            online: true,
            cpus: 8,
            memory_bytes: 16 << 30,
            memory_used_bytes: 0,
        }],
        guests: Vec::new(),
        templates: BTreeMap::new(),
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

#[test]
fn more_cores_than_the_host_has_are_refused() {
    let mut desired = desired();
    desired.nodes[1].cores = 200;
    let mut observed = bare(&desired);
    assert_eq!(
        told(&host::cores(&desired, &observed.nodes)),
        ["k3s-agent-1: has 200 cores, pve1 has 8 CPUs: Proxmox would not start it\n\
          set `cores` to 8 at most"]
    );
    // Unknown without Sys.Audit.
    observed.nodes[0].cpus = 0;
    observed.nodes[0].memory_bytes = 0;
    assert!(host::cores(&desired, &observed.nodes).is_empty());
    assert!(host::memory(&desired, &observed, "pve1").is_none());
}

#[test]
fn disks_over_the_free_space_are_warned_of_on_a_thin_storage_and_refused_on_a_thick_one() {
    let mut desired = desired();
    desired.nodes[0].disk_bytes = 3 << 40;
    let observed = bare(&desired);
    let needed = capacity::needed(&desired, &observed, "pve1");
    let thin = [storage("local-lvm", "lvmthin", &["images"], 48)];
    assert!(capacity::refusals(&needed, "pve1", &thin).is_empty());
    assert_eq!(
        capacity::warnings(&needed, "pve1", &thin),
        [
            "storage local-lvm on pve1: the disks to be made may grow to 3104 GiB, 48 GiB of 48 GiB are free: \
          over-committed by 3056 GiB. Guests with disks there stop when it is full"
        ]
    );
    let thick = [storage("local-lvm", "lvm", &["images"], 48)];
    assert!(capacity::warnings(&needed, "pve1", &thick).is_empty());
    assert_eq!(
        told(&capacity::refusals(&needed, "pve1", &thick)),
        ["storage local-lvm on pve1: the disks to be made need 3104 GiB, 48 GiB are free\n\
          make the disks smaller, or free space"]
    );
}
