//! Inventories and worlds that are sound and otherwise arbitrary: strategies for the properties of plans.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};

use super::settled::{device, flux, kube_node, probe, settled};
use crate::{
    damage::damaged_json,
    inventory::{
        Desired,
        desired::{Exposure, Node, Overlay, Role},
    },
    model::{NodeName, Nonce, Vmid},
    plan::{
        Refusal, edge,
        flux::FluxSight,
        guest::seed_of,
        observed::{Machine, MachineSight, Observed, Sight, Stranger, Stray, TemplateSight},
        probe::HostProbe,
    },
    ports::{DnsRecord, PowerState, Volume},
    stage::scripts::tests::desired,
};

/// With GitOps, Longhorn and the tunnel made through the API.
static WHOLE: LazyLock<Desired> = LazyLock::new(edge::tests::made);

#[derive(Clone, Debug)]
pub(super) struct Situation {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
}

#[derive(Clone, Debug)]
struct NodeShape {
    on_second_host: bool,
    disk_gib: u64,
    storage_gib: Option<u64>,
    has_label: bool,
}

fn node_shape() -> impl Strategy<Value = NodeShape> {
    (any::<bool>(), 8..64_u64, proptest::option::of(8..64_u64), any::<bool>()).prop_map(
        |(on_second_host, disk_gib, storage_gib, has_label)| NodeShape {
            on_second_host,
            disk_gib,
            storage_gib,
            has_label,
        },
    )
}

impl NodeShape {
    fn on(&self, mut node: Node, has_longhorn: bool) -> Node {
        node.proxmox_node = if self.on_second_host { "pve2" } else { "pve1" }.to_owned();
        node.disk_bytes = self.disk_gib << 30;
        node.storage_disk_bytes = self.storage_gib.filter(|_| has_longhorn).map(|size| size << 30);
        if !self.has_label {
            node.labels.clear();
            node.taints.clear();
        }
        node
    }
}

/// One server or three, up to three agents.
pub(super) fn any_desired() -> impl Strategy<Value = Desired> {
    let nodes = (select(vec![1_usize, 3]), vec(node_shape(), 3), vec(node_shape(), 0..4));
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (nodes, switches).prop_map(
        |((servers, server_shapes, agent_shapes), (is_whole, longhorn, closed, lan))| {
            let mut desired = if is_whole { WHOLE.clone() } else { desired() };
            if !is_whole {
                desired.longhorn = WHOLE.longhorn.clone().filter(|_| longhorn);
            }
            desired.access.exposure = if closed { Exposure::Tailnet } else { Exposure::Lan };
            desired.k3s.overlay = if lan { Overlay::Lan } else { Overlay::Tailscale };
            let prototype = desired.first_server().clone();
            let servers = server_shapes.iter().take(servers).map(|shape| (Role::Server, shape));
            let agents = agent_shapes.iter().map(|shape| (Role::Agent, shape));
            let nodes = servers.chain(agents).zip(0_u8..).map(|((role, shape), index)| {
                let name: NodeName = format!("node-{index}").parse().unwrap();
                let node = Node {
                    name: name.clone(),
                    role,
                    vmid: Vmid(200 + u32::from(index)),
                    address: [192, 168, 1, 10 + index].into(),
                    ..prototype.clone()
                };
                (name, shape.on(node, desired.longhorn.is_some()))
            });
            desired.nodes = nodes.collect();
            desired
        },
    )
}

fn stranger() -> impl Strategy<Value = Stranger> {
    proptest::option::of("[a-z]{1,6}").prop_map(|name| Stranger { name, ..Stranger::default() })
}

/// A guest of ours, as wanted or with something else about it; never what is refused.
fn any_machine(sound: Machine, node: Node) -> impl Strategy<Value = Machine> {
    let keys: Vec<String> = sound.config.values.keys().cloned().collect();
    let smaller = 1..=node.disk_bytes >> 30;
    let changes = vec((select(keys), proptest::option::of("[a-z0-9=,;]{0,12}")), 0..3);
    let states =
        (any::<bool>(), any::<bool>(), vec(select(vec!["memory", "cores", "startup"]), 0..2));
    (changes, states, smaller).prop_map(
        move |(changes, (is_running, has_seed, pending), smaller)| {
            let mut machine = sound.clone();
            let values = &mut machine.config.values;
            for (key, value) in changes.into_iter().filter(|(key, _)| !key.starts_with("scsi")) {
                match value {
                    Some(value) => drop(values.insert(key, value)),
                    None => drop(values.remove(&key)),
                }
            }
            values.insert("scsi0".into(), format!("local-lvm:x,size={smaller}G"));
            if has_seed {
                values.insert(
                    "ide2".into(),
                    format!("local:iso/homelab-{}.iso,media=cdrom", node.name),
                );
            }
            machine.power = if is_running { PowerState::Running } else { PowerState::Stopped };
            machine.pending = pending.into_iter().map(str::to_owned).collect();
            machine
        },
    )
}

