//! A world in which everything is as wanted, for tests: what a node shows then, and its Node object.

use serde_json::json;

use super::tests::{bare, machine};
use crate::{
    inventory::{
        Desired,
        desired::{Exposure, GitAccess, Node, Role},
    },
    model::size,
    plan::{
        edge,
        flux::{
            AGE_KEY, CONTROLLERS, FluxSight, LOGIN_BY_KEY, LOGIN_BY_TOKEN, Managed, NAMESPACE,
            ROOT, Source,
        },
        observed::{MachineSight, Observed, Sight},
        probe::HostProbe,
    },
    ports::{Device, KubeNode, OUR_LABELS, OUR_TAINTS},
    stage::{cluster, files::ManagedFile, longhorn, overlay, paths, tailnet},
};

/// The tailnet address of a node: the last part is that of its LAN address.
fn tailnet_address(node: &Node) -> std::net::Ipv4Addr {
    [100, 64, 0, node.address.octets()[3]].into()
}

fn files(desired: &Desired, node: &Node) -> Vec<ManagedFile> {
    let first = desired.first_server();
    let server = (node.name != first.name).then(|| tailnet_address(first));
    let address = tailnet_address(node);
    let place = cluster::Place { address, lan_interface: Some("eth0".into()), server };
    let mut files = tailnet::files(desired).unwrap();
    files.extend(cluster::files(desired, node, &place).unwrap());
    files.extend(overlay::guard_files(desired, node).unwrap());
    if desired.longhorn.is_some() {
        files.extend(longhorn::files(desired, node).unwrap());
    }
    files
}

