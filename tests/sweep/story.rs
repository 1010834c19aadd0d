//! What is done before the run that is harmed, and that run.

use std::collections::{BTreeMap, BTreeSet};

use homelab_lab::sim::{gate::Effect, picture::Picture, world::Options};

use serde_json::Value;

use crate::{network::Claim, operator::Operator};

pub(crate) struct Story {
    pub(crate) name: &'static str,
    /// Of all its worlds, one after the other: what is derived from it is the same in each.
    network: Claim,
    /// Whether Flux brings what a Git host has.
    gitops: bool,
    /// Runs before, each with its words.
    before: &'static [&'static [&'static str]],
    /// What is changed in the inventory then, from and to.
    edits: &'static [(&'static str, &'static str)],
    pub(crate) run: &'static [&'static str],
}

const UP: &[&str] = &["up", "--yes"];

pub(crate) fn first_up() -> Story {
    let network = Claim::new();
    Story { name: "first up", network, gitops: false, before: &[], edits: &[], run: UP }
}

pub(crate) fn first_up_with_flux() -> Story {
    Story { name: "first up with Flux", gitops: true, ..first_up() }
}

pub(crate) fn memory_and_disk() -> Story {
    Story {
        name: "memory and disk",
        before: &[UP],
        edits: &[("memory: 2G\n  disk: 6G", "memory: 3G\n  disk: 8G")],
        ..first_up()
    }
}

pub(crate) fn another_node() -> Story {
    Story {
        name: "another node",
        before: &[UP],
        edits: &[(
            "tailnet:\n",
            "  agent-9:\n    role: agent\n    vmid: 1009\n    address: NEXT\ntailnet:\n",
        )],
        ..first_up()
    }
}

pub(crate) fn destroy() -> Story {
    Story { name: "destroy", before: &[UP], run: &["destroy", "--yes"], ..first_up() }
}

impl Story {
    /// A world of its own in which all that comes before was done.
    pub(crate) async fn begin(&self) -> Operator {
        let (network, gitops) = (self.network.number(), self.gitops);
        let operator = Operator::new(Options { network, gitops, ..Options::default() }).await;
        for words in self.before {
            operator.succeed(words).await;
        }
        for (from, to) in self.edits {
            operator.edit(from, &to.replace("NEXT", &operator.world.address(9).to_string()));
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
    let (left, right) = (places(left), places(right));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{name}: {}, not {}", shown(right.get(name)), shown(left.get(name))))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Each value of a picture by where it stands, `/hosts/server/units/k3s.service/active`.
fn places(picture: &Picture) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    walk(String::new(), &serde_json::to_value(picture).unwrap(), &mut places);
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
