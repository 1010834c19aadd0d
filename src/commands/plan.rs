//! `homelab plan`: what `up` would do, from the same values.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    agreement::{Agreement, Ground, is_replaceable},
    nodes::known_nodes,
    session::{Session, load_whole, wants_json},
};
use tracing::Instrument;

use crate::{
    cli::{Global, PlanArgs, Selection},
    engine::Run,
    error::{Failure, Kind, Result},
    inventory::Pins,
    journal::{Record, record::DeviceIdentity},
    observe::{self, Depth},
    plan::{Observed, Plan, Refusal, diff, diff::Wishes, probe::HostProbe},
    ports::World,
    render::{
        self,
        program::{completed, word},
    },
    stage::{
        StageId, cluster,
        preflight::{self, Scope},
    },
    trace,
};

/// Exit code of `--detailed-exitcode` when there is something to do.
const CHANGES_PENDING: u8 = 2;

pub(crate) async fn run(global: &Global, args: PlanArgs) -> Result<u8> {
    // Before minutes are spent on it.
    args.out.as_deref().map(is_replaceable).transpose()?;
    let (ground, desired) = Ground::of(load_whole(global, Pins::Required)?);
    let session = Session::look_at(global, desired).await?;
    let made = make(&session.run, &args.selection).await;
    let (plan, _) = session.close(made).await?;
    if let Some(path) = &args.out {
        Agreement::new(ground, args.selection, plan.clone()).write(path)?;
    }
    if wants_json(global) {
        render::plan::document(&plan)?;
    } else {
        render::output::data(render::plan(&plan))?;
    }
    if let Some(path) = args.out.filter(|_| !global.quiet && !wants_json(global)) {
        let told =
            format!("`homelab up --plan {}` does this, and nothing else", word(path.as_str()));
        render::output::say(completed(&told));
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
    let (whole, observed) = compare(run, selection).await?;
    let stages = stages(selection)?;
    // Who asks for that stage alone asks whether all of it could be done.
    let asked_for = *stages.end() == StageId::Preflight;
    if asked_for {
        preflight::edge(&observed)?;
    }
    let plan = whole.clone().narrowed(stages, &selection.nodes);
    if asked_for {
        preflight::check(run, &observed, &whole, Scope::Everything).await?;
    } else if !plan.is_empty() {
        preflight::check(run, &observed, &plan, Scope::Plan).await?;
    }
    Ok((plan, observed))
}

/// Looks and compares.
pub(crate) async fn look<W: World>(
    run: &Arc<Run<W>>,
    selection: &Selection,
) -> Result<(Plan, Observed)> {
    let (whole, observed) = compare(run, selection).await?;
    Ok((whole.narrowed(stages(selection)?, &selection.nodes), observed))
}

fn stages(selection: &Selection) -> Result<RangeInclusive<StageId>> {
    let stages = selection.stages();
    stages.ok_or_else(|| Failure::new(Kind::Usage, "--from names a stage after --until"))
}

/// The plan of every stage and node.
///
/// # Errors
/// Also where a part that was asked for could not be looked at.
async fn compare<W: World>(run: &Arc<Run<W>>, selection: &Selection) -> Result<(Plan, Observed)> {
    let stages = stages(selection)?;
    known_nodes(&run.desired, &selection.nodes)?;
    let span = tracing::trace_span!(target: trace::TARGET, "look", what = "look at the world");
    let mut observed = Box::pin(observe::observe(run, Depth::All)).instrument(span).await?;
    observed.datastore_key = cluster::datastore::expected_key(&run.desired).await;
    let wishes = Wishes { prune: selection.prune };
    match diff(&run.desired, &observed, wishes) {
        Ok(plan) => {
            if stages.contains(&StageId::Edge) {
                preflight::edge(&observed)?;
            }
            Ok((plan, observed))
        }
        Err(refusals) => Err(Refusal::failure(&refusals)),
    }
}

/// Writes down which devices the nodes are, where the journal does not know it: a run may have died
/// between a join and its record, or the journal was lost. And which host key a node showed that its marker
/// names, where the journal has another: a run of another state folder made the node anew.
pub(crate) fn remember_hosts<W: World>(run: &Run<W>, observed: &Observed) -> Result<()> {
    let memory = run.memory();
    let known = &memory.devices;
    for node in run.desired.nodes.keys() {
        let Some(device) = observed.probe(node).and_then(joined_device) else { continue };
        if observed.machine(node).is_some() && !known.contains_key(node) {
            run.record(&Record::DeviceJoined { node: node.clone(), device })?;
        }
    }
    for (node, guest) in &memory.guests {
        let Some(machine) = observed.machine(node).filter(|_| observed.probe(node).is_some())
        else {
            continue;
        };
        let [key] = &machine.marker.host_keys[..] else { continue };
        if guest.verified_host_key.as_ref().is_some_and(|known| known != key) {
            run.record(&Record::HostKeyVerified { node: node.clone(), key: key.clone() })?;
        }
    }
    Ok(())
}

fn joined_device(probe: &HostProbe) -> Option<DeviceIdentity> {
    let status = probe.tailscale.as_ref()?.status.as_ref()?;
    let this = status.this.as_ref().filter(|_| status.backend_state == "Running")?;
    Some(DeviceIdentity { node_id: this.id.clone(), ipv4: this.ipv4()? })
}
