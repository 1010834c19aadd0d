//! Whether Longhorn's live settings are what the tree asks for: some count at the first installation alone, and
//! all can be changed on its page (LH-08).

use serde_json::Value;

use crate::{
    inventory::desired::Longhorn,
    plan::longhorn::LonghornSight,
    stage::check::{Check, Finding},
};

/// What `templates/gitops/longhorn/release.yaml` sets and data depends on, as Longhorn's API names it.
fn wanted(longhorn: &Longhorn) -> [(&'static str, String); 6] {
    [
        ("default-replica-count", longhorn.replicas.to_string()),
        ("replica-soft-anti-affinity", "false".into()),
        ("create-default-disk-labeled-nodes", "true".into()),
        ("node-drain-policy", "block-if-contains-last-replica".into()),
        ("allow-recurring-job-while-volume-detached", "true".into()),
        ("concurrent-replica-rebuild-per-node-limit", "1".into()),
    ]
}

pub(super) fn check(longhorn: &Longhorn, seen: &LonghornSight) -> Check {
    let differs = |(name, wanted): &(&str, String)| {
        let found = plain(seen.settings.get(*name)?);
        (found != *wanted).then(|| format!("{name} is {found}, wanted {wanted}"))
    };
    let differences: Vec<String> = wanted(longhorn).iter().filter_map(differs).collect();
    let finding: Finding = if differences.is_empty() {
        Ok("as the tree asks for them".into())
    } else {
        let next = "set them on its page, under Settings: a Helm release changes none that is there already";
        Err((differences.join("; "), next.into()))
    };
    Check::of("longhorn/setting", None, "Longhorn's settings are the tree's", finding)
}

/// Since 1.10 some settings have a value for each data engine, as JSON: `{"v1":"2","v2":"2"}`. Ours is the first.
fn plain(value: &str) -> String {
    match serde_json::from_str::<Value>(value) {
        Ok(Value::Object(engines)) => {
            let first = engines.get("v1").cloned().unwrap_or_default();
            first.as_str().map_or_else(|| first.to_string(), str::to_owned)
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is compared is what is rendered: the names differ in their spelling alone.
    #[test]
    fn each_setting_that_is_compared_is_one_of_the_tree() {
        let template = include_str!("../../../../templates/gitops/longhorn/release.yaml");
        let (_, settings) = template.split_once("defaultSettings:").unwrap();
        let spelt = |name: &str| {
            let mut words = name.split('-');
            let first = words.next().unwrap().to_owned();
            words.fold(first, |whole, word| {
                let (head, tail) = word.split_at(1);
                whole + &head.to_uppercase() + tail
            })
        };
        let longhorn = Longhorn {
            replicas: 2,
            default_class: true,
            trial_image: String::new(),
            backup: None,
            recurring_jobs: Default::default(),
        };
        for (name, value) in wanted(&longhorn) {
            let key = format!("      {}: ", spelt(name));
            let line = settings.lines().find_map(|line| line.strip_prefix(&key));
            let line = line.unwrap_or_else(|| panic!("{key} is not in the template"));
            assert!(line == value || line.contains("<{ replicas }>"), "{key}{line}");
        }
        assert_eq!(plain(r#"{"v1":"2","v2":"3"}"#), "2");
        assert_eq!(plain("true"), "true");
    }
}
