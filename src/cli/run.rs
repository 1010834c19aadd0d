//! What the commands take that make and carry out plans.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;
use serde::{Deserialize, Serialize};

use crate::{completion::candidates, model::NodeName, stage::StageId};

/// Whether it is written down what took how long.
#[derive(Clone, Debug, Default, Args)]
pub struct Traced {
    /// Write what took how long into this file, for ui.perfetto.dev or chrome://tracing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = file)]
    pub trace: Option<Utf8PathBuf>,
}

/// Which part of the ladder, and of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Selection {
    /// Begin with this stage
    #[arg(long, value_enum, value_name = "STAGE")]
    pub from: Option<StageId>,
    /// End after this stage (one of those of --from)
    #[arg(long, value_enum, value_name = "STAGE", hide_possible_values = true)]
    pub until: Option<StageId>,
    /// Only this node (may be repeated)
    #[arg(long = "node", value_name = "NODE", add = ArgValueCandidates::new(candidates::nodes))]
    pub nodes: Vec<NodeName>,
    /// Delete nodes of ours that the inventory no longer names
    #[arg(long)]
    pub prune: bool,
}

impl Selection {
    /// The stages as a range; `None` when `from` lies after `until`.
    pub fn stages(&self) -> Option<std::ops::RangeInclusive<StageId>> {
        let first = self.from.unwrap_or(StageId::Preflight);
        let last = self.until.unwrap_or(StageId::Verify);
        (first <= last).then_some(first..=last)
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  homelab plan
  homelab plan --until machines
  homelab plan --detailed-exitcode        ends with 2 when there is something to do
  homelab plan --out change.plan          for `homelab up --plan change.plan`
  homelab plan -o json | jq '.steps[].id'")]
pub struct PlanArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Exit with 2 when there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write the plan into this file, too, for `up --plan`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = file)]
    pub out: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub traced: Traced,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  homelab up                              shows the plan, asks, does it
  homelab up --yes --timeout 90m          for CI; run it again after anything
  homelab up --node k3s-agent-2           one node alone
  homelab up --plan change.plan           does what `plan --out` wrote, and no more
  homelab up --trace up.json              what took how long, for ui.perfetto.dev
  homelab up --yes -o json                one event a line on stdout")]
pub struct UpArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Carry out this plan of `plan --out` without asking; refuse where anything has moved since
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = file,
        conflicts_with_all = ["from", "until", "nodes", "prune"]
    )]
    pub plan: Option<Utf8PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Stop, where it can be taken up again, after this time (`90m`, `2h`)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Forget the ids in the journal: the Proxmox host was reinstalled
    #[arg(long)]
    pub new_host: bool,
    #[command(flatten)]
    pub traced: Traced,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  homelab destroy                         shows what is ours, asks, deletes it
  homelab destroy --node k3s-agent-2      one node; `homelab up` makes it anew
  homelab destroy --all --yes             template and cloud image, too")]
pub struct DestroyArgs {
    /// The template and the cloud image, too
    #[arg(long)]
    pub all: bool,
    /// Only this node (may be repeated)
    #[arg(long = "node", value_name = "NODE", add = ArgValueCandidates::new(candidates::nodes))]
    pub nodes: Vec<NodeName>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// The Proxmox host was reinstalled or renamed: put the journal aside, and go by the markers
    #[arg(long)]
    pub new_host: bool,
    /// Give up after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub traced: Traced,
}

/// `90s`, `15m`, `2h` and sums of them.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no time such as 90s, 15m or 2h"))?;
    Duration::try_from(span).map_err(|_| "a time is not negative".to_owned())
}

/// A file's name. Elsewhere `-` is standard input or output, and who writes it wants that.
fn file(text: &str) -> Result<Utf8PathBuf, String> {
    match text {
        "-" => Err("it takes a file's name; `./-` is the file of this one".to_owned()),
        name => Ok(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_dash_is_no_file_by_accident() {
        assert_eq!(file("./-"), Ok("./-".into()));
        for words in [["plan", "--out", "-"], ["up", "--plan", "-"], ["up", "--trace", "-"]] {
            let error = Cli::try_parse_from([&["homelab"], &words[..]].concat()).unwrap_err();
            assert!(error.to_string().contains("`./-`"), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_time_is_written_as_people_write_it() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5400)));
        assert!(duration("soon").is_err());
    }
}
