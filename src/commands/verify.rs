//! `homelab verify`: every check, as a table, JSON or a JUnit report.

use comfy_table::{Attribute, Cell, Color};

use super::session::{Session, wants_json};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::Pins,
    render,
    stage::{
        check::{Check, CheckState},
        verify,
    },
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab verify                          ends with 1 when a check failed
  homelab verify -o json
  homelab verify -o junit > homelab.xml   for GitLab, Jenkins and others that read JUnit reports")]
pub struct Args {
    /// Of `-o junit`, which no other command takes.
    #[arg(skip)]
    pub(crate) junit: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let looked = look(global).await;
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
    } else {
        render::output::data(table(&checks))?;
    }
    verdict(&checks)
}

async fn look(global: &Global) -> Result<Vec<Check>> {
    let session = Session::look(global, Pins::Required).await?;
    let checks = verify::all(&session.run).await;
    session.close(checks).await
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
    Err(Failure::new(
        Kind::Checks,
        format!("{} of {} checks failed: {}", failed.len(), checks.len(), named.join(", ")),
    ))
}
