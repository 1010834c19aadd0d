//! CustomResourceDefinitions: an object of theirs makes the server serve its resource.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    fields,
    resource::Resource,
    store::{Key, State},
};

impl State {
    /// Serves what the definitions that are there define, and nothing else besides the server's own.
    pub(super) fn serve_definitions(&mut self) {
        let Some(definitions) =
            self.resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        else {
            return;
        };
        let there: Vec<(Key, Arc<Value>)> = self
            .objects(&definitions, None)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        self.resources.retain(|resource| !resource.custom);
        for (_, definition) in &there {
            self.resources.extend(Resource::of_definition(definition).into_iter().map(Arc::new));
        }
        self.drop_undefined();
        for (key, definition) in there {
            let mut object = Value::clone(&definition);
            establish(&mut object);
            if object != *definition {
                self.put(key, object);
            }
        }
    }

    /// The objects of a definition go with it.
    fn drop_undefined(&mut self) {
        let served: BTreeSet<(String, String)> =
            self.resources.iter().map(|it| (it.group.clone(), it.plural.clone())).collect();
        let lost: Vec<Key> = self
            .every_key()
            .filter(|key| !served.contains(&(key.group.clone(), key.plural.clone())))
            .cloned()
            .collect();
        for key in lost {
            self.take(&key);
        }
    }
}

/// What its controllers note in a definition; the real ones take a moment.
fn establish(definition: &mut Value) {
    let now = fields::now();
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": "True",
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        })
    };
    let mut names = definition["spec"]["names"].clone();
    if names["singular"].is_null() {
        let kind = names["kind"].as_str().unwrap_or_default();
        names["singular"] = json!(kind.to_lowercase());
    }
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> = versions
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    let status = &mut definition["status"];
    if !status["conditions"].is_array() {
        status["conditions"] = json!([
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                "InitialNamesAccepted",
                "the initial names have been accepted"
            ),
        ]);
    }
    status["acceptedNames"] = names;
    status["storedVersions"] = json!(stored);
}
