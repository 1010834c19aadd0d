//! Which objects a list or a watch is about.

use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// Labels and fields that an object must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    /// Path, value, and whether it must have it.
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// From `labelSelector` and `fieldSelector` of a question.
    ///
    /// # Errors
    /// 400 for what cannot be read, and for a field that the resource is not selected by.
    pub(super) fn read(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Failure> {
        let mut selector = Self { labels: requirements(labels)?, fields: Vec::new() };
        for term in fields.split(',').filter(|term| !term.is_empty()) {
            let (path, value, wanted) = match term.split_once("!=") {
                Some((path, value)) => (path, value, false),
                None => {
                    let (path, value) = term
                        .split_once("==")
                        .or_else(|| term.split_once('='))
                        .ok_or_else(|| {
                            let why =
                                format!("invalid selector: '{term}'; can't understand '{term}'");
                            Failure::bad_request(why)
                        })?;
                    (path, value, true)
                }
            };
            if !selectable(resource, path) {
                return Err(Failure::bad_request(format!("field label not supported: {path}")));
            }
            selector.fields.push((path.to_owned(), value.to_owned(), wanted));
        }
        Ok(selector)
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels))
            && self.fields.iter().all(|(path, value, wanted)| {
                let found = path.split('.').fold(object, |at, name| &at[name]);
                (text(found) == *value) == *wanted
            })
    }
}

/// As the server's converters write a field; an absent one is empty.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn selectable(resource: &Resource, path: &str) -> bool {
    matches!(path, "metadata.name" | "metadata.namespace")
        || match resource.plural.as_str() {
            "pods" => matches!(
                path,
                "spec.nodeName"
                    | "spec.restartPolicy"
                    | "spec.schedulerName"
                    | "spec.serviceAccountName"
                    | "spec.hostNetwork"
                    | "status.phase"
                    | "status.podIP"
                    | "status.nominatedNodeName"
            ),
            "nodes" => path == "spec.unschedulable",
            "namespaces" => path == "status.phase",
            "secrets" => path == "type",
            "events" => {
                path.starts_with("involvedObject.") || matches!(path, "reason" | "type" | "source")
            }
            _ => false,
        }
}

fn requirements(text: &str) -> Result<Vec<Requirement>, Failure> {
    let mut terms = vec![String::new()];
    let mut within = false;
    for character in text.chars() {
        within = match character {
            '(' => true,
            ')' => false,
            _ => within,
        };
        match terms.last_mut() {
            Some(term) if character != ',' || within => term.push(character),
            _ => terms.push(String::new()),
        }
    }
    terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).map(requirement).collect()
}

fn requirement(term: &str) -> Result<Requirement, Failure> {
    let values = |list: &str| {
        let list = list.trim().trim_start_matches('(').trim_end_matches(')');
        list.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let key = |key: &str| key.trim().to_owned();
    Ok(if let Some(name) = term.strip_prefix('!') {
        Requirement::Absent(key(name))
    } else if let Some((name, list)) = term.split_once(" notin ") {
        Requirement::NotIn(key(name), values(list))
    } else if let Some((name, list)) = term.split_once(" in ") {
        Requirement::In(key(name), values(list))
    } else if let Some((name, value)) = term.split_once("!=") {
        Requirement::NotIn(key(name), values(value))
    } else if let Some((name, value)) = term.split_once('=') {
        Requirement::In(key(name), values(value.trim_start_matches('=')))
    } else if term.contains([' ', '(', ')']) {
        return Err(Failure::bad_request(format!("unable to parse requirement: {term}")));
    } else {
        Requirement::Exists(key(term))
    })
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let one_of = |name: &str, values: &[String]| {
            labels[name].as_str().is_some_and(|label| values.iter().any(|value| value == label))
        };
        match self {
            Self::In(name, values) => one_of(name, values),
            Self::NotIn(name, values) => !one_of(name, values),
            Self::Exists(name) => labels[name].is_string(),
            Self::Absent(name) => !labels[name].is_string(),
        }
    }
}

/// Whether labels are what a `LabelSelector` asks for; an empty one asks for nothing, and matches nothing.
pub(super) fn selected(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    let terms = equal.map_or(0, |it| it.len()) + expressions.map_or(0, Vec::len);
    terms > 0
        && equal.into_iter().flatten().all(|(name, value)| labels[name] == *value)
        && expressions.into_iter().flatten().all(|term| {
            let name = term["key"].as_str().unwrap_or_default().to_owned();
            let values = term["values"].as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
            match term["operator"].as_str() {
                Some("In") => Requirement::In(name, values),
                Some("NotIn") => Requirement::NotIn(name, values),
                Some("Exists") => Requirement::Exists(name),
                _ => Requirement::Absent(name),
            }
            .holds(labels)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sim::kubernetes::builtin;

    #[test]
    fn labels_and_fields_select() {
        let resources = builtin::resources();
        let pods = resources.iter().find(|resource| resource.plural == "pods").unwrap();
        let pod = json!({
            "metadata": { "name": "web-1", "labels": { "app": "web", "tier": "front" } },
            "spec": { "nodeName": "k3s-agent" },
        });
        for (labels, fields, wanted) in [
            ("app=web", "spec.nodeName=k3s-agent", true),
            ("app in (api, web),tier", "metadata.name==web-1", true),
            ("app notin (api,web)", "", false),
            ("!tier", "", false),
            ("absent!=x", "spec.nodeName!=k3s-agent", false),
            ("", "status.phase=", true),
        ] {
            let selector = Selector::read(pods, labels, fields).unwrap();
            assert_eq!(selector.matches(&pod), wanted, "{labels} {fields}");
        }
        let failure = Selector::read(pods, "", "spec.volumes=x").unwrap_err();
        assert_eq!(failure.message, "field label not supported: spec.volumes");
    }
}
