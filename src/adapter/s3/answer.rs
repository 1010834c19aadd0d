//! S3's answers, which are XML.

use quick_xml::{Reader, events::Event};
use serde::{Deserialize, de::DeserializeOwned};

use crate::ports::LifecycleRule;

/// An answer of the kind that was asked for: a page that asks somebody to log in, and an error, come with status 200,
/// too, and have no rules in them either.
fn of_kind<T: DeserializeOwned>(text: &str, root: &str) -> Result<T, String> {
    match root_name(text)? {
        name if name == root => {
            ends_with_its_root(text)?;
            quick_xml::de::from_str(text).map_err(|error| error.to_string())
        }
        name if name == "Error" => {
            let Complaint { code, message } = complaint(text);
            Err(format!("it is an error: {code} {message}"))
        }
        name => Err(format!("it is `{name}`, not `{root}`")),
    }
}

/// The name of the outermost element, without a prefix.
fn root_name(text: &str) -> Result<String, String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) | Event::Empty(element) => {
                return Ok(String::from_utf8_lossy(element.local_name().as_ref()).into_owned());
            }
            Event::Eof => return Err("it is no XML".to_owned()),
            _ => {}
        }
    }
}

/// What stands behind the outermost element would be passed over: rules that went astray are none that are not there.
fn ends_with_its_root(text: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut elements) = (0_usize, 0_usize);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(_) => {
                elements += usize::from(depth == 0);
                depth += 1;
            }
            Event::Empty(_) => elements += usize::from(depth == 0),
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof if depth > 0 => return Err("it breaks off".to_owned()),
            Event::Eof => return Ok(()),
            _ => {}
        }
        if elements > 1 {
            return Err("it goes on behind its end".to_owned());
        }
    }
}

/// Whether it is the list of a bucket.
///
/// # Errors
/// What it is instead.
pub(super) fn listing(text: &str) -> Result<(), String> {
    of_kind::<serde::de::IgnoredAny>(text, "ListBucketResult").map(drop)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    contents: Vec<Object>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Object {
    key: String,
}

/// The first key of a list; `None` where nothing is listed.
///
/// # Errors
/// What it is instead of a list.
pub(super) fn first_key(text: &str) -> Result<Option<String>, String> {
    let listed: Listed = of_kind(text, "ListBucketResult")?;
    Ok(listed.contents.into_iter().next().map(|object| object.key))
}

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
    let read: Configuration = of_kind(text, "LifecycleConfiguration")?;
    let rule = |rule: Rule| {
        // One that is not known to be off must not be taken for harmless.
        let enabled = match rule.status.trim() {
            "Enabled" => true,
            "Disabled" => false,
            other => return Err(format!("rule `{}` has the status `{other}`", rule.id)),
        };
        let filter = rule.filter.unwrap_or_default();
        let and = filter.and.unwrap_or_default();
        Ok(LifecycleRule {
            id: rule.id,
            enabled,
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
        })
    };
    read.rules.into_iter().map(rule).collect()
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
    let read: Encryption = of_kind(text, "ServerSideEncryptionConfiguration")?;
    let applied =
        read.rules.into_iter().filter_map(|rule| rule.apply_server_side_encryption_by_default);
    Ok(applied.map(|applied| applied.algorithm).find(|algorithm| !algorithm.is_empty()))
}

#[cfg(test)]
mod damage;
