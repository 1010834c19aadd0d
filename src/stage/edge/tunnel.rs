//! The tunnel, and where it leads.

use std::time::Duration;

use super::{api, ours, there};
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Kind, Result},
    journal::Record,
    plan::edge::{rules, tunnel_name},
    ports::{Edge, World},
    stage::Outcome,
};

/// What was done may take a moment to be seen.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried to make one whose answer was lost.
const ATTEMPTS: u32 = 3;
/// Cloudflare has one of this name: made by a call whose answer was lost.
const NAME_TAKEN: u16 = 409;

/// Makes the tunnel, once: whoever lost an answer looks whether it is there.
pub async fn make<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let name = tunnel_name(&context.run.desired);
    let mut lost = None;
    for _ in 0..ATTEMPTS {
        if let Some(tunnel) = ours(context).await? {
            context.record(&Record::TunnelMade { id: tunnel.id })?;
            return Ok(match lost {
                None => Outcome::Unchanged("it was there already".into()),
                Some(_) => Outcome::Done,
            });
        }
        context.still_wanted()?;
        context.record(&Record::TunnelIntended { name: name.clone() })?;
        match api(context)?.create_tunnel(&name).await {
            Ok(tunnel) => {
                context.record(&Record::TunnelMade { id: tunnel.id })?;
                return Ok(Outcome::Done);
            }
            Err(error) => {
                let taken =
                    matches!(&error, crate::ports::EdgeError::Refused { status: NAME_TAKEN, .. });
                if error.effect() == Effect::None && !taken {
                    return Err(error.into());
                }
                context.output(format!("looking whether it happened: {error}"));
                lost = Some(error);
                context.pause(PAUSE).await?;
            }
        }
    }
    Err(match lost {
        Some(error) => error.into(),
        None => Failure::new(Kind::Edge, format!("tunnel {name} could not be made")),
    })
}

/// Says where each public name leads. The whole configuration is ours: what else it had is replaced.
pub async fn route<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let tunnel = there(context).await?;
    let wanted = rules(&context.run.desired);
    let api = api(context)?;
    if api.rules(&tunnel.id).await? == wanted {
        return Ok(Outcome::Unchanged("it leads there already".into()));
    }
    context.still_wanted()?;
    api.set_rules(&tunnel.id, &wanted).await?;
    Ok(Outcome::Done)
}
