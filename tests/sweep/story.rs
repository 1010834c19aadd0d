//! What is done before the run that is harmed, and that run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homelab_lab::sim::{
    answers::Guests, claim::Claim, gate::Effect, picture::Picture, world::Options,
};

use serde_json::Value;

use crate::operator::{Operator, free_network};

/// From and to.
type Edit = (&'static str, &'static str);

pub(crate) struct Story {
    pub(crate) name: &'static str,
    /// Of all its worlds, one after the other: what is derived from it is the same in each.
    network: Arc<Claim>,
    /// Whether Flux brings what a Git host has.
    gitops: bool,
    guests: Guests,
    /// The repository's inventory that it is told with, in place of the world's.
    inventory: Option<&'static str>,
    /// Runs before, each with its words.
    before: &'static [&'static [&'static str]],
    /// What is changed in the inventory then.
    edits: &'static [Edit],
    pub(crate) run: &'static [&'static str],
}

pub(crate) const UP: &[&str] = &["up", "--yes"];

/// More of what grows under a living node.
const MORE: Edit = ("memory: 2G\n  disk: 6G", "memory: 3G\n  disk: 8G");
const ANOTHER: Edit =
    ("tailnet:\n", "  agent-9:\n    role: agent\n    vmid: 1009\n    address: NEXT\ntailnet:\n");

const LESS: Edit = ("  agent-2:\n    role: agent\n    vmid: 1002\n    address: SECOND\n", "");

pub(crate) fn first_up() -> Story {
    let network = free_network();
    let (gitops, guests, inventory) = (false, guests(), None);
    Story { name: "first up", network, gitops, guests, inventory, before: &[], edits: &[], run: UP }
}

pub(crate) fn first_up_with_flux() -> Story {
    Story { name: "first up with Flux", gitops: true, ..first_up() }
}

pub(crate) fn memory_and_disk() -> Story {
    Story { name: "memory and disk", before: &[UP], edits: &[MORE], ..first_up() }
}

pub(crate) fn another_node() -> Story {
    Story { name: "another node", before: &[UP], edits: &[ANOTHER], ..first_up() }
}

/// The second agent leaves the inventory.
pub(crate) fn one_node_less() -> Story {
    Story {
        name: "one node less",
        before: &[UP],
        edits: &[LESS],
        run: &["up", "--yes", "--prune"],
        ..first_up()
    }
}

/// Three servers on three hosts, and two agents.
pub(crate) fn three_servers() -> Story {
    Story { name: "three servers", inventory: Some("ha.yaml"), ..first_up() }
}

/// One of them was destroyed, and is made anew.
pub(crate) fn a_server_again() -> Story {
    const GONE: &[&[&str]] = &[UP, &["destroy", "--node", "server-3", "--yes"]];
    Story { name: "a server again", before: GONE, ..three_servers() }
}

pub(crate) fn destroy() -> Story {
    Story { name: "destroy", before: &[UP], run: &["destroy", "--yes"], ..first_up() }
}

/// Who runs what the guests are sent: a real `sh`, or, with `scripts/sweep --in-process`, the world itself.
fn guests() -> Guests {
    match std::env::var("HOMELAB_SWEEP_GUESTS") {
        Ok(wish) if wish == "in-process" => Guests::InProcess,
        _ => Guests::Real,
    }
}

fn edit(operator: &Operator, (from, to): Edit) {
    let address = |number| operator.world.address(number).to_string();
    let filled = |text: &str| text.replace("NEXT", &address(9)).replace("SECOND", &address(2));
    operator.edit(&filled(from), &filled(to));
}

/// Asks for more memory and larger disks.
pub(crate) fn give_more(operator: &Operator) {
    edit(operator, MORE);
}

pub(crate) fn add_a_node(operator: &Operator) {
    edit(operator, ANOTHER);
}

impl Story {
    /// The same where the world plays the guests' scripts itself, whatever was asked for.
    pub(crate) fn in_process(self) -> Self {
        Self { guests: Guests::InProcess, ..self }
    }

    /// Whether its worlds can be gone back to.
    pub(crate) fn has_snapshots(&self) -> bool {
        !self.gitops
    }

    /// A world of its own in which all that comes before was done.
    pub(crate) async fn begin(&self) -> Operator {
        let options = Options { gitops: self.gitops, guests: self.guests, ..Options::default() };
        let operator = Operator::on(self.network.clone(), self.inventory, options).await;
        for words in self.before {
            operator.succeed(words).await;
        }
        for change in self.edits {
            edit(&operator, *change);
        }
        operator.world.gate.forget();
        operator
    }
}

/// What an undisturbed run asks for, and what the world is like afterwards.
pub(crate) async fn undisturbed(story: &Story) -> (Vec<Effect>, Picture) {
    let operator = story.begin().await;
    operator.succeed(story.run).await;
    (operator.world.gate.log(), operator.world.picture().await.unwrap())
}

/// The places in which two pictures differ, with what each shows there.
pub(crate) fn differences(left: &Picture, right: &Picture) -> String {
    let value = |picture: &Picture| places(&serde_json::to_value(picture).unwrap());
    let (left, right) = (value(left), value(right));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{name}: {}, not {}", shown(right.get(name)), shown(left.get(name))))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Each value of a document by where it stands, `/hosts/server/units/k3s.service/active`.
pub(crate) fn places(document: &Value) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    walk(String::new(), document, &mut places);
    places
}

fn walk(place: String, value: &Value, places: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| walk(format!("{place}/{name}"), value, places));
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(index, value)| walk(format!("{place}/{index}"), value, places));
        }
        value => {
            places.insert(place, value.to_string());
        }
    }
}
