//! Worlds and inventories that nobody thought of: whatever was wished for and whatever befell the world meanwhile, one
//! run makes it what is wished for, and the next one has nothing to do.

use std::collections::BTreeSet;

use homelab_lab::sim::{picture::Picture, world::BYSTANDER};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;

use crate::{
    judge::{Judge, duplicates},
    operator::Operator,
    shot::Shot,
    story::{UP, first_up},
};

const CONVERGE: &[&str] = &["up", "--yes", "--prune"];
/// How many walks a sweep takes, and how long each is.
const WALKS: u8 = 24;
const TURNS: std::ops::Range<usize> = 1..5;

/// What happens before a run.
#[derive(Clone, Debug)]
enum Turn {
    /// The agents that there are to be, by their numbers.
    Agents(BTreeSet<u32>),
    /// Gibibytes of every guest.
    Memory(u32),
    /// The disks grow by so many gibibytes.
    Grow(u32),
    /// A guest without power.
    PowerCut(u32),
    /// An agent's VM is deleted by hand.
    GuestDeleted(u32),
    /// A guest is configured by hand.
    Configured(u32, &'static str, &'static str),
    NodeDeleted(u32),
    FileLost(u32, &'static str),
    /// The state folder is gone.
    StateLost,
}

const FILES: [&str; 5] = [
    "etc/rancher/k3s/config.yaml",
    "etc/ssh/sshd_config.d/10-homelab.conf",
    "usr/local/lib/homelab/await-address",
    "usr/local/bin/k3s",
    "etc/default/tailscaled",
];
const SETTINGS: [(&str, &str); 4] =
    [("memory", "1024"), ("cores", "1"), ("onboot", "0"), ("tags", "somebody")];

fn any_turn() -> impl Strategy<Value = Turn> {
    let node = || 0..=3_u32;
    let agent = || 1..=3_u32;
    prop_oneof![
        2 => proptest::collection::btree_set(1..=3_u32, 1..=3).prop_map(Turn::Agents),
        1 => (2..=4_u32).prop_map(Turn::Memory),
        1 => (1..=2_u32).prop_map(Turn::Grow),
        1 => node().prop_map(Turn::PowerCut),
        1 => agent().prop_map(Turn::GuestDeleted),
        1 => (node(), proptest::sample::select(&SETTINGS[..]))
            .prop_map(|(node, (key, value))| Turn::Configured(node, key, value)),
        1 => agent().prop_map(Turn::NodeDeleted),
        1 => (node(), proptest::sample::select(&FILES[..]))
            .prop_map(|(node, file)| Turn::FileLost(node, file)),
        1 => Just(Turn::StateLost),
    ]
}

/// What the operator wishes for.
struct Wish {
    /// As it was written first.
    inventory: String,
    agents: BTreeSet<u32>,
    memory: u32,
    disk: u32,
}

impl Wish {
    fn of(operator: &Operator) -> Self {
        let inventory = fs_err::read_to_string(operator.path("homelab.yaml")).unwrap();
        Self { inventory, agents: BTreeSet::from([1, 2]), memory: 2, disk: 6 }
    }

    fn write(&self, operator: &Operator) {
        let agent = |number: &u32| {
            let address = operator.world.address(*number);
            let vmid = 1000 + number;
            format!(
                "  agent-{number}:\n    role: agent\n    vmid: {vmid}\n    address: {address}\n"
            )
        };
        let agents: String = self.agents.iter().map(agent).collect();
        let (before, rest) = self.inventory.split_once("  agent-1:\n").unwrap();
        let (_, after) = rest.split_once("tailnet:\n").unwrap();
        let text = format!("{before}{agents}tailnet:\n{after}").replace(
            "memory: 2G\n  disk: 6G",
            &format!("memory: {}G\n  disk: {}G", self.memory, self.disk),
        );
        fs_err::write(operator.path("homelab.yaml"), text).unwrap();
    }

