//! Creating and changing objects, as the generic registry of `k8s.io/apiserver` does.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    defaults,
    failure::Failure,
    fields::{self, Writer},
    form::{named, no_new_finalizers, placed, typed},
    reach::{kept, lasting, reset, restricted},
    resource::Resource,
    store::{Key, State},
};

/// Who writes, through which path, and whether for good.
#[derive(Clone, Debug)]
pub(super) struct Write<'a> {
    pub(super) manager: &'a str,
    /// `status`, or empty.
    pub(super) subresource: &'a str,
    /// Nothing is stored.
    pub(super) dry_run: bool,
}

impl<'a> Write<'a> {
    pub(super) fn by(manager: &'a str) -> Self {
        Self { manager, subresource: "", dry_run: false }
    }

    pub(super) fn to_status(manager: &'a str) -> Self {
        Self { manager, subresource: "status", dry_run: false }
    }

    fn noted<T>(&self, version: &str, with: impl FnOnce(&Writer<'_>) -> T) -> T {
        with(&Writer { manager: self.manager, version, subresource: self.subresource })
    }
}

impl State {
    /// Makes an object; its name may be asked of the server by `generateName`.
    ///
    /// # Errors
    /// 400 for what is no such object, 403 and 404 where its namespace takes nothing, 409 for one that is there.
    pub(super) fn create(
        &mut self,
        resource: &Resource,
        namespace: &str,
        object: Value,
        write: &Write<'_>,
    ) -> Result<Value, Failure> {
        let mut object = self.admitted(resource, namespace, object)?;
        let version = resource.api_version();
        write.noted(&version, |writer| {
            fields::update(None, &mut object, &resource.schema, writer);
        });
        self.begin(resource, object, write)
    }

