//! The flux stage: the controllers from the manifests that the repository has, what opens the repository,
//! and the repository's own source and entry point. Nothing is pushed: a read-only key is enough.

mod connect;
mod install;
mod verify;

pub(in crate::stage) use connect::REQUESTED;
pub use connect::connect;
pub use install::install;
pub use verify::checks;

use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    gitops::{age_key::AgeKey, repository},
    inventory::desired::Flux,
    plan::Refusal,
    ports::{Checkout, World},
};

/// What the inventory says of Flux.
fn wanted<W: World>(context: &StepContext<W>) -> Result<&Flux> {
    context.run.desired.flux.as_ref().ok_or_else(|| {
        Failure::new(Kind::Runtime, "a step about Flux without `flux` in the inventory (a bug)")
    })
}

/// The repository at its head, looked through again: it may have changed since the plan.
async fn checkout<W: World>(context: &StepContext<W>) -> Result<Checkout> {
    let flux = wanted(context)?;
    let checkout = context.run.repository.read(context.run.world.git(), flux).await?;
    let held = AgeKey::held(&context.run.desired);
    let refusals = repository::refusals(&context.run.desired, flux, &checkout, held.as_deref());
    if refusals.is_empty() { Ok(checkout) } else { Err(Refusal::failure(&refusals)) }
}
