//! Holds each world of a sweep to what an undisturbed run makes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use homelab_lab::sim::picture::Picture;

use crate::{
    canaries::Canaries,
    operator::{Ended, Operator},
    story::differences,
    tally::Tally,
};

pub(crate) struct Judge {
    name: String,
    whole: Picture,
    pub(crate) tally: Tally,
    wrong: Vec<String>,
    begun: Instant,
    looks: usize,
    of: usize,
}

impl Judge {
    /// Of `of` worlds.
    pub(crate) fn new(name: impl Into<String>, whole: Picture, of: usize) -> Self {
        let (tally, wrong) = (Tally::default(), Vec::new());
        Self { name: name.into(), whole, tally, wrong, begun: Instant::now(), looks: 0, of }
    }

    /// Looks at a world after the run that was to converge, and at all that its runs said.
    pub(crate) async fn look(&mut self, operator: &Operator, what: &str, runs: &[&Ended]) {
        let seen = operator.world.picture().await.unwrap();
        let said: String = runs.iter().flat_map(|run| [&*run.out, &*run.err]).collect();
        let astray = Canaries::of(operator).astray(operator, &said);
        let (duplicates, orphans) = (duplicates(&seen), orphans(&self.whole, &seen));
        self.tally.secrets += astray.len();
        self.tally.duplicates += duplicates.len();
        self.tally.orphans += orphans.len();
        let mut wrong = Vec::new();
        if seen != self.whole {
            wrong.push(differences(&self.whole, &seen));
        }
        wrong.extend(astray);
        wrong.extend(duplicates.iter().map(|name| format!("twice: {name}")));
        wrong.extend(orphans.iter().map(|name| format!("left over: {name}")));
        if runs.last().is_some_and(|run| run.code != Some(0)) {
            wrong.extend(runs.iter().map(|run| format!("ended with {:?}: {}", run.code, run.err)));
        }
        self.tell(what, &wrong);
    }

    /// Tells of a world, and of what is wrong with it.
    pub(crate) fn tell(&mut self, what: &str, wrong: &[String]) {
        self.looks += 1;
        let verdict = if wrong.is_empty() { "as it should be" } else { "OTHERWISE" };
        // How far a sweep of an hour is.
        println!(
            "  {} {}/{} ({} s) {what}: {verdict}",
            self.name,
            self.looks,
            self.of,
            Duration::as_secs(&self.begun.elapsed()),
        );
        if !wrong.is_empty() {
            self.wrong(what, &wrong.join("\n"));
        }
    }

    pub(crate) fn wrong(&mut self, what: &str, text: &str) {
        self.tally.otherwise += 1;
        println!("  OTHERWISE {what}:\n{text}");
        self.wrong.push(format!("{what}:\n{text}"));
    }

    /// Tells the counts, and fails when anything was wrong.
    pub(crate) fn end(self) {
        self.tally.tell(&self.name);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// Each thing of a picture, by its name.
fn things(picture: &Picture) -> Vec<String> {
    let guests = picture.guests.iter().map(|(vmid, guest)| {
        let name = guest["config"]["name"].as_str().map_or(vmid.to_string(), str::to_owned);
        format!("guest {name} on {}", guest["node"].as_str().unwrap_or_default())
    });
    let volumes = picture.volumes.iter().map(|volume| format!("volume {volume}"));
    let devices = picture
        .devices
        .iter()
        .map(|device| format!("device {}", device.split(' ').next().unwrap_or_default()));
    let nodes = picture.nodes.keys().map(|node| format!("node {node}"));
    let keys = (1..=picture.keys).map(|number| format!("usable key {number}"));
    let objects = picture.objects.keys().cloned();
    let commits = picture.git.iter().flat_map(|git| 1..=git.commits);
    let commits = commits.map(|number| format!("commit {number}"));
    let more = objects.chain(commits);
    guests.chain(volumes).chain(devices).chain(nodes).chain(keys).chain(more).collect()
}

pub(crate) fn duplicates(picture: &Picture) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in things(picture) {
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect()
}

/// What no undisturbed run leaves.
fn orphans(whole: &Picture, seen: &Picture) -> Vec<String> {
    let known = things(whole);
    things(seen).into_iter().filter(|name| !known.contains(name)).collect()
}
