//! The preflight stage: everything that can be known before anything is touched, for the whole plan at
//! once.

mod buckets;
mod capacity;
mod host;
mod rights;
mod site;
mod storage;

#[cfg(test)]
mod tests;

use crate::{
    engine::Run,
    error::{Failure, Kind, Result},
    event::Event,
    inventory::desired::{Node, TailnetControl},
    observe::Purpose,
    plan::{
        Change, Observed, Plan, Refusal,
        observed::{MachineSight, Sight},
    },
    ports::{ProxmoxError, Tailnet, World},
};
use rights::Rights;
use site::Site;

/// How much of the world is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What the plan's steps will need.
    Plan,
    /// Everything, whatever there is to do: somebody asks whether it could be done.
    Everything,
}

/// Checks the whole plan against what Proxmox and the tailnet allow.
///
/// # Errors
/// Everything that is wrong, in one failure: of the kind of the only one, or [`Kind::Refused`].
pub async fn check<W: World>(
    run: &Run<W>,
    observed: &Observed,
    plan: &Plan,
    scope: Scope,
) -> Result<()> {
    let needs = |step: &dyn Fn(&Change) -> bool| {
        scope == Scope::Everything || plan.steps.iter().any(|one| step(&one.change))
    };
    let touches_proxmox = needs(&|change| {
        matches!(
            change,
            Change::FetchImage { .. }
                | Change::MakeTemplate { .. }
                | Change::MakeMachine { .. }
                | Change::ConfigureMachine { .. }
        )
    });
    let joins = needs(&|change| matches!(change, Change::JoinTailnet { .. }));
    let reads = needs(&|change| matches!(change, Change::InstallFlux | Change::ConnectFlux));
    let serves = needs(&|change| matches!(change, Change::InstallServer { .. }));
    let mut purposes = Vec::new();
    if serves {
        purposes.push(Purpose::Datastore);
    }
    if reads {
        purposes.extend([Purpose::Volumes, Purpose::Databases]);
    }
    let (proxmox, tailnet) = futures::join!(
        async { if touches_proxmox { proxmox(run, observed).await } else { Ok(()) } },
        async { if joins { credentials(run).await } else { Ok(()) } },
    );
    proxmox?;
    tailnet?;
    if !purposes.is_empty() {
        Box::pin(buckets::check(run, &purposes)).await?;
    }
    if reads { repository(observed) } else { Ok(()) }
}

/// What Flux is to read must be readable before anything is made that leads there.
fn repository(observed: &Observed) -> Result<()> {
    match &observed.repository {
        Sight::Silent(why) => {
            Err(Failure::new(Kind::Git, format!("the repository of Flux cannot be read: {why}"))
                .hint(
                    "see `flux` in the inventory; `homelab up --until network` does all before it",
                ))
        }
        _ => Ok(()),
    }
}

/// What is at the edge must be known before anything is made: without it no step of it can be planned, and a plan
/// without them looks as if all were as it should be.
///
/// # Errors
/// [`Kind::Unreachable`], with what kept us from looking.
pub fn edge(observed: &Observed) -> Result<()> {
    match &observed.edge {
        Sight::Silent(why) => Err(Failure::new(
            Kind::Unreachable,
            format!("the public path cannot be planned: {why}"),
        )
        .hint("this machine must reach the internet: check its network, DNS and proxy")
        .hint("`homelab up --until flux` does all before it")),
        _ => Ok(()),
    }
}

/// Whether a look ended because Proxmox forbade it.
pub fn is_forbidden(failure: &Failure) -> bool {
    let source = failure.source.as_ref().and_then(|source| source.downcast_ref());
    matches!(source, Some(ProxmoxError::Forbidden(_)))
}

/// What the token lacks, all of it, in the place of a `forbidden` that told the first thing only. This
/// asks for nothing that takes a privilege.
pub async fn missing_rights<W: World>(run: &Run<W>, forbidden: Failure) -> Failure {
    let Ok(site) = Site::look(run).await else { return forbidden };
    let Rights { absent, missing } = rights::check(&run.desired, &site);
    failure(absent, missing).unwrap_or(forbidden)
}

async fn proxmox<W: World>(run: &Run<W>, observed: &Observed) -> Result<()> {
    let desired = &run.desired;
    let site = Site::look(run).await?;
    let Rights { absent, missing } = rights::check(desired, &site);
    let mut refusals: Vec<Refusal> = host::supported(&site.version).into_iter().collect();
    refusals.extend(host::cores(desired, &observed.nodes));
    for node in desired.proxmox_nodes() {
        refusals.extend(host::memory(desired, observed, &node));
        refusals.extend(host::link(desired, &node, site.bridges_of(&node)));
        refusals.extend(storage::contents(desired, &node, site.storages_of(&node)));
        let needed = capacity::needed(desired, observed, &node);
        refusals.extend(capacity::refusals(&needed, &node, site.storages_of(&node)));
        for text in capacity::warnings(&needed, &node, site.storages_of(&node)) {
            run.events.send(Event::Warning { step: None, text });
        }
    }
    refusals.extend(absent);
    failure(refusals, missing).map_or(Ok(()), Err)
}

/// Privileges that are missing, and nothing else, are Proxmox's word and not a guard of ours.
fn failure(refusals: Vec<Refusal>, missing: Vec<Refusal>) -> Option<Failure> {
    let kind = if refusals.is_empty() { Kind::Proxmox } else { Kind::Refused };
    let all = [refusals, missing].concat();
    (!all.is_empty()).then(|| Failure { kind, ..Refusal::failure(&all) })
}

/// The nodes of the inventory that are still to be made on a Proxmox node.
fn to_make<'a>(
    desired: &'a crate::inventory::Desired,
    observed: &'a Observed,
    proxmox_node: &'a str,
) -> impl Iterator<Item = &'a Node> {
    desired.nodes.values().filter(move |node| {
        node.proxmox_node == proxmox_node
            && matches!(observed.machines.get(&node.name), Some(MachineSight::Absent))
    })
}

/// What the tailnet's credentials allow, as far as they can be asked without spending them.
async fn credentials<W: World>(run: &Run<W>) -> Result<()> {
    let capabilities = run.world.tailnet().check().await.map_err(Failure::from)?;
    for unchecked in &capabilities.unchecked {
        let text = format!("not checked: {unchecked}");
        run.events.send(Event::Warning { step: None, text });
    }
    let listing = !matches!(run.desired.tailnet.control, TailnetControl::AuthKey { .. });
    if !capabilities.mint_keys || (listing && !capabilities.list_devices) {
        return Err(Failure::new(
            Kind::Tailnet,
            format!(
                "the credentials for {} cannot make keys and list devices",
                capabilities.service
            ),
        )
        .hint("`homelab init tailnet-policy` prints the scopes that are needed"));
    }
    Ok(())
}