    fn nodes(&self) -> BTreeSet<String> {
        let agents = self.agents.iter().map(|number| format!("agent-{number}"));
        agents.chain(["server".to_owned()]).collect()
    }
}

fn name(number: u32) -> String {
    if number == 0 { "server".to_owned() } else { format!("agent-{number}") }
}

/// Lets it happen; what it would happen to may not be there.
async fn happen(turn: &Turn, wish: &mut Wish, operator: &Operator) {
    let world = &operator.world;
    match turn {
        Turn::Agents(agents) => wish.agents.clone_from(agents),
        Turn::Memory(gibibytes) => wish.memory = *gibibytes,
        Turn::Grow(gibibytes) => wish.disk += gibibytes,
        Turn::PowerCut(number) => world.cut_power(1000 + number).await,
        // There may be no such guest.
        Turn::GuestDeleted(number) => drop(world.delete_guest(1000 + number).await),
        Turn::Configured(number, key, value) => {
            drop(world.configure(1000 + number, json!({ *key: value })).await);
        }
        Turn::NodeDeleted(number) => drop(world.kubernetes.delete("nodes", ("", &name(*number)))),
        Turn::FileLost(number, file) => {
            let guests = world.hypervisor.guests();
            let guest = guests.into_iter().find(|guest| guest.vmid == 1000 + number);
            // It may not be there.
            drop(guest.map(|guest| fs_err::remove_file(guest.root().join(file))));
        }
        Turn::StateLost => drop(fs_err::remove_dir_all(operator.path("state"))),
    }
}

/// What is wrong with a world that was to be what is wished for.
fn faults(wish: &Wish, before: &Picture, seen: &Picture, said: &str) -> Vec<String> {
    let mut faults = duplicates(seen);
    let nodes: BTreeSet<String> = seen.nodes.keys().cloned().collect();
    let devices =
        seen.devices.iter().filter_map(|device| Some(device.split(' ').next()?.to_owned()));
    // Without state folder and Node object nobody knows whose it was: a person is told of it.
    let told =
        |device: &String| said.contains(&format!("the device {device} stays in the tailnet"));
    let devices: BTreeSet<String> = devices.filter(|device| !told(device)).collect();
    for (what, there) in [("nodes", &nodes), ("devices", &devices)] {
        if *there != wish.nodes() {
            faults.push(format!("{what}: {there:?}"));
        }
    }
    let guests = seen.guests.keys().copied().filter(|vmid| (1000..2000).contains(vmid));
    let guests: BTreeSet<u32> = guests.collect();
    let wanted: BTreeSet<u32> =
        wish.agents.iter().map(|number| 1000 + number).chain([1000]).collect();
    if guests != wanted {
        faults.push(format!("guests: {guests:?}"));
    }
    if seen.guests[&BYSTANDER] != before.guests[&BYSTANDER] {
        faults.push(format!("somebody's guest: {}", seen.guests[&BYSTANDER]));
    }
    if seen.keys > 0 {
        faults.push(format!("{} usable keys", seen.keys));
    }
    faults
}

/// A walk, the same for the same number.
fn turns(number: u8) -> Vec<Vec<Turn>> {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
    let mut runner = TestRunner::new_with_rng(proptest::test_runner::Config::default(), random);
    let days = proptest::collection::vec(proptest::collection::vec(any_turn(), TURNS), 2..=3);
    days.new_tree(&mut runner).unwrap().current()
}

/// From one run to the next, with what happens in between.
async fn walk(
    number: u8,
    operator: &Operator,
    beginning: &Shot,
    whole: &Picture,
    judge: &mut Judge,
) {
    operator.rewind(beginning).await;
    let mut wish = Wish::of(operator);
    for turns in turns(number) {
        let what = format!("walk {number}: {turns:?}");
        println!("  {what}");
        for turn in &turns {
            happen(turn, &mut wish, operator).await;
        }
        wish.write(operator);
        let ended = operator.run(CONVERGE).await;
        operator.world.gate.forget();
        let again = operator.run(CONVERGE).await;
        let changed = operator.world.gate.log().into_iter().filter(|effect| effect.mutating);
        let changed: Vec<String> = changed.map(|effect| effect.kind).collect();
        let seen = operator.world.picture().await.unwrap();
        let mut wrong = faults(&wish, whole, &seen, &ended.err);
        if ended.code != Some(0) || again.code != Some(0) || !again.err.contains("nothing to do") {
            wrong.push(format!("{}\n-- again:\n{}", ended.err, again.err));
        }
        if !changed.is_empty() {
            wrong.push(format!("the next run changed something: {changed:?}"));
        }
        judge.tally.walks += 1;
        judge.tell(&what, &wrong);
        if !wrong.is_empty() {
            return;
        }
    }
}

async fn walks(numbers: std::ops::Range<u8>) {
    // It is what comes after what that matters here, and each walk is many runs.
    let story = first_up().in_process();
    let operator = story.begin().await;
    operator.succeed(UP).await;
    let (beginning, whole) = (operator.shot().await, operator.world.picture().await.unwrap());
    let all = numbers.clone().map(|number| turns(number).len()).sum();
    let mut judge = Judge::new("walks", whole.clone(), all);
    for number in numbers {
        walk(number, &operator, &beginning, &whole, &mut judge).await;
    }
    judge.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_makes_what_is_wished_for_of_whatever_there_is() {
    walks(0..2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn so_it_does_on_many_more_walks() {
    walks(2..WALKS).await;
}
