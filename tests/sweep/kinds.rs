//! Guests that answer in process are what real ones are: the same story in both kinds of world, compared after
//! each of its runs by picture, by effects, by what the probe says of each node and by the modes of files.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use camino::Utf8Path;
use homelab::{
    adapter::ssh::{Credentials, SshConnector},
    inventory::{self, Desired, LoadOptions, Overrides, Pins, desired::TailnetControl},
    plan::probe::HostProbe,
    ports::{Connector, Host, HostTarget},
    stage::{guest, scripts},
};
use homelab_lab::sim::{
    answers::{self, Guests},
    claim::Claim,
    gate::{Effect, System},
    guest::Guest,
    picture::Picture,
    world::Options,
};
use serde_json::Value;

use crate::{
    operator::{Operator, free_network},
    story::{UP, add_a_node, differences, give_more, places},
};

/// Where a story stands after one of its runs.
struct Chapter {
    name: &'static str,
    picture: Picture,
    /// How often each kind was asked for.
    effects: BTreeMap<(System, String, bool), usize>,
    /// Each value of what each node says, by where it stands.
    probes: BTreeMap<String, String>,
    modes: BTreeMap<String, u32>,
}

/// A world's life, from its first run to its end.
async fn live(network: &Arc<Claim>, guests: Guests) -> Vec<Chapter> {
    let options = Options { guests, ..Options::default() };
    let operator = Operator::on(network.clone(), None, options).await;
    let mut chapters = Vec::new();
    operator.succeed(UP).await;
    chapters.push(look(&operator, "first up").await);
    operator.succeed(UP).await;
    chapters.push(look(&operator, "nothing to do").await);
    give_more(&operator);
    operator.succeed(UP).await;
    chapters.push(look(&operator, "memory and disk").await);
    add_a_node(&operator);
    operator.succeed(UP).await;
    chapters.push(look(&operator, "another node").await);
    operator.succeed(&["destroy", "--yes"]).await;
    chapters.push(look(&operator, "destroy").await);
    chapters
}

async fn look(operator: &Operator, name: &'static str) -> Chapter {
    let mut effects = BTreeMap::new();
    for Effect { system, kind, mutating, .. } in operator.world.gate.log() {
        *effects.entry((system, kind, mutating)).or_default() += 1;
    }
    let picture = operator.world.picture().await.unwrap();
    let desired = desired(operator);
    let mut probes = BTreeMap::new();
    let mut modes = BTreeMap::new();
    for guest in operator.world.hypervisor.guests() {
        let node = fs_err::read_to_string(guest.root().join("etc/hostname")).unwrap();
        let node = node.trim().to_owned();
        list_modes(&guest, guest.root(), &node, &mut modes);
        let probe = probe(&desired, &node, &guest).await;
        same_from_the_same_guest(&desired, &node, &guest, &probe).await;
        probes.insert(node, probe);
    }
    let probes = told_by_names(&desired, &probes);
    operator.world.gate.forget();
    Chapter { name, picture, effects, probes, modes }
}

fn desired(operator: &Operator) -> Desired {
    let options = LoadOptions {
        path: operator.path("homelab.yaml"),
        lock: None,
        overrides: Overrides::default(),
        pins: Pins::Required,
    };
    inventory::load(&options).unwrap().desired
}

/// By SSH, as the program asks.
async fn probe(desired: &Desired, node: &str, guest: &Guest) -> HostProbe {
    let key = guest.root().join("etc/ssh/ssh_host_ed25519_key.pub");
    let (name, wanted) = desired.nodes.iter().find(|(name, _)| name.as_str() == node).unwrap();
    let target = HostTarget {
        node: name.clone(),
        addresses: vec![wanted.address.into()],
        port: desired.access.port,
        user: desired.access.user.clone(),
        host_keys: vec![fs_err::read_to_string(key).unwrap().trim().to_owned()],
    };
    let connector = SshConnector::new(Credentials::new(&desired.access, None));
    let host = connector.connect(&target).await.unwrap();
    let probe = guest::probe(&host).await.unwrap();
    host.close().await;
    probe
}

/// Whoever asks a guest, a shell or this process: it says the same, a moment later.
async fn same_from_the_same_guest(
    desired: &Desired,
    node: &str,
    guest: &Arc<Guest>,
    seen: &HostProbe,
) {
    let wanted = desired.nodes.values().find(|wanted| wanted.name.as_str() == node).unwrap();
    let catalogue = scripts::catalogue(desired, wanted).unwrap();
    let script = catalogue.iter().find(|script| script.name == "probe").unwrap();
    let answer = answers::answer(guest, script.standard_input().expose()).await;
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    let mut again = HostProbe::parse(&answer.stdout).unwrap();
    again.time_seconds = seen.time_seconds;
    assert_eq!(again, *seen);
}

