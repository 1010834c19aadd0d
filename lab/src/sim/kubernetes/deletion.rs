//! Deleting: finalizers hold an object, a kubelet lets its pods go, and a namespace goes when it is empty.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    failure::Failure,
    resource::Resource,
    store::{Key, State},
    write::is_over,
};

/// What a deletion says besides the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Seconds that a pod has to end; by itself what its spec says.
    pub(super) grace: Option<u64>,
    pub(super) uid: Option<String>,
    pub(super) version: Option<String>,
    pub(super) dry_run: bool,
}

impl Deletion {
    /// From `DeleteOptions`, which may be empty.
    pub(super) fn read(options: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            grace: options["gracePeriodSeconds"].as_i64().map(|it| u64::try_from(it).unwrap_or(1)),
            uid: text(&options["preconditions"]["uid"]),
            version: text(&options["preconditions"]["resourceVersion"]),
            dry_run: options["dryRun"][0] == "All",
        }
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deleted {
    /// As it was last.
    Gone(Value),
    /// It is there until somebody lets it go.
    Ending(Value),
}

impl State {
    /// Deletes an object, or marks it for that.
    ///
    /// # Errors
    /// 404 where it is not there, 409 where it is not the one that was meant.
    pub(super) fn delete(
        &mut self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        deletion: &Deletion,
    ) -> Result<Deleted, Failure> {
        let key = Key::new(resource, namespace, name);
        let mut object = self.shown(resource, &key)?;
        meant(resource, &object, deletion)?;
        let before = object.clone();
        let grace = grace(resource, &object, deletion);
        let metadata = &mut object["metadata"];
        if metadata["deletionTimestamp"].is_null() {
            let span = SignedDuration::from_secs(i64::try_from(grace).unwrap_or_default());
            let end = Timestamp::now().checked_add(span).unwrap_or(Timestamp::MAX);
            metadata["deletionTimestamp"] = json!(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            metadata["deletionGracePeriodSeconds"] = json!(grace);
            if let Some(generation) = metadata["generation"].as_u64() {
                metadata["generation"] = json!(generation + 1);
            }
        } else if metadata["deletionGracePeriodSeconds"].as_u64().is_some_and(|it| grace < it) {
            metadata["deletionGracePeriodSeconds"] = json!(grace);
        }
        if resource.qualified() == "namespaces" {
            object["status"]["phase"] = json!("Terminating");
        }
        let over = is_over(&object);
        if deletion.dry_run {
            return Ok(if over { Deleted::Gone(before) } else { Deleted::Ending(object) });
        }
        if over {
            self.take(&key);
            self.settle(resource);
            return Ok(Deleted::Gone(before));
        }
        if object != before {
            object = self.put(key.clone(), object);
        }
        if resource.qualified() == "namespaces" {
            self.empty(name);
        }
        Ok(if self.object(&key).is_some() {
            Deleted::Ending(object)
        } else {
            Deleted::Gone(object)
        })
    }

    /// Deletes everything in a namespace; what is held keeps it.
    fn empty(&mut self, namespace: &str) {
        let content: Vec<Key> =
            self.every_key().filter(|key| key.namespace == namespace).cloned().collect();
        for key in content {
            let found = self
                .resources
                .iter()
                .find(|it| it.group == key.group && it.plural == key.plural)
                .cloned();
            let Some(resource) = found else { continue };
            // One that is gone meanwhile went with another.
            self.delete(&resource, (namespace, &key.name), &Deletion::default()).ok();
        }
        self.end_namespaces();
    }

    /// Once a resource has changed: definitions serve, and namespaces that are empty go.
    pub(super) fn settle(&mut self, resource: &Resource) {
        if resource.kind == "CustomResourceDefinition" {
            self.serve_definitions();
        }
        self.end_namespaces();
    }

    fn end_namespaces(&mut self) {
        let Some(namespaces) = self.resource("", "v1", "namespaces") else { return };
        let ending: Vec<Key> = self
            .objects(&namespaces, None)
            .filter(|(_, object)| {
                object["status"]["phase"] == "Terminating"
                    && object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in ending {
            if !self.every_key().any(|other| other.namespace == key.name) {
                self.take(&key);
            }
        }
    }
}

fn meant(resource: &Resource, object: &Value, deletion: &Deletion) -> Result<(), Failure> {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (uid, version) = (text(&metadata["uid"]), text(&metadata["resourceVersion"]));
    let why = if deletion.uid.as_ref().is_some_and(|wanted| *wanted != uid) {
        format!(
            "the UID in the precondition ({}) does not match the UID in record ({uid}). The object might have been deleted and then recreated",
            deletion.uid.as_deref().unwrap_or_default()
        )
    } else if deletion.version.as_ref().is_some_and(|wanted| *wanted != version) {
        format!(
            "the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({version}). The object might have been modified",
            deletion.version.as_deref().unwrap_or_default()
        )
    } else {
        return Ok(());
    };
    Err(Failure::conflict(resource, &text(&metadata["name"]), &why))
}

/// A pod that runs has time to end; only its kubelet, which deletes it with no grace, knows when it did.
fn grace(resource: &Resource, object: &Value, deletion: &Deletion) -> u64 {
    let pod = resource.qualified() == "pods";
    let bound = object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !pod || !bound || ended {
        return 0;
    }
    let own = object["metadata"]["deletionGracePeriodSeconds"].as_u64();
    let usual = own.or(object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
    deletion.grace.unwrap_or(usual)
}
