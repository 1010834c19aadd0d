//! `homelab destroy`: what is ours, and nothing else. Backups never.

use super::{
    plan::remember_devices,
    session::{Purpose, Session, confirm, wants_json},
};
use crate::{
    cli::{DestroyArgs, Global},
    engine::{Run, run::run_name, run_plan},
    error::Result,
    event::{Event, RunOutcome},
    journal::Record,
    observe::{self, Depth},
    plan::{
        Change, Impact, Observed, Plan, Step,
        diff::template_vmid,
        observed::{MachineSight, TemplateSight},
    },
    ports::{ContentKind, Proxmox, World},
    render,
    stage::image,
};

pub(crate) async fn run(global: &Global, args: DestroyArgs) -> Result<()> {
    let session = Session::open(global, Purpose::Change { new_host: false }).await?;
    session.stop_on_request(args.timeout);
    let outcome = session.by_cause(destroy(&session, global, &args).await);
    session.close().await;
    outcome
}

async fn destroy(session: &Session, global: &Global, args: &DestroyArgs) -> Result<()> {
    let run = &session.run;
    let begun = std::time::Instant::now();
    // The guests are asked, too: they know which devices they are.
    let observed = observe::observe(run, Depth::All).await?;
    remember_devices(run, &observed)?;
    let plan = removal(run, &observed, args).await?;
    for note in &plan.notes {
        run.events.send(Event::Warning { step: None, text: note.clone() });
    }
    let name = run_name();
    let finished = |outcome| Event::RunFinished {
        run: name.clone(),
        outcome,
        seconds: begun.elapsed().as_secs_f64(),
    };
    if plan.is_empty() {
        run.events.send(finished(RunOutcome::NothingToDo));
        return Ok(());
    }
    if !args.yes {
        if !wants_json(global) {
            anstream::eprint!("{}", render::plan(&plan));
        }
        confirm(&format!("Delete all this of cluster `{}` for good?", run.desired.cluster))?;
    }
    run.record(&Record::RunStarted {
        run: name.clone(),
        command: "destroy".into(),
        at: jiff::Timestamp::now(),
    })?;
    let outcome = run_plan(run, &plan).await;
    run.record(&Record::RunFinished {
        run: name.clone(),
        at: jiff::Timestamp::now(),
        ok: outcome.is_ok(),
    })?;
    if let Ok(tally) = &outcome {
        run.events.send(finished(RunOutcome::Done { changed: tally.done }));
    }
    outcome.map(|_| ())
}

/// The steps that take away what is ours. What is not is named and left alone.
async fn removal<W: World>(run: &Run<W>, observed: &Observed, args: &DestroyArgs) -> Result<Plan> {
    let mut plan = Plan::default();
    let desired = &run.desired;
    for (node, sight) in &observed.machines {
        if !args.nodes.is_empty() && !args.nodes.contains(node) {
            continue;
        }
        let wanted = &desired.nodes[node];
        match sight {
            MachineSight::Ours(machine) => {
                let change = Change::RemoveMachine {
                    node: node.clone(),
                    proxmox_node: machine.proxmox_node.clone(),
                    vmid: machine.vmid,
                };
                plan.add(Step::new(change, Impact::DataLoss, "destroy"), &[]);
            }
            // The VM may be gone and its device not.
            MachineSight::Absent if run.memory().devices.contains_key(node) => {
                let change = Change::RemoveMachine {
                    node: node.clone(),
                    proxmox_node: wanted.proxmox_node.clone(),
                    vmid: wanted.vmid,
                };
                plan.add(Step::new(change, Impact::DataLoss, "its VM is gone, its device is not"), &[]);
            }
            MachineSight::Absent => {}
            MachineSight::HalfMade { .. } => plan.notes.push(format!(
                "{node} is half made and carries no marker yet: `homelab up` finishes it, then destroy it"
            )),
            MachineSight::Foreign { name, why } => plan.notes.push(format!(
                "VMID {} is `{name}`, not ours ({why}): it is left alone",
                wanted.vmid
            )),
        }
    }
    if args.nodes.is_empty() {
        for stray in &observed.strays {
            let change = Change::RemoveMachine {
                node: stray.node.clone(),
                proxmox_node: stray.proxmox_node.clone(),
                vmid: stray.vmid,
            };
            plan.add(Step::new(change, Impact::DataLoss, "ours, though not in the inventory"), &[]);
        }
        let machines: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
        for (proxmox_node, volumes) in &observed.seeds {
            for volume in volumes {
                let change = Change::SweepSeed {
                    proxmox_node: proxmox_node.clone(),
                    volume: volume.id.clone(),
                };
                plan.add(Step::new(change, Impact::DataLoss, "a seed of ours"), &machines);
            }
        }
    }
    if args.all {
        image_and_template(run, observed, &mut plan).await?;
    }
    Ok(plan)
}

async fn image_and_template<W: World>(
    run: &Run<W>,
    observed: &Observed,
    plan: &mut Plan,
) -> Result<()> {
    let machines: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for (proxmox_node, sight) in &observed.templates {
        let vmid = template_vmid(&run.desired, proxmox_node);
        match sight {
            TemplateSight::Absent => {}
            TemplateSight::Foreign { name } => {
                plan.notes.push(format!("VMID {vmid} is `{name}`, not ours: it is left alone"));
            }
            TemplateSight::HalfMade { .. } | TemplateSight::Ready { .. } => {
                let change = Change::RemoveTemplate { proxmox_node: proxmox_node.clone(), vmid };
                plan.add(Step::new(change, Impact::DataLoss, "destroy --all"), &machines);
            }
        }
        let storage = &run.desired.proxmox.image_storage;
        let wanted = image::volume(&run.desired);
        let volumes =
            run.world.proxmox().volumes(proxmox_node, storage, ContentKind::Import).await?;
        if volumes.iter().any(|volume| volume.id == wanted) {
            let change = Change::RemoveImage { proxmox_node: proxmox_node.clone(), volume: wanted };
            plan.add(Step::new(change, Impact::DataLoss, "destroy --all"), &[]);
        }
    }
    Ok(())
}