    /// An object that is to come to be, as the server takes it.
    fn admitted(
        &self,
        resource: &Resource,
        namespace: &str,
        mut object: Value,
    ) -> Result<Value, Failure> {
        typed(resource, &mut object)?;
        placed(resource, namespace, &mut object)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|it| !it.is_empty()) {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Failure::new(500, "", message));
        }
        if resource.namespaced {
            self.takes_new_objects(resource, namespace, &name)?;
        }
        if resource.status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        defaults::fill(resource, &mut object);
        Ok(object)
    }

    fn takes_new_objects(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(), Failure> {
        let spaces = self.resource("", "v1", "namespaces");
        let Some(spaces) = spaces else { return Ok(()) };
        let Some(found) = self.object(&Key::new(&spaces, "", namespace)) else {
            return Err(Failure::not_found(&spaces, namespace));
        };
        if found["status"]["phase"] != "Terminating" {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let cause = format!("namespace {namespace} is being terminated");
        Err(Failure::forbidden(resource, name, &why).because(
            "NamespaceTerminating",
            &cause,
            "metadata.namespace",
        ))
    }

    /// Gives a new object what the server alone gives, and stores it.
    fn begin(
        &mut self,
        resource: &Resource,
        mut object: Value,
        write: &Write<'_>,
    ) -> Result<Value, Failure> {
        let metadata = &mut object["metadata"];
        if metadata["name"].as_str().is_none_or(str::is_empty) {
            let Some(prefix) = metadata["generateName"].as_str().filter(|it| !it.is_empty()) else {
                let why = "name or generateName is required";
                return Err(Failure::invalid(
                    (&resource.group, &resource.kind),
                    "",
                    ("FieldValueRequired", "metadata.name", &format!("Required value: {why}")),
                ));
            };
            let suffix = uuid::Uuid::new_v4().simple().to_string();
            metadata["name"] = json!(format!("{prefix}{}", &suffix[..5]));
        }
        metadata["uid"] = json!(uuid::Uuid::new_v4());
        metadata["creationTimestamp"] = json!(fields::now());
        if let Some(metadata) = metadata.as_object_mut() {
            for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
                metadata.remove(name);
            }
            if resource.generation {
                metadata.insert("generation".into(), json!(1));
            }
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let key = Key::new(resource, namespace, &name);
        if let Some(there) = self.object(&key) {
            let ending = !there["metadata"]["deletionTimestamp"].is_null();
            return Err(Failure::already_exists(resource, &name, ending));
        }
        if write.dry_run {
            return Ok(object);
        }
        let object = self.put(key, object);
        self.settle(resource);
        Ok(object)
    }

    /// Lays a configuration over the object of its name, or makes it.
    ///
    /// # Errors
    /// 409 with a cause for each field that somebody else manages with another value, unless it is forced; and as
    /// any write.
    pub(super) fn apply(
        &mut self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        mut configuration: Value,
        force: bool,
        write: &Write<'_>,
    ) -> Result<Value, Failure> {
        typed(resource, &mut configuration)?;
        if !configuration["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        placed(resource, namespace, &mut configuration)?;
        named(name, &configuration)?;
        configuration["metadata"]["name"] = json!(name);
        reset(resource, write.subresource, &mut configuration);
        let key = Key::new(resource, namespace, name);
        let live = self.object(&key);
        if live.is_none() && !write.subresource.is_empty() {
            return Err(Failure::not_found(resource, name));
        }
        let version = resource.api_version();
        let live = live.map(|live| versioned(&live, &version));
        if live.is_none()
            && let Some(uid) = configuration["metadata"]["uid"].as_str()
        {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Failure::conflict(resource, name, &why));
        }
        let applied = write.noted(&version, |writer| {
            fields::apply(live.as_ref(), &configuration, &resource.schema, writer, force)
        });
        let applied = applied.map_err(|conflicts| Failure::conflicts(&conflicts))?;
        match live {
            Some(live) => self.change(resource, key, &live, applied, write),
            None => {
                let object = self.admitted(resource, namespace, applied)?;
                self.begin(resource, object, write)
            }
        }
    }

    /// Changes an object that is there: `make` says how it is to be.
    ///
    /// # Errors
    /// 404 where it is not, 409 where it is no longer at the version that the new one names; and what `make` says.
    pub(super) fn alter(
        &mut self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        write: &Write<'_>,
        make: impl FnOnce(&Value) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let key = Key::new(resource, namespace, name);
        let version = resource.api_version();
        let live = self.object(&key).ok_or_else(|| Failure::not_found(resource, name))?;
        let live = versioned(&live, &version);
        let mut after = make(&live)?;
        typed(resource, &mut after)?;
        placed(resource, namespace, &mut after)?;
        named(name, &after)?;
        let after = restricted(resource, write.subresource, &live, after);
        let mut after = kept(&live, after);
        write.noted(&version, |writer| {
            fields::update(Some(&live), &mut after, &resource.schema, writer);
        });
        self.change(resource, key, &live, after, write)
    }

    /// Stores what an object has become.
    fn change(
        &mut self,
        resource: &Resource,
        key: Key,
        live: &Value,
        after: Value,
        write: &Write<'_>,
    ) -> Result<Value, Failure> {
        let before = &live["metadata"];
        if let Some(wanted) = after["metadata"]["resourceVersion"].as_str()
            && !wanted.is_empty()
            && before["resourceVersion"] != wanted
        {
            return Err(Failure::outdated(resource, &key.name));
        }
        if let Some(uid) = after["metadata"]["uid"].as_str()
            && before["uid"] != uid
        {
            let why = format!("Invalid value: {uid:?}: field is immutable");
            return Err(Failure::invalid(
                (&resource.group, &resource.kind),
                &key.name,
                ("FieldValueInvalid", "metadata.uid", &why),
            ));
        }
        let mut after = lasting(live, after);
        defaults::fill(resource, &mut after);
        no_new_finalizers(resource, live, &after)?;
        if resource.generation && counts(live) != counts(&after) {
            let generation = before["generation"].as_u64().unwrap_or_default();
            after["metadata"]["generation"] = json!(generation + 1);
        }
        if after == *live || write.dry_run {
            return Ok(after);
        }
        if is_over(&after) {
            self.take(&key);
            self.settle(resource);
            return Ok(after);
        }
        let after = self.put(key, after);
        self.settle(resource);
        Ok(after)
    }

    /// The object of a key as a version of its resource shows it.
    pub(super) fn shown(&self, resource: &Resource, key: &Key) -> Result<Value, Failure> {
        let object = self.object(key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
        Ok(versioned(&object, &resource.api_version()))
    }
}

/// In another version: nothing but its name changes.
pub(super) fn versioned(object: &Arc<Value>, version: &str) -> Value {
    let mut object = Value::clone(object);
    object["apiVersion"] = json!(version);
    object
}

/// Whether nothing keeps an object that is being deleted.
pub(super) fn is_over(object: &Value) -> bool {
    let metadata = &object["metadata"];
    !metadata["deletionTimestamp"].is_null()
        && metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or_default() == 0
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty)
        // A namespace has finalizers of its own: its end is not a write's.
        && object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// What `metadata.generation` counts: everything but metadata and status.
fn counts(object: &Value) -> Map<String, Value> {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    for name in ["metadata", "status", "apiVersion"] {
        fields.remove(name);
    }
    fields
}
