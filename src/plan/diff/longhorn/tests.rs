use super::*;
use crate::{
    inventory::desired::{Gitops, Longhorn},
    plan::{
        diff::{
            flux,
            tests::{bare, machine},
        },
        longhorn::LonghornSight,
        observed::Sight,
        probe::{HostProbe, StorageDisk, StorageHost, Unit},
        step::StepId,
    },
    stage::scripts::tests::desired as plain,
};

const GIBIBYTE: u64 = 1 << 30;

fn desired() -> Desired {
    let longhorn = Longhorn {
        replicas: 2,
        default_class: true,
        trial_image: String::new(),
        backup: None,
        recurring_jobs: std::collections::BTreeMap::new(),
    };
    let mut desired = Desired { longhorn: Some(longhorn), ..plain() };
    for node in desired.nodes.values_mut() {
        node.storage_disk_bytes = Some(10 * GIBIBYTE);
    }
    desired
}

/// A node on which everything is as it should be.
fn fit(desired: &Desired, node: &Node) -> HostProbe {
    let mut probe = HostProbe {
        storage_host: StorageHost {
            iscsiadm: true,
            mount_nfs: true,
            cryptsetup: true,
            iscsi_tcp: true,
            multipath_maps: Vec::new(),
        },
        storage_disk: Some(StorageDisk {
            device: Some("/dev/sdb".into()),
            bytes: Some(10 * GIBIBYTE),
            filesystem: Some("xfs".into()),
            uuid: Some(desired.id.storage_uuid(&node.name).to_string()),
            mount_point: Some("/var/lib/longhorn".into()),
            filesystem_bytes: Some(10 * GIBIBYTE - 70_000_000),
        }),
        ..HostProbe::default()
    };
    for file in longhorn::files(desired, node).unwrap() {
        probe.files.insert(file.path.clone(), file.sha256());
    }
    for unit in ["iscsid.socket", "homelab-storage.service"] {
        let state = Unit {
            load_state: "loaded".into(),
            active_state: "active".into(),
            unit_file_state: "enabled".into(),
            ..Unit::default()
        };
        probe.units.insert(unit.into(), state);
    }
    probe
}

fn reasons(change: impl Fn(&mut HostProbe)) -> Vec<String> {
    let desired = desired();
    let node = desired.first_server();
    let mut probe = fit(&desired, node);
    change(&mut probe);
    longhorn::reasons(&desired, node, &probe)
}

#[test]
fn a_node_that_is_fit_for_longhorn_has_nothing_to_do() {
    assert_eq!(reasons(|_| {}), Vec::<String>::new());
}

#[test]
fn whatever_longhorn_would_miss_on_a_node_is_a_reason() {
    fn disk(probe: &mut HostProbe) -> &mut StorageDisk {
        probe.storage_disk.as_mut().unwrap()
    }
    type Breaking = fn(&mut HostProbe);
    let breaks: [(Breaking, &str); 10] = [
        (|probe| probe.storage_host.iscsiadm = false, "it has no iscsiadm"),
        (|probe| probe.storage_host.mount_nfs = false, "it has no mount.nfs"),
        (|probe| probe.storage_host.iscsi_tcp = false, "its kernel cannot load iscsi_tcp"),
        (
            |probe| drop(probe.files.remove("/etc/iscsi/initiatorname.iscsi")),
            "/etc/iscsi/initiatorname.iscsi differs",
        ),
        (
            |probe| drop(probe.units.remove("iscsid.socket")),
            "iscsid.socket is not there for iSCSI's first use",
        ),
        (|probe| probe.storage_disk = None, "its storage disk is not there"),
        (|probe| disk(probe).uuid = None, "its storage disk holds no file system"),
        (
            |probe| disk(probe).uuid = Some("x".into()),
            "its storage disk holds a file system that is not ours (x)",
        ),
        (
            |probe| disk(probe).mount_point = None,
            "its storage disk is not mounted at /var/lib/longhorn",
        ),
        (
            |probe| disk(probe).bytes = Some(20 * GIBIBYTE),
            "its storage disk has 21474836480 bytes, the file system 10667418240",
        ),
    ];
    for (breaking, reason) in breaks {
        assert_eq!(reasons(breaking), [reason]);
    }
}

