//! `homelab plan`: what `up` would do, from the same values.

use std::sync::Arc;

use super::session::{Purpose, Session, wants_json};
use crate::{
    cli::{Global, PlanArgs, Selection},
    engine::Run,
    error::{Failure, Kind, Result},
    observe::{self, Depth},
    plan::{Observed, Plan, Refusal, diff, diff::Wishes},
    ports::World,
    render,
    stage::preflight,
};

/// Exit code of `--detailed-exitcode` when there is something to do.
const CHANGES_PENDING: u8 = 2;

pub(crate) async fn run(global: &Global, args: PlanArgs) -> Result<u8> {
    let session = Session::open(global, Purpose::Look).await?;
    let made = make(&session.run, &args.selection).await;
    session.close().await;
    let (plan, _) = made?;
    if wants_json(global) {
        render::document(&plan)?;
    } else {
        anstream::print!("{}", render::plan(&plan));
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { CHANGES_PENDING } else { 0 })
}

/// Looks, compares, and checks beforehand what can be checked for the whole plan.
///
/// # Errors
/// Every reason not to begin, at once.
pub(crate) async fn make<W: World>(
    run: &Arc<Run<W>>,
    selection: &Selection,
) -> Result<(Plan, Observed)> {
    let stages = selection
        .stages()
        .ok_or_else(|| Failure::new(Kind::Usage, "--from names a stage after --until"))?;
    if let Some(unknown) =
        selection.nodes.iter().find(|node| !run.desired.nodes.contains_key(*node))
    {
        return Err(Failure::new(Kind::Usage, format!("the inventory names no node `{unknown}`")));
    }
    let observed = observe::observe(run, Depth::All).await?;
    let wishes = Wishes { prune: selection.prune };
    let plan = match diff(&run.desired, &observed, wishes) {
        Ok(plan) => plan.narrowed(stages, &selection.nodes),
        Err(refusals) => return Err(Refusal::failure(&refusals)),
    };
    if !plan.is_empty() {
        preflight::check(run, &observed, &plan).await?;
    }
    Ok((plan, observed))
}
