//! What the models of the world do with objects. A resource is named as `kubectl` does: `nodes`,
//! `deployments.apps`; the namespace is empty for what has none.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kubernetes,
    deletion::{Deleted, Deletion},
    failure::Failure,
    patch::Patch,
    resource::Resource,
    store::{Key, State},
    write::{Write, versioned},
};

impl Kubernetes {
    /// Makes an object.
    ///
    /// # Errors
    /// As the API: 409 for one that is there, 404 for a kind that is not served, and so on.
    pub fn create(&self, manager: &str, object: &Value) -> Result<Value, Failure> {
        self.change(|state| {
            let resource = of_object(state, object)?;
            let namespace = namespace(&resource, object);
            state.create(&resource, namespace, object.clone(), &Write::by(manager))
        })
    }

    /// Applies an object server-side, as controllers do: fields of others are taken over.
    ///
    /// # Errors
    /// As the API, but no conflicts.
    pub fn apply(&self, manager: &str, object: &Value) -> Result<Value, Failure> {
        self.change(|state| {
            let resource = of_object(state, object)?;
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let place = (namespace(&resource, object), name);
            state.apply(&resource, place, object.clone(), true, &Write::by(manager))
        })
    }

    /// Merges a patch into an object.
    ///
    /// # Errors
    /// As the API: 404 where it is not there.
    pub fn patch(
        &self,
        manager: &str,
        resource: &str,
        (namespace, name): (&str, &str),
        patch: &Value,
    ) -> Result<Value, Failure> {
        self.merge(&Write::by(manager), resource, (namespace, name), patch)
    }

    /// Merges a patch into the status of an object: `{"phase": "Running"}`.
    ///
    /// # Errors
    /// As the API: 404 where it is not there.
    pub fn patch_status(
        &self,
        manager: &str,
        resource: &str,
        (namespace, name): (&str, &str),
        status: &Value,
    ) -> Result<Value, Failure> {
        let patch = json!({ "status": status });
        self.merge(&Write::to_status(manager), resource, (namespace, name), &patch)
    }

    fn merge(
        &self,
        write: &Write<'_>,
        resource: &str,
        place: (&str, &str),
        patch: &Value,
    ) -> Result<Value, Failure> {
        let patch = Patch::Merge(patch.clone());
        self.change(|state| {
            let resource = named(state, resource)?;
            // What has no status of its own is written whole.
            let subresource = if resource.status { write.subresource } else { "" };
            let write = Write { subresource, ..write.clone() };
            state.alter(&resource, place, &write, |live| patch.of(&resource, live))
        })
    }

    /// An object; `None` where it is not there or its kind is not served.
    pub fn get(&self, resource: &str, (namespace, name): (&str, &str)) -> Option<Value> {
        let state = self.state();
        let resource = state.resource_named(resource)?;
        state.shown(&resource, &Key::new(&resource, namespace, name)).ok()
    }

    /// The objects of a namespace or of all, by namespace and name; none where the kind is not served.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Value> {
        let state = self.state();
        let Some(resource) = state.resource_named(resource) else { return Vec::new() };
        let version = resource.api_version();
        state.objects(&resource, namespace).map(|(_, object)| versioned(object, &version)).collect()
    }

    /// How a kind of a group is named here, in whatever version; `None` where it is not served.
    pub fn resource_of(&self, group: &str, kind: &str) -> Option<String> {
        let state = self.state();
        let found = state.resources.iter().find(|it| it.group == group && it.kind == kind);
        found.map(|resource| resource.qualified())
    }

    /// Every object that there is, each with its kind.
    pub fn everything(&self) -> Vec<Value> {
        let state = self.state();
        let objects = state.every_key().filter_map(|key| state.object(key));
        objects.map(|object| Value::clone(&object)).collect()
    }

    /// What is found in the objects of a kind, in their order: read where they are, since a copy of each of
    /// hundreds of nodes for each of them is what a world would spend its time with.
    pub fn find<T>(&self, resource: &str, found: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let state = self.state();
        let Some(resource) = state.resource_named(resource) else { return Vec::new() };
        state.objects(&resource, None).filter_map(|(_, object)| found(object)).collect()
    }

    /// Deletes an object, as anybody does: whether it is gone at once. Finalizers hold it, and its kubelet holds a
    /// pod that runs.
    ///
    /// # Errors
    /// As the API: 404 where it is not there.
    pub fn delete(&self, resource: &str, place: (&str, &str)) -> Result<bool, Failure> {
        self.end(resource, place, &Deletion::default())
    }

    /// Deletes a pod that has ended, as its kubelet does.
    ///
    /// # Errors
    /// As the API: 404 where it is not there.
    pub fn let_go(&self, namespace: &str, pod: &str) -> Result<bool, Failure> {
        let deletion = Deletion { grace: Some(0), ..Deletion::default() };
        self.end("pods", (namespace, pod), &deletion)
    }

    fn end(
        &self,
        resource: &str,
        place: (&str, &str),
        deletion: &Deletion,
    ) -> Result<bool, Failure> {
        self.change(|state| {
            let resource = named(state, resource)?;
            let deleted = state.delete(&resource, place, deletion)?;
            Ok(matches!(deleted, Deleted::Gone(_)))
        })
    }
}

fn named(state: &State, name: &str) -> Result<Arc<Resource>, Failure> {
    state.resource_named(name).ok_or_else(|| {
        let message = format!("the server doesn't have a resource type {name:?}");
        Failure::new(404, "NotFound", message)
    })
}

fn of_object(state: &State, object: &Value) -> Result<Arc<Resource>, Failure> {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    state.resource_of_kind(version, kind).ok_or_else(|| {
        let message = format!("no matches for kind {kind:?} in version {version:?}");
        Failure::new(404, "NotFound", message)
    })
}

/// What names none is in `default`.
fn namespace<'a>(resource: &Resource, object: &'a Value) -> &'a str {
    let own = object["metadata"]["namespace"].as_str().filter(|own| !own.is_empty());
    if resource.namespaced { own.unwrap_or("default") } else { "" }
}