#[test]
fn no_two_nodes_have_one_initiator_name_or_one_file_system() {
    let desired = desired();
    let of = |text: fn(&Desired, &Node) -> String| {
        let all: std::collections::BTreeSet<_> =
            desired.nodes.values().map(|node| text(&desired, node)).collect();
        assert_eq!(all.len(), desired.nodes.len());
    };
    of(|desired, node| desired.id.initiator(&node.name));
    of(|desired, node| desired.id.storage_uuid(&node.name).to_string());
}

#[test]
fn a_disk_that_grows_is_followed_by_its_file_system_in_the_same_run() {
    let desired = desired();
    let node = desired.first_server();
    let mut observed = bare(&desired);
    let mut guest = machine(&desired, &node.name);
    observed.hosts.insert(node.name.clone(), Sight::Seen(fit(&desired, node)));
    let planned = |observed: &Observed| {
        let mut plan = Plan::default();
        let change =
            Change::ConfigureMachine { node: node.name.clone(), keys: vec![], reboot: false };
        plan.add(Step::new(change, Impact::InPlace, ""), &[]);
        steps(&desired, observed, node, &mut plan);
        plan.steps.into_iter().skip(1).map(|step| (step.id, step.needs)).collect::<Vec<_>>()
    };
    guest.config.values.insert("scsi1".into(), "local-lvm:vm-102-disk-1,size=10G".into());
    observed.machines.insert(node.name.clone(), MachineSight::Ours(Box::new(guest.clone())));
    assert_eq!(planned(&observed), []);
    guest.config.values.insert("scsi1".into(), "local-lvm:vm-102-disk-1,size=8G".into());
    observed.machines.insert(node.name.clone(), MachineSight::Ours(Box::new(guest)));
    assert_eq!(
        planned(&observed),
        [(
            StepId("longhorn/prepare/k3s-server".into()),
            vec![StepId("machines/configure/k3s-server".into())]
        )]
    );
}

#[test]
fn an_inventory_without_longhorn_asks_nothing_of_its_nodes() {
    let desired = plain();
    let mut plan = Plan::default();
    steps(&desired, &bare(&desired), desired.first_server(), &mut plan);
    assert!(plan.is_empty());
}

/// A cluster whose tree asks for one version, where another one runs.
fn refused(wanted: &str, running: Option<&str>) -> Vec<Refusal> {
    let versions = [("longhorn".to_owned(), wanted.to_owned())].into();
    let gitops = flux::tests::encrypted().gitops.map(|gitops| Gitops { versions, ..gitops });
    let desired = Desired { gitops, ..desired() };
    let settings =
        running.map(|version| ("current-longhorn-version".to_owned(), version.to_owned()));
    let sight =
        LonghornSight { settings: settings.into_iter().collect(), ..LonghornSight::default() };
    let observed = Observed { longhorn: Sight::Seen(sight), ..bare(&desired) };
    let mut refusals = Vec::new();
    guard_the_ladder(&desired, &observed, &mut refusals);
    refusals
}

#[test]
fn a_version_of_longhorn_that_cannot_follow_the_one_that_runs_is_refused() {
    assert_eq!(refused("1.10.1", Some("v1.9.2")), []);
    assert_eq!(refused("1.10.1", None), []);
    let refusals = refused("1.11.0", Some("v1.9.2"));
    assert!(refusals[0].message.contains("leaves out 1.10"), "{refusals:?}");
    assert!(refusals[0].hint.contains("longhorn.version"), "{refusals:?}");
    assert!(refused("1.8.0", Some("v1.9.2"))[0].message.contains("does not go back"));
}
