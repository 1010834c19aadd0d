//! `homelab verify`: every check, as a table, JSON or a JUnit report.

use std::sync::Arc;

use comfy_table::{Attribute, Cell, Color};
use tracing::Instrument;

use super::session::{Session, wants_json};
use crate::{
    cli::{Global, Traced},
    engine::Run,
    error::{Failure, Kind, Result},
    inventory::Pins,
    ports::World,
    render,
    stage::{
        check::{Check, CheckState},
        drift, trial, verify,
    },
    trace,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab verify                          ends with 1 when a check failed
  homelab verify -o json
  homelab verify -o junit > homelab.xml   for GitLab, Jenkins and others that read JUnit reports
  homelab verify --drift                  changes a probe object, and sees Flux revert it
  homelab verify --volume                 makes a small volume, writes, reads back, deletes it
  homelab verify --trace verify.json      what took how long, for ui.perfetto.dev")]
pub struct Args {
    /// Of `-o junit`, which no other command takes.
    #[arg(skip)]
    pub(crate) junit: bool,
    /// Change a probe object of the repository by hand, and wait until Flux has put it back
    #[arg(long)]
    drift: bool,
    /// Make a small volume, write to it, read it back and delete it, as an app would
    #[arg(long)]
    volume: bool,
    #[command(flatten)]
    pub(crate) traced: Traced,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let looked = look(global, &args).await;
    if args.junit {
        // A report is wanted of a look that failed, too, which ends the command all the same.
        let printed = render::junit::print(&looked);
        let checks = looked?;
        printed?;
        return verdict(&checks);
    }
    let checks = looked?;
    if wants_json(global) {
        render::document(&checks)?;
    } else if global.quiet {
        let told = worth_telling(&checks);
        if !told.is_empty() {
            render::output::data(table(&told))?;
        }
    } else {
        render::output::data(table(&checks))?;
    }
    verdict(&checks)?;
    if !global.quiet && !wants_json(global) {
        render::output::say(passed(&checks));
    }
    Ok(())
}

/// What `-q` leaves: failures, and what nobody looks after.
fn worth_telling(checks: &[Check]) -> Vec<Check> {
    checks.iter().filter(|check| check.is_worth_telling()).cloned().collect()
}

/// The end of a run in which nothing failed.
fn passed(checks: &[Check]) -> String {
    let skipped =
        checks.iter().filter(|check| matches!(check.state, CheckState::Skipped { .. })).count();
    match skipped {
        0 => format!("all {} checks passed", checks.len()),
        _ => format!("{} checks passed, {skipped} were left out", checks.len() - skipped),
    }
}

async fn look(global: &Global, args: &Args) -> Result<Vec<Check>> {
    let session = Session::look(global, Pins::Required).await?;
    let checks = all(&session.run, args).await;
    session.close(checks).await
}

async fn all<W: World>(run: &Arc<Run<W>>, args: &Args) -> Result<Vec<Check>> {
    if args.drift && run.desired.flux.is_none() {
        return Err(Failure::new(
            Kind::Usage,
            "`--drift` asks Flux, and the inventory has no `flux` section",
        ));
    }
    if args.volume && run.desired.longhorn.is_none() {
        return Err(Failure::new(
            Kind::Usage,
            "`--volume` tries Longhorn's volumes, and the inventory has no `longhorn` section",
        ));
    }
    let span = tracing::trace_span!(target: trace::TARGET, "look", what = "look and check");
    let mut checks = verify::all(run).instrument(span).await?;
    if args.drift {
        checks.push(drift::check(run).await);
    }
    if args.volume {
        checks.push(Box::pin(trial::check(run)).await);
    }
    Ok(checks)
}

/// The checks as a table; each that failed with its cause and what to try next.
pub(crate) fn table(checks: &[Check]) -> String {
    let mut table = render::table(["", "CHECK", "NODE", "RESULT"]);
    for check in checks {
        let (mark, text) = match &check.state {
            CheckState::Passed { seen } => (Cell::new("✓").fg(Color::Green), seen.clone()),
            CheckState::Failed { cause, next } => {
                (Cell::new("✗").fg(Color::Red), format!("{cause}\nnext: {next}"))
            }
            CheckState::Skipped { why } => {
                (Cell::new("-").add_attribute(Attribute::Dim), why.clone())
            }
        };
        let node = check.node.as_ref().map(ToString::to_string).unwrap_or_default();
        table.add_row([mark, Cell::new(&check.title), Cell::new(node), Cell::new(text)]);
    }
    format!("{}\n", render::program::completed(&table.to_string()))
}

/// The failure that failed checks are.
pub(crate) fn verdict(checks: &[Check]) -> Result<()> {
    let failed: Vec<&Check> = checks.iter().filter(|check| check.has_failed()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = failed
        .iter()
        .map(|check| match &check.node {
            Some(node) => format!("{} on {node}", check.title),
            None => check.title.clone(),
        })
        .collect();
    // Each on a line of its own: there may be dozens.
    let left_out = checks.iter().filter(|check| matches!(check.state, CheckState::Skipped { .. }));
    let left_out = match left_out.count() {
        0 => String::new(),
        1 => ", 1 was not made".to_owned(),
        number => format!(", {number} were not made"),
    };
    let message = format!("{} of {} checks failed{left_out}:\n", failed.len(), checks.len());
    Err(Failure::new(Kind::Checks, message + &named.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::check::expect;

    #[test]
    fn quiet_leaves_what_failed_and_what_nobody_looks_after() {
        let checks = [
            Check::of("flux/source", None, "well", expect(true, "", "")),
            Check::of("flux/source", None, "ill", expect(false, "it is not", "mend it")),
            Check::skipped("flux/source", None, "not looked at", "there is none"),
            Check::unattended("flux/source", None, "suspended", "a person suspended it"),
        ];
        let told: Vec<String> =
            worth_telling(&checks).into_iter().map(|check| check.title).collect();
        assert_eq!(told, ["ill", "suspended"]);
        assert_eq!(
            verdict(&checks).unwrap_err().to_string(),
            "1 of 4 checks failed, 2 were not made:\nill"
        );
    }

    #[test]
    fn the_checks_that_failed_stand_on_lines_of_their_own() {
        let node = || "k3s-agent-1".parse::<crate::model::NodeName>().unwrap();
        let failed = || expect(false, "it is not", "run `homelab up`");
        let checks = [
            Check::of("tailnet/tag", Some(node()), "it carries its tag", failed()),
            Check::of("tailnet/mtu", Some(node()), "its MTU is the planned one", failed()),
            Check::of(
                "access/lan",
                Some(node()),
                "SSH is open on the LAN side",
                expect(true, "", ""),
            ),
        ];
        let text = render::failure::text(&verdict(&checks).unwrap_err());
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @"
        error: 2 of 3 checks failed:
               it carries its tag on k3s-agent-1
               its MTU is the planned one on k3s-agent-1
        ");
    }
}