/// Probes in words that are the same in each world: what is chosen anew is called by whose it is.
fn told_by_names(
    desired: &Desired,
    probes: &BTreeMap<String, HostProbe>,
) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    if let TailnetControl::Headscale { login_server, .. } = &desired.tailnet.control {
        names.insert(login_server.clone(), "LOGIN SERVER".to_owned());
    }
    for (node, probe) in probes {
        let mut name = |value: Option<String>, what: &str| {
            names.extend(value.map(|value| (value, format!("{what} OF {node}"))));
        };
        name(probe.boot_id.clone(), "BOOT");
        name(probe.machine_id.clone(), "MACHINE");
        name(probe.host_keys.first().cloned(), "HOST KEY");
        name(probe.cloud_init.instance.clone(), "INSTANCE");
        name(probe.k3s.ca_sha256.clone(), "AUTHORITY");
        // Who joins first has the first of them.
        name(probe.tailnet_ipv4().map(|address| address.to_string()), "ADDRESS");
        let pods = probe.ipv4("flannel.1").map(|first| first.octets());
        name(pods.map(|[a, b, c, _]| format!("{a}.{b}.{c}.")), "PODS");
        let overlay = probe.link("flannel.1").and_then(|link| link.mac.clone());
        name(overlay, "MAC");
    }
    names.remove("");
    let told = probes.iter().map(|(node, probe)| {
        let mut text = serde_json::to_string(probe).unwrap();
        // The longest first: `.10` begins with `.1`.
        let mut longest: Vec<_> = names.iter().collect();
        longest.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, name) in longest {
            text = text.replace(value, name);
        }
        let mut value: Value = serde_json::from_str(&text).unwrap();
        leave_out(&mut value);
        (node.clone(), value)
    });
    places(&Value::Object(told.collect()))
}

/// What differs between any two worlds.
fn leave_out(probe: &mut Value) {
    let fields = probe.as_object_mut().unwrap();
    // Clocks.
    fields.remove("time_seconds");
    fields["k3s"].as_object_mut().unwrap().remove("configured_seconds");
    for unit in fields["units"].as_object_mut().unwrap().values_mut() {
        // The one is made of the boot's id, the other is a clock.
        unit["InvocationID"] =
            unit["InvocationID"].as_str().is_some_and(|id| !id.is_empty()).into();
        unit["ActiveEnterTimestampMonotonic"] =
            unit["ActiveEnterTimestampMonotonic"].as_str().is_some_and(|since| since != "0").into();
    }
    // A number, by who joins first.
    if let Some(id) = probe.pointer_mut("/tailscale/status/Self/ID") {
        *id = "there".into();
    }
    let fields = probe.as_object_mut().unwrap();
    // The tailnet's addresses are in them.
    for file in ["/etc/rancher/k3s/config.yaml", "/usr/local/lib/homelab/await-address"] {
        if let Some(hash) = fields["files"].get_mut(file) {
            *hash = "there".into();
        }
    }
    // In the order of the nodes' numbers, which go by who joins first.
    for table in ["routes", "fdb", "neighbours"] {
        fields[table].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
}

/// The modes of the files that scripts write.
fn list_modes(guest: &Guest, folder: &Utf8Path, node: &str, modes: &mut BTreeMap<String, u32>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(guest.root()).unwrap();
        let kind = entry.file_type().unwrap();
        let wanted = ["etc", "usr/local", "var/cache"];
        if kind.is_dir() {
            let leads = wanted
                .iter()
                .any(|start| path.starts_with(start) || start.starts_with(path.as_str()));
            if leads {
                list_modes(guest, entry.path(), node, modes);
            }
        } else if kind.is_file() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            modes.insert(format!("{node}/{path}"), mode);
        }
    }
}

/// What a task of Proxmox's is asked goes by how long it takes.
const BY_TIME: &str = "GET /nodes/{node}/tasks/{upid}/";

/// What changed anything, and how often. How often a run looks goes by how long others take; what it looks at
/// does not.
fn counted(chapter: &Chapter) -> BTreeMap<String, usize> {
    let effects = chapter.effects.iter().filter(|((_, kind, _), _)| !kind.starts_with(BY_TIME));
    let counted = effects.map(|((system, kind, mutating), count)| {
        (format!("{system:?} {kind}"), if *mutating { *count } else { 0 })
    });
    counted.collect()
}

/// Tells only what differs.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    real: &BTreeMap<String, T>,
    played: &BTreeMap<String, T>,
) {
    let names: BTreeSet<&String> = real.keys().chain(played.keys()).collect();
    let differ = names.into_iter().filter(|name| real.get(*name) != played.get(*name));
    let told: Vec<String> = differ
        .map(|name| format!("{name}: {:?}, in process {:?}", real.get(name), played.get(name)))
        .collect();
    assert!(told.is_empty(), "{what}\n{}", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_answer_in_process_live_as_real_ones_do() {
    let network = free_network();
    let real = live(&network, Guests::Real).await;
    let played = live(&network, Guests::InProcess).await;
    assert_eq!(real.len(), played.len());
    for (real, played) in real.iter().zip(&played) {
        let chapter = real.name;
        assert_eq!(differences(&real.picture, &played.picture), "", "{chapter}: pictures");
        same(&format!("{chapter}: effects"), &counted(real), &counted(played));
        same(&format!("{chapter}: modes"), &real.modes, &played.modes);
        same(&format!("{chapter}: probes"), &real.probes, &played.probes);
    }
}
