//! S3's answers, which are XML.

use serde::Deserialize;

use crate::ports::LifecycleRule;

/// Why something was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Complaint {
    pub(super) code: String,
    pub(super) message: String,
}

/// What a refusal says; empty where it says nothing.
pub(super) fn complaint(text: &str) -> Complaint {
    quick_xml::de::from_str(text).unwrap_or_default()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    #[serde(rename = "Rule")]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    #[serde(rename = "ID")]
    id: String,
    status: String,
    /// Of the form before `Filter`.
    prefix: Option<String>,
    filter: Option<Filter>,
    expiration: Option<When>,
    #[serde(rename = "Transition")]
    transitions: Vec<Transition>,
    noncurrent_version_expiration: Option<Noncurrent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    prefix: Option<String>,
    tag: Option<serde::de::IgnoredAny>,
    and: Option<And>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct And {
    prefix: Option<String>,
    #[serde(rename = "Tag")]
    tags: Vec<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct When {
    days: Option<u32>,
    date: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Transition {
    days: Option<u32>,
    date: Option<String>,
    storage_class: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Noncurrent {
    noncurrent_days: Option<u32>,
}

fn moment(days: Option<u32>, date: Option<&str>) -> Option<String> {
    match (days, date) {
        (Some(days), _) => Some(format!("after {days} days")),
        (None, Some(date)) => Some(format!("on {}", date.split('T').next().unwrap_or(date))),
        // Markers of deleted objects alone.
        (None, None) => None,
    }
}

/// A bucket's rules.
///
/// # Errors
/// What cannot be read, and where.
pub(super) fn lifecycle(text: &str) -> Result<Vec<LifecycleRule>, String> {
    let read: Configuration = quick_xml::de::from_str(text).map_err(|error| error.to_string())?;
    let rule = |rule: Rule| {
        let filter = rule.filter.unwrap_or_default();
        let and = filter.and.unwrap_or_default();
        LifecycleRule {
            id: rule.id,
            enabled: rule.status == "Enabled",
            prefix: filter.prefix.or(and.prefix).or(rule.prefix).unwrap_or_default(),
            tagged: filter.tag.is_some() || !and.tags.is_empty(),
            expires: rule.expiration.and_then(|when| moment(when.days, when.date.as_deref())),
            moves: rule
                .transitions
                .into_iter()
                .filter_map(|one| Some((moment(one.days, one.date.as_deref())?, one.storage_class)))
                .collect(),
            forgets_versions: rule
                .noncurrent_version_expiration
                .and_then(|it| moment(it.noncurrent_days, None)),
        }
    };
    Ok(read.rules.into_iter().map(rule).collect())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Encryption {
    #[serde(rename = "Rule")]
    rules: Vec<EncryptionRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EncryptionRule {
    apply_server_side_encryption_by_default: Option<Applied>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Applied {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: String,
}

/// The algorithm by which a bucket encrypts.
///
/// # Errors
/// What cannot be read, and where.
pub(super) fn encryption(text: &str) -> Result<Option<String>, String> {
    let read: Encryption = quick_xml::de::from_str(text).map_err(|error| error.to_string())?;
    let applied =
        read.rules.into_iter().filter_map(|rule| rule.apply_server_side_encryption_by_default);
    Ok(applied.map(|applied| applied.algorithm).find(|algorithm| !algorithm.is_empty()))
}
