//! The names that lead into the tunnel.

use std::time::Duration;

use super::{api, there};
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Kind, Result},
    journal::Record,
    plan::{
        Refusal,
        diff::foreign_record,
        edge::{self, Pointing},
    },
    ports::{Edge, EdgeError, World},
    stage::Outcome,
};

/// What was done may take a moment to be seen.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried to make one whose answer was lost.
const ATTEMPTS: u32 = 3;
/// There is a record of this name by now: ours, of a call whose answer was lost, or somebody else's.
const TAKEN: [i64; 6] = [81053, 81054, 81055, 81056, 81057, 81058];

/// Points a name at the tunnel. A record of somebody else's is refused, never overwritten.
pub async fn point<W: World>(context: &StepContext<W>, name: &str) -> Result<Outcome> {
    let desired = &context.run.desired;
    let api = api(context)?;
    let tunnel = there(context).await?;
    let zone = api.zone().await?;
    let wanted = edge::alias(desired, name, &tunnel.id);
    let mut last: Option<EdgeError> = None;
    for _ in 0..ATTEMPTS {
        let records = api.records(&zone).await?;
        let outcome = match edge::pointing(&records, desired, name, Some(&tunnel.id)) {
            Pointing::Right(record) => {
                let id = record.id.clone();
                context.record(&Record::NamePointed { name: name.to_owned(), id })?;
                return Ok(match last {
                    None => Outcome::Unchanged("it points there already".into()),
                    Some(_) => Outcome::Done,
                });
            }
            Pointing::Foreign(record) => {
                return Err(Refusal::failure(&[foreign_record(desired, record)]));
            }
            Pointing::Absent => {
                context.still_wanted()?;
                context.record(&Record::NameIntended { name: name.to_owned() })?;
                api.create_record(&zone, &wanted).await.map(|record| record.id)
            }
            Pointing::Differs(record, _) => {
                context.still_wanted()?;
                context.record(&Record::NameIntended { name: name.to_owned() })?;
                let id = record.id.clone();
                api.update_record(&zone, &id, &wanted).await.map(|()| id)
            }
        };
        match outcome {
            Ok(id) => {
                context.record(&Record::NamePointed { name: name.to_owned(), id })?;
                return Ok(Outcome::Done);
            }
            Err(error) => {
                let taken = matches!(
                    &error,
                    EdgeError::Refused { codes, .. } if codes.iter().any(|code| TAKEN.contains(code))
                );
                if error.effect() == Effect::None && !taken {
                    return Err(error.into());
                }
                context.output(format!("looking whether it happened: {error}"));
                last = Some(error);
                context.pause(PAUSE).await?;
            }
        }
    }
    Err(match last {
        Some(error) => error.into(),
        None => Failure::new(Kind::Edge, format!("{name} could not be pointed at the tunnel")),
    })
}

/// Deletes a record of ours; that it is, is proved again right before.
pub async fn drop_name<W: World>(
    context: &StepContext<W>,
    name: &str,
    id: &str,
) -> Result<Outcome> {
    let desired = &context.run.desired;
    let api = api(context)?;
    let zone = api.zone().await?;
    let records = api.records(&zone).await?;
    let dropped = Record::NameDropped { name: name.to_owned() };
    let Some(record) = records.iter().find(|record| record.id == id) else {
        context.record(&dropped)?;
        return Ok(Outcome::Unchanged("it is gone already".into()));
    };
    if !edge::is_ours(desired, record) {
        let message = format!("DNS record {name} does not carry this cluster's comment any more");
        return Err(Failure::new(Kind::Refused, message)
            .hint("it is left alone; delete it in the dashboard if it is yours"));
    }
    context.still_wanted()?;
    api.delete_record(&zone, id).await?;
    context.record(&dropped)?;
    Ok(Outcome::Done)
}
