//! Whether backups would be kept where they are to go, before anything is made that sends them there.

use crate::{
    engine::Run,
    error::Result,
    event::Event,
    observe::{self, BucketSight, Purpose},
    plan::{Refusal, bucket::judge},
    ports::{BucketError, World},
    stage::cluster::datastore,
};

/// Refuses what is known to lose backups; what cannot be known from here is said.
pub(super) async fn check<W: World>(run: &Run<W>, purposes: &[Purpose]) -> Result<()> {
    let mut refusals = Vec::new();
    for sight in observe::buckets(run, &[]).await {
        if !purposes.contains(&sight.purpose) {
            continue;
        }
        if let (Purpose::Datastore, Some(why)) = (sight.purpose, &sight.keyless) {
            return Err(datastore::missing_key(why));
        }
        let (refused, said) = judged(&sight);
        refusals.extend(refused);
        for text in said {
            run.events.send(Event::Warning { step: None, text });
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(Refusal::failure(&refusals)) }
}

pub(super) fn judged(sight: &BucketSight) -> (Vec<Refusal>, Vec<String>) {
    let about = format!("backups of {}", sight.purpose.name());
    let mut said = Vec::new();
    if let Some(why) = &sight.keyless {
        said.push(format!("not checked: the bucket for {about}: {why}"));
        return (Vec::new(), said);
    }
    match &sight.reach {
        Ok(()) => {}
        // The nodes may have another way there.
        Err(error @ (BucketError::Unreachable { .. } | BucketError::Unsupported { .. })) => {
            said.push(format!("not checked: the bucket for {about}: {error}"));
            return (Vec::new(), said);
        }
        Err(error) => return (vec![Refusal::new(about, error.to_string(), error.next())], said),
    }
    match &sight.rules {
        Some(Ok(rules)) => {
            let judged = judge(rules, &sight.prefix);
            said.extend(judged.weakens.into_iter().map(|text| format!("{about}: {text}")));
            let hint = "take the rule away, or give it a prefix of its own (LH-07)";
            let refused = judged.destroys.into_iter();
            let refused = refused.map(|text| Refusal::new(about.clone(), text, hint)).collect();
            (refused, said)
        }
        Some(Err(error)) => {
            said.push(format!("not checked: life-cycle rules for {about}: {error}"));
            (Vec::new(), said)
        }
        None => (Vec::new(), said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::LifecycleRule;

    fn sight(
        reach: std::result::Result<(), BucketError>,
        rules: Vec<LifecycleRule>,
    ) -> BucketSight {
        BucketSight {
            purpose: Purpose::Volumes,
            place: String::new(),
            prefix: "longhorn/home".into(),
            keyless: None,
            reach,
            rules: Some(Ok(rules)),
            encryption: None,
            objects: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn what_loses_backups_is_refused_and_what_cannot_be_known_is_said() {
        let rule = LifecycleRule {
            id: "tidy".into(),
            enabled: true,
            expires: Some("after 90 days".into()),
            forgets_versions: Some("after 7 days".into()),
            ..LifecycleRule::default()
        };
        let (refused, said) = judged(&sight(Ok(()), vec![rule]));
        assert_eq!(refused.len(), 1);
        assert!(refused[0].message.contains("rule `tidy`"), "{refused:?}");
        assert_eq!(said.len(), 1, "{said:?}");
        let away = BucketError::Unreachable { endpoint: "http://s3".into(), reason: "gone".into() };
        let (refused, said) = judged(&sight(Err(away), Vec::new()));
        assert_eq!((refused.len(), said.len()), (0, 1));
        let closed = BucketError::NoBucket { endpoint: "http://s3".into(), bucket: "b".into() };
        assert_eq!(judged(&sight(Err(closed), Vec::new())).0.len(), 1);
        assert_eq!(judged(&sight(Ok(()), Vec::new())), (Vec::new(), Vec::new()));
    }
}
