//! `homelab up`: make the world as the inventory says; run it again after anything.

use super::{
    agreement::Agreement,
    change::{Consent, Look, Terms, carry_out},
    plan,
};
use crate::{
    cli::{Global, UpArgs},
    error::Result,
    inventory::Pins,
    render,
};

pub(crate) async fn run(global: &Global, args: UpArgs) -> Result<()> {
    let (consent, selection) = match &args.plan {
        Some(path) => {
            let agreement = Agreement::read(path)?;
            let selection = agreement.selection.clone();
            (Consent::Agreement(Box::new(agreement), path.clone()), selection)
        }
        None => (Consent::unless_asked(args.yes), args.selection),
    };
    let terms = Terms {
        command: "up",
        pins: Pins::Required,
        new_host: args.new_host,
        consent,
        timeout: args.timeout,
        question: |plan, desired| {
            format!("{} on cluster `{}`. Go on?", render::steps(plan.steps.len()), desired.cluster)
        },
    };
    carry_out(global, terms, async |run, look| {
        let (plan, observed) = match look {
            Look::First => plan::make(run, &selection).await?,
            Look::UnderLease => plan::look(run, &selection).await?,
        };
        plan::remember_hosts(run, &observed)?;
        Ok((plan, observed))
    })
    .await
}