/// How a wanted machine is found; `hostile` with what no plan goes over.
fn any_sight(sound: Machine, node: Node, hostile: bool) -> BoxedStrategy<MachineSight> {
    let task = "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:".parse().unwrap();
    let whole = MachineSight::Ours(Box::new(sound.clone()));
    let other = any_machine(sound, node).prop_map(|machine| MachineSight::Ours(Box::new(machine)));
    let cloning = MachineSight::HalfMade { task: Some(task), lock: Some("clone".into()) };
    let dead = MachineSight::HalfMade { task: None, lock: None };
    let foreign = stranger().prop_map(MachineSight::Foreign);
    let refused = if hostile { 1 } else { 0 };
    prop_oneof![
        4 => Just(whole),
        4 => other,
        3 => Just(MachineSight::Absent),
        1 => Just(cloning),
        refused => Just(dead),
        refused => foreign,
    ]
    .boxed()
}

fn any_host(sound: HostProbe) -> impl Strategy<Value = Sight<HostProbe>> {
    let json = serde_json::to_value(&sound).unwrap();
    let fresh = r#"{"version":1,"cloud_init":{"installed":true,"disabled":true}}"#;
    let fresh = HostProbe::parse(fresh).unwrap();
    prop_oneof![
        2 => Just(Sight::Seen(sound)),
        2 => damaged_json(json).prop_map(|json| match HostProbe::parse(&json.to_string()) {
            Ok(probe) => Sight::Seen(probe),
            Err(failure) => Sight::Silent(failure.message),
        }),
        1 => Just(Sight::Seen(fresh)),
        1 => Just(Sight::Silent("no route to host".to_owned())),
        1 => Just(Sight::Unseen),
    ]
}

/// Something seen, not looked at, or silent.
fn perhaps<T: Clone + std::fmt::Debug + 'static>(
    seen: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Sight<T>> {
    prop_oneof![
        3 => seen.prop_map(Sight::Seen),
        1 => Just(Sight::Unseen),
        1 => Just(Sight::Silent("it does not answer".to_owned())),
    ]
    .boxed()
}

fn any_template(sha256: String) -> impl Strategy<Value = TemplateSight> {
    let half = TemplateSight::HalfMade { task: None, lock: None, template: false };
    prop_oneof![
        Just(TemplateSight::Absent),
        Just(TemplateSight::Ready { image_sha256: sha256 }),
        Just(half),
        "[0-9a-f]{0,64}".prop_map(|image_sha256| TemplateSight::Ready { image_sha256 }),
        stranger().prop_map(TemplateSight::Foreign),
    ]
}

fn any_record(desired: Desired) -> impl Strategy<Value = DnsRecord> {
    let names =
        [edge::names(&desired), vec!["old.example.org".into(), "example.org".into()]].concat();
    let comments = vec![edge::comment(&desired), String::new(), "homelab somebody-else".into()];
    (
        "[0-9a-f]{32}",
        select(names),
        select(vec!["CNAME", "A", "TXT", "MX"]),
        select(comments),
        any::<bool>(),
    )
        .prop_map(|(id, name, form, comment, proxied)| DnsRecord {
            id,
            name,
            form: form.into(),
            content: "192.0.2.1".into(),
            proxied,
            comment,
        })
}

type EdgeFound = Sight<Result<edge::EdgeSight, Refusal>>;

fn any_edge(desired: Desired) -> BoxedStrategy<EdgeFound> {
    if edge::site(&desired).is_none() {
        return Just(Sight::Unseen).boxed();
    }
    let whole = edge::tests::whole(&desired);
    let secret =
        perhaps(proptest::option::of(select(vec![edge::tests::ID.to_owned(), String::new()])));
    let seen = (vec(any_record(desired), 0..3), any::<[bool; 3]>(), secret).prop_map(
        move |(records, [has_tunnel, has_rules, has_records], secret)| {
            let mut seen = edge::EdgeSight { secret, ..whole.clone() };
            if !has_tunnel {
                (seen.tunnel, seen.rules) = (None, Vec::new());
            }
            if !has_rules {
                seen.rules.clear();
            }
            if !has_records {
                seen.records.clear();
            }
            seen.records.extend(records);
            Ok(seen)
        },
    );
    let forbidden = Refusal::new("zone", "the token sees none", "give it the right");
    prop_oneof![4 => perhaps(seen), 1 => Just(Sight::Seen(Err(forbidden)))].boxed()
}

