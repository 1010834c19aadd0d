//! The edge stage: the tunnel, where it leads, the names that lead into it, and its token in the cluster.

use super::Refusal;
use crate::{
    inventory::Desired,
    plan::{
        edge::{self, EdgeSight, Pointing},
        observed::{Observed, Sight},
        step::{Change, Impact, Plan, Step, StepId},
    },
    ports::DnsRecord,
};

pub(super) fn steps(
    desired: &Desired,
    observed: &Observed,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    if edge::site(desired).is_none() {
        plan.notes.extend(abandoned(desired, observed));
        return;
    }
    let seen = match &observed.edge {
        Sight::Unseen => return,
        // Whoever asks for this stage is refused: `preflight::edge`.
        Sight::Silent(why) => {
            plan.notes.push(format!(
                "the public path is left as it is, since Cloudflare could not be looked at: {why}"
            ));
            return;
        }
        Sight::Seen(Err(refusal)) => return refusals.push(refusal.clone()),
        Sight::Seen(Ok(seen)) => seen,
    };
    let before: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let tunnel = seen.tunnel.as_ref().map(|tunnel| tunnel.id.as_str());
    let mut needs = before.clone();
    match &seen.tunnel {
        None => {
            let reason = match &observed.tunnel {
                Some(id) => format!("the one that a run made, {id}, is gone"),
                None => "there is none of this name".to_owned(),
            };
            let step = Step::new(Change::MakeTunnel, Impact::Create, reason);
            needs.push(plan.add(step, &before));
        }
        Some(tunnel) if !tunnel.remote => refusals.push(Refusal::new(
            format!("tunnel {}", tunnel.name),
            "its routes are kept in a file beside a connector, not at Cloudflare",
            "somebody made it so under our name: delete it in the dashboard, or migrate it there",
        )),
        Some(_) => {}
    }
    let wrong = edge::wrong_rules(&edge::rules(desired), &seen.rules);
    if !wrong.is_empty() {
        let impact = if seen.rules.is_empty() { Impact::Create } else { Impact::InPlace };
        let step = Step { reasons: wrong, ..Step::new(Change::RouteTunnel, impact, "") };
        needs.push(plan.add(step, &needs.clone()));
    }
    if let Some(reason) = secret_reason(seen, tunnel) {
        let impact = match &seen.secret {
            Sight::Seen(Some(_)) => Impact::InPlace,
            _ => Impact::Create,
        };
        plan.add(Step::new(Change::GiveTunnel, impact, reason), &needs);
    }
    for name in edge::names(desired) {
        let (impact, reason) = match seen.pointing(desired, &name, tunnel) {
            Pointing::Right(_) => continue,
            Pointing::Absent => (Impact::Create, "there is no record of it".to_owned()),
            Pointing::Differs(_, why) => (Impact::InPlace, why),
            Pointing::Foreign(record) => {
                refusals.push(foreign(desired, record));
                continue;
            }
        };
        plan.add(Step::new(Change::PointName { name }, impact, reason), &needs);
    }
    for record in seen.leftovers(desired) {
        let change = Change::DropName { name: record.name.clone(), record: record.id.clone() };
        plan.add(Step::new(change, Impact::InPlace, "no name of the inventory any more"), &before);
    }
}

/// A tunnel that a run made, and an inventory that does not name its account any more.
pub fn abandoned(desired: &Desired, observed: &Observed) -> Option<String> {
    let id = observed.tunnel.as_ref()?;
    Some(format!(
        "tunnel {} ({id}) was made by a run of ours and the inventory no longer says through which API: it \
         is left at Cloudflare with its DNS records; write `gitops.cloudflared.cloudflare` to have them \
         removed by `homelab destroy`, or delete them in the dashboard",
        edge::tunnel_name(desired)
    ))
}

fn secret_reason(seen: &EdgeSight, tunnel: Option<&str>) -> Option<String> {
    let there = match &seen.secret {
        Sight::Seen(there) => there.as_deref(),
        // The cluster is still to be made.
        Sight::Unseen => None,
        // It does not answer: its own steps say so.
        Sight::Silent(_) => return None,
    };
    match (there, tunnel) {
        (None, _) => Some("the cluster does not have its token".to_owned()),
        (Some(opened), Some(tunnel)) if opened == tunnel => None,
        (Some(""), _) => Some("what the cluster has is no token of a tunnel".to_owned()),
        (Some(opened), _) => Some(format!("the cluster has the token of tunnel {opened}")),
    }
}

/// A record of somebody else's under a name that we want.
pub fn foreign(desired: &Desired, record: &DnsRecord) -> Refusal {
    let DnsRecord { name, form, content, comment, .. } = record;
    let whose = match comment.as_str() {
        "" => "without a comment".to_owned(),
        comment => format!("with the comment `{comment}`"),
    };
    Refusal::new(
        format!("DNS record {name}"),
        format!("there is one of type {form} to {content}, {whose}, which is not this cluster's"),
        format!(
            "delete it in the dashboard; or, if homelab shall have it, give it the comment `{}`",
            edge::comment(desired)
        ),
    )
}

#[cfg(test)]
mod tests;
