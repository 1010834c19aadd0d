//! Which life-cycle rules of a bucket would destroy backups (LH-07). Pure.
//!
//! Backups are chains of shared blocks: a rule that goes by age takes the oldest blocks of the newest backup.
//! What is moved to a class that has to be asked for hours before it can be read is as good as gone in a restore.
//! What only ends interrupted uploads, or moves to a class that is read at once, does no harm.

use crate::ports::LifecycleRule;

/// Classes from which nothing is read until it was asked for and restored.
const FROZEN: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// What a bucket's rules do to a folder of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Each with the rule's name, where it holds, and what it destroys.
    pub destroys: Vec<String>,
    /// What takes a second chance away: earlier versions are deleted.
    pub weakens: Vec<String>,
}

/// Judges all rules for what lies below a folder, without slashes at its ends.
pub fn judge(rules: &[LifecycleRule], folder: &str) -> Judgement {
    let mut judgement = Judgement::default();
    for rule in rules.iter().filter(|rule| rule.enabled && covers(rule, folder)) {
        let place = match rule.prefix.as_str() {
            "" => "all of the bucket".to_owned(),
            prefix => format!("`{prefix}`"),
        };
        let name = match rule.id.as_str() {
            "" => format!("a rule without a name for {place}"),
            id => format!("rule `{id}` for {place}"),
        };
        if let Some(when) = &rule.expires {
            judgement.destroys.push(format!("{name} deletes every object {when}"));
        }
        for (when, class) in &rule.moves {
            if FROZEN.contains(&class.as_str()) {
                judgement.destroys.push(format!(
                    "{name} moves every object to {class} {when}, where a restore cannot read it"
                ));
            }
        }
        if let Some(when) = &rule.forgets_versions {
            judgement.weakens.push(format!("{name} deletes earlier versions {when}"));
        }
    }
    judgement
}

/// Whether a rule holds for anything below the folder. Backups carry no tags, so that a rule for tagged objects
/// does not touch them.
fn covers(rule: &LifecycleRule, folder: &str) -> bool {
    let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    !rule.tagged && (below.starts_with(&rule.prefix) || rule.prefix.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str) -> LifecycleRule {
        LifecycleRule {
            id: "cold".into(),
            enabled: true,
            prefix: prefix.into(),
            expires: Some("after 90 days".into()),
            moves: vec![("after 30 days".into(), "GLACIER".into())],
            ..LifecycleRule::default()
        }
    }

    #[test]
    fn a_rule_that_covers_the_folder_is_named_with_what_it_destroys() {
        for prefix in ["", "long", "longhorn/", "longhorn/home/backupstore/"] {
            let judged = judge(&[rule(prefix)], "longhorn/home");
            assert_eq!(judged.destroys.len(), 2, "{prefix}: {judged:?}");
        }
        assert_eq!(
            judge(&[rule("")], "longhorn/home").destroys,
            [
                "rule `cold` for all of the bucket deletes every object after 90 days",
                "rule `cold` for all of the bucket moves every object to GLACIER after 30 days, where a \
                 restore cannot read it"
            ]
        );
    }

    #[test]
    fn a_rule_elsewhere_switched_off_or_for_tagged_objects_is_not_told() {
        let off = LifecycleRule { enabled: false, ..rule("") };
        let tagged = LifecycleRule { tagged: true, ..rule("") };
        for harmless in [rule("logs/"), rule("longhorn/homes/"), off, tagged] {
            assert_eq!(
                judge(std::slice::from_ref(&harmless), "longhorn/home"),
                Judgement::default(),
                "{harmless:?}"
            );
        }
    }

    #[test]
    fn what_is_read_at_once_does_no_harm_and_lost_versions_are_told_apart() {
        let moved = |class: &str| LifecycleRule {
            expires: None,
            moves: vec![("after 30 days".into(), class.into())],
            ..rule("")
        };
        for class in ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"] {
            assert_eq!(judge(&[moved(class)], "k3s/lab"), Judgement::default(), "{class}");
        }
        assert_eq!(judge(&[moved("DEEP_ARCHIVE")], "k3s/lab").destroys.len(), 1);
        let versions =
            LifecycleRule { forgets_versions: Some("after 7 days".into()), ..moved("STANDARD_IA") };
        let judged = judge(&[versions], "k3s/lab");
        assert_eq!((judged.destroys.len(), judged.weakens.len()), (0, 1));
    }
}