fn any_flux(desired: &Desired) -> BoxedStrategy<Sight<FluxSight>> {
    let Some(done) = flux(desired) else { return Just(Sight::Unseen).boxed() };
    let unfinished = |mut sight: FluxSight, [gone, dead, moved, held]: [bool; 4]| {
        if gone {
            sight.login = None;
        }
        if dead {
            sight.controllers.values_mut().for_each(|available| *available = false);
        }
        for one in &mut sight.kustomizations {
            one.path =
                Some(if moved { "elsewhere".into() } else { one.path.take().unwrap_or_default() });
            (one.suspended, one.held_by_us) = (held, held);
        }
        sight
    };
    let changed = any::<[bool; 4]>().prop_map(move |how| unfinished(done.clone(), how));
    perhaps(prop_oneof![3 => changed, 1 => Just(FluxSight::default())])
}

fn any_seeds(desired: Desired) -> impl Strategy<Value = Vec<Volume>> {
    let names: Vec<NodeName> =
        desired.nodes.keys().cloned().chain(["gone".parse().unwrap()]).collect();
    let nonce = select(vec!["0011223344556677", "8899aabbccddeeff"]);
    let volumes = vec((select(names), nonce), 0..3);
    volumes.prop_map(move |seeds| {
        let volume = |(node, nonce): (NodeName, &str)| {
            let id = seed_of(&desired, &node, &Nonce::from_text(nonce).unwrap());
            Volume { id, bytes: 1, vmid: None }
        };
        let mut volumes: Vec<Volume> = seeds.into_iter().map(volume).collect();
        volumes.dedup();
        volumes
    })
}

fn any_strays(desired: &Desired) -> impl Strategy<Value = Vec<Stray>> + use<> {
    let mut names: Vec<NodeName> = ["old", "older"].map(|name| name.parse().unwrap()).into();
    names.extend(desired.nodes.keys().next().cloned());
    vec((select(names), any::<bool>()), 0..3).prop_map(|strays| {
        let stray = |((node, second), vmid): ((NodeName, bool), u32)| Stray {
            name: node.to_string(),
            node,
            proxmox_node: if second { "pve2" } else { "pve1" }.to_owned(),
            vmid: Vmid(vmid),
            address: None,
        };
        strays.into_iter().zip(300..).map(stray).collect()
    })
}

fn any_observed(desired: Desired) -> impl Strategy<Value = Observed> {
    let sound = settled(&desired);
    let machines = any::<bool>().prop_flat_map({
        let (desired, sound) = (desired.clone(), sound.clone());
        move |hostile| -> Vec<BoxedStrategy<MachineSight>> {
            let sight = |node: &Node| {
                any_sight(sound.machine(&node.name).unwrap().clone(), node.clone(), hostile)
            };
            desired.nodes.values().map(sight).collect()
        }
    });
    let hosts: Vec<_> =
        desired.nodes.values().map(|node| any_host(probe(&desired, node))).collect();
    let kube_nodes: Vec<_> = desired.nodes.values().map(|node| kube_node(&desired, node)).collect();
    let count = kube_nodes.len();
    let kube =
        vec((any::<[bool; 4]>(), select(vec!["v1.33.1+k3s1", ""])), count).prop_map(move |how| {
            let known = kube_nodes.iter().zip(how).filter(|(_, ([there, ..], _))| *there);
            let changed = known.map(|(node, ([_, ready, cordoned, old], version))| {
                let mut node = node.clone();
                (node.ready, node.unschedulable) = (ready, cordoned);
                if old {
                    node.kubelet_version = version.into();
                    node.annotations.clear();
                }
                node
            });
            changed.collect()
        });
    let devices: Vec<_> = desired.nodes.values().map(|node| device(&desired, node)).collect();
    let devices = proptest::sample::subsequence(devices, 0..=count);
    let templates = vec(any_template(desired.image.artifact.sha256.clone()), 2);
    let seeds = vec(any_seeds(desired.clone()), 2);
    let guests = (machines, hosts, templates, seeds, any_strays(&desired));
    let services = (perhaps(devices), perhaps(kube), any_flux(&desired), any_edge(desired.clone()));
    (guests, services).prop_map(
        move |((machines, hosts, templates, seeds, strays), (devices, kube, flux, edge))| {
            let names = || desired.nodes.keys().cloned();
            let hosts_of =
                |name: &str| desired.nodes.values().any(|node| node.proxmox_node == name);
            let on_each =
                || ["pve1", "pve2"].into_iter().filter(|name| hosts_of(name)).map(str::to_owned);
            Observed {
                machines: names().zip(machines).collect(),
                hosts: names().zip(hosts).collect(),
                templates: on_each().zip(templates).collect(),
                seeds: on_each().zip(seeds).collect(),
                strays,
                devices,
                kube,
                flux,
                edge,
                ..sound.clone()
            }
        },
    )
}

/// An inventory, and a world that it meets.
pub(super) fn any_situation() -> impl Strategy<Value = Situation> {
    any_desired().prop_flat_map(|desired| {
        let observed = any_observed(desired.clone());
        observed.prop_map(move |observed| Situation { desired: desired.clone(), observed })
    })
}