/// What the probe of a node shows that is as wanted.
pub(super) fn probe(desired: &Desired, node: &Node) -> HostProbe {
    let first = desired.first_server();
    let address = tailnet_address(node);
    let plan = &desired.tailnet;
    let unreachable =
        |prefix: &ipnet::IpNet| json!({"type": "unreachable", "dst": prefix.to_string()});
    let routes: Vec<_> = plan.prefixes.iter().map(unreachable).collect();
    let mut settings = vec![format!("node-ip: {address}")];
    if node.name != first.name {
        settings.push(format!("server: https://{}:6443", tailnet_address(first)));
    }
    let is_closed = desired.access.exposure == Exposure::Tailnet;
    let seen = json!({
        "version": 1,
        "boot_id": "b",
        "cloud_init": {"installed": true, "disabled": true},
        "links": [
            {"ifname": "tailscale0", "mtu": plan.mtu, "linkinfo": {"info_kind": "tun", "info_data": {"persist": true}},
                "addr_info": [{"local": address}]},
            {"ifname": "eth0", "mtu": node.link_mtu, "addr_info": [{"local": node.address}]},
        ],
        "routes": routes,
        "routes6": routes,
        "overlay_filter": true,
        "exposure_filter": is_closed,
        "tailscale": {"version": plan.tailscale.version, "release": plan.tailscale.sha256, "release_intact": true,
            "status": {"BackendState": "Running", "Self": {"ID": format!("n-{}", node.name), "Tags": [plan.tag],
                "TailscaleIPs": [address], "Online": true}},
            "prefs": {"Hostname": node.name}},
        "storage_host": {"iscsiadm": true, "mount_nfs": true, "cryptsetup": true, "iscsi_tcp": true},
        "k3s": {"version": desired.k3s.binary.version, "agent_data": true, "node_password": true, "settings": settings,
            "datastore": (node.role == Role::Server).then_some("etcd")},
    });
    let mut probe = HostProbe::parse(&seen.to_string()).unwrap();
    probe.storage_disk = node.storage_disk_bytes.map(|bytes| {
        let uuid = desired.id.storage_uuid(&node.name);
        serde_json::from_value(json!({"bytes": bytes, "filesystem_bytes": bytes, "uuid": uuid,
            "mount_point": paths::LONGHORN_DATA}))
        .unwrap()
    });
    let ours = files(desired, node).into_iter().map(|file| (file.path.clone(), file.sha256()));
    probe.files.extend(ours);
    let brought = cluster::artifacts(desired).into_iter();
    probe
        .files
        .extend(brought.map(|(artifact, path, _)| (path.to_owned(), artifact.sha256.clone())));
    if desired.k3s.datastore_backup.is_some() && node.role == Role::Server {
        probe.files.insert(paths::K3S_DATASTORE_KEY.into(), "the key's hash".into());
    }
    let k3s = match node.role {
        Role::Server => "k3s.service",
        Role::Agent => "k3s-agent.service",
    };
    let mut units =
        vec!["tailscaled.service", "homelab-tun.service", "homelab-filter.service", k3s];
    units.extend(["homelab-guard.service", "iscsid.socket", "homelab-storage.service"]);
    units.extend(is_closed.then_some("homelab-exposure.service"));
    let state = json!({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"});
    for unit in units {
        probe.units.insert(unit.into(), serde_json::from_value(state.clone()).unwrap());
    }
    probe
}

/// The Node object of such a node.
pub(super) fn kube_node(desired: &Desired, node: &Node) -> KubeNode {
    let address = Some(tailnet_address(node).into());
    let vtep = cluster::vtep(desired, node, &probe(desired, node));
    let taints: Vec<String> =
        node.taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect();
    KubeNode {
        name: node.name.to_string(),
        ready: true,
        internal_ip: address,
        vtep,
        kubelet_version: desired.k3s.binary.version.clone(),
        labels: node.labels.clone(),
        annotations: [
            (OUR_LABELS.to_owned(), json!(node.labels).to_string()),
            (OUR_TAINTS.to_owned(), json!(taints).to_string()),
        ]
        .into(),
        taints: node.taints.clone(),
        control_plane: node.role == Role::Server,
        ..KubeNode::default()
    }
}

/// Its device in the tailnet.
pub(super) fn device(desired: &Desired, node: &Node) -> Device {
    Device {
        id: format!("n-{}", node.name),
        node_id: format!("n-{}", node.name),
        hostname: node.name.to_string(),
        name: node.name.to_string(),
        ipv4: Some(tailnet_address(node)),
        ipv6: None,
        tags: vec![desired.tailnet.tag.clone()],
        online: Some(true),
        last_seen: None,
        key_expiry: None,
        ephemeral: false,
        auth_key: None,
    }
}

fn managed(path: Option<&str>) -> Managed {
    Managed {
        kind: "Kustomization".into(),
        namespace: NAMESPACE.into(),
        name: ROOT.into(),
        path: path.map(str::to_owned),
        suspended: false,
        held_by_us: false,
        current: true,
        ready: Some(true),
        reason: "ReconciliationSucceeded".into(),
        message: String::new(),
        commit: None,
        needs: Vec::new(),
    }
}

/// Flux when everything that Git has is applied.
pub(super) fn flux(desired: &Desired) -> Option<FluxSight> {
    let flux = desired.flux.as_ref()?;
    let login = match &flux.credentials {
        None => None,
        Some(GitAccess::DeployKey(_)) => Some(LOGIN_BY_KEY.map(str::to_owned).into()),
        Some(GitAccess::Token(_)) => Some(LOGIN_BY_TOKEN.map(str::to_owned).into()),
    };
    Some(FluxSight {
        controllers: CONTROLLERS.iter().map(|name| ((*name).to_owned(), true)).collect(),
        login,
        age: Some([AGE_KEY.to_owned()].into()),
        age_known: Some(true),
        source: Some(Source {
            url: flux.url.clone(),
            branch: flux.branch.clone(),
            object: managed(None),
        }),
        kustomizations: vec![managed(Some(&flux.path))],
        releases: Vec::new(),
    })
}

/// Everything is there and as wanted.
pub(super) fn settled(desired: &Desired) -> Observed {
    let mut observed = bare(desired);
    observed.templates.clear();
    for node in desired.nodes.values() {
        let mut machine = machine(desired, &node.name);
        machine.proxmox_node.clone_from(&node.proxmox_node);
        let disks = [("scsi0", Some(node.disk_bytes)), ("scsi1", node.storage_disk_bytes)];
        for (drive, bytes) in disks.into_iter().filter_map(|(drive, bytes)| Some((drive, bytes?))) {
            let line = format!("local-lvm:vm-{}-{drive},size={}", node.vmid, size::print(bytes));
            machine.config.values.insert(drive.into(), line);
        }
        observed.machines.insert(node.name.clone(), MachineSight::Ours(Box::new(machine)));
        observed.hosts.insert(node.name.clone(), Sight::Seen(probe(desired, node)));
        observed.addresses.insert(node.name.clone(), tailnet_address(node));
    }
    let nodes = || desired.nodes.values();
    observed.devices = Sight::Seen(nodes().map(|node| device(desired, node)).collect());
    observed.kube = Sight::Seen(nodes().map(|node| kube_node(desired, node)).collect());
    observed.flux = flux(desired).map_or(Sight::Unseen, Sight::Seen);
    if edge::site(desired).is_some() {
        observed.edge = Sight::Seen(Ok(edge::tests::whole(desired)));
    }
    observed
}
