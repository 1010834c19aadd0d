//! What happened in a rehearsal, as Markdown.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{player::Outcome, script::Fault};
use crate::sim::{
    gate::{Effect, System},
    picture::Picture,
};

/// How one run of the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// `None`: killed.
    pub code: Option<i32>,
    pub took: Duration,
}

/// All that is told.
pub struct Report<'a> {
    pub command: String,
    pub runs: &'a [Run],
    pub faults: &'a [(Fault, Outcome)],
    pub asked: &'a [Effect],
    pub left: &'a Picture,
}

impl Report<'_> {
    /// The whole of it.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Rehearsal of `{}`\n\nIn a simulated world: no host was touched.\n",
            self.command
        );
        table(
            &mut text,
            "Runs",
            ["Run", "Ended with", "After"],
            (1..).zip(self.runs).map(|(number, run)| {
                let ended =
                    run.code.map_or("killed".to_owned(), |code| format!("exit code {code}"));
                [format!("{number}"), ended, format!("{:.1} s", run.took.as_secs_f64())]
            }),
        );
        table(
            &mut text,
            "What went wrong",
            ["Fault", "Met", "Acted on"],
            self.faults.iter().map(|(fault, outcome)| {
                let acted = match outcome.acted.is_empty() {
                    true => "**nothing: it never came to that**".to_owned(),
                    false => outcome
                        .acted
                        .iter()
                        .map(|place| format!("`{place}`"))
                        .collect::<Vec<_>>()
                        .join(", "),
                };
                [fault.name(), outcome.met.to_string(), acted]
            }),
        );
        table(&mut text, "What was asked for", ["Of", "What", "Times", "Changes"], self.counted());
        table(&mut text, "What is there now", ["What", "Which", "How it is"], self.things());
        text
    }

    /// Each kind of effect once.
    fn counted(&self) -> impl Iterator<Item = [String; 4]> {
        let mut counts: BTreeMap<(System, &str, bool), usize> = BTreeMap::new();
        for effect in self.asked {
            *counts.entry((effect.system, &effect.kind, effect.mutating)).or_default() += 1;
        }
        counts.into_iter().map(|((system, kind, mutating), times)| {
            let changes = if mutating { "yes" } else { "" };
            [name(system).to_owned(), format!("`{kind}`"), times.to_string(), changes.to_owned()]
        })
    }

    fn things(&self) -> Vec<[String; 3]> {
        let shown = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
        let guests = self.left.guests.iter().map(|(vmid, guest)| {
            let size = format!(
                "{}, {} cores, {} MiB",
                shown(&guest["status"]),
                guest["config"]["cores"],
                shown(&guest["config"]["memory"])
            );
            ["VM".into(), format!("{vmid} {}", shown(&guest["config"]["name"])), size]
        });
        let volumes =
            self.left.volumes.iter().map(|volume| ["volume".into(), volume.clone(), String::new()]);
        let devices = self.left.devices.iter().map(|device| {
            let (which, how) = device.split_once(' ').unwrap_or((device, ""));
            ["tailnet device".into(), which.to_owned(), how.to_owned()]
        });
        let nodes = self.left.nodes.iter().map(|(name, node)| {
            let ready = if node["ready"] == "True" { "Ready" } else { "not Ready" };
            ["Kubernetes node".into(), name.clone(), ready.to_owned()]
        });
        let keys = (self.left.keys > 0).then(|| {
            ["auth keys".into(), self.left.keys.to_string(), "unused, still valid".into()]
        });
        guests.chain(volumes).chain(devices).chain(nodes).chain(keys).collect()
    }
}

fn name(system: System) -> &'static str {
    match system {
        System::Proxmox => "Proxmox VE",
        System::Host => "the node, by SSH",
        System::Tailnet => "the control plane",
        System::Kubernetes => "Kubernetes",
        System::Git => "the Git host",
        System::Bucket => "the bucket",
    }
}

fn table<const COLUMNS: usize>(
    text: &mut String,
    title: &str,
    heads: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    // Writing to a text can't fail.
    let _ = writeln!(text, "\n## {title}\n\n{}", line(heads.map(str::to_owned).into()));
    let _ = writeln!(text, "{}", line(vec!["---".to_owned(); COLUMNS]));
    for row in rows {
        let _ = writeln!(text, "{}", line(row.into()));
    }
}
