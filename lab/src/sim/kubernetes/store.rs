//! The objects, their revisions, and what became of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{builtin, failure::Failure, fields, resource::Resource};

/// How many changes are kept for those who watch.
pub(super) const HISTORY: usize = 10_000;

/// Where an object stands; the namespace is empty for what has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespace: if resource.namespaced { namespace } else { "" }.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether it is one of a resource, and in the namespace, where one is named.
    pub(super) fn is_of(&self, resource: &Resource, namespace: Option<&str>) -> bool {
        self.group == resource.group
            && self.plural == resource.plural
            && namespace.is_none_or(|namespace| self.namespace == namespace)
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// Everything that the server knows.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) resources: Vec<Arc<Resource>>,
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    history: VecDeque<Change>,
    /// Up to this revision nothing is remembered.
    forgotten: u64,
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            resources: builtin::resources().into_iter().map(Arc::new).collect(),
            objects: BTreeMap::new(),
            revision: 1,
            history: VecDeque::new(),
            forgotten: 0,
        };
        for name in builtin::NAMESPACES {
            let key = Key {
                group: String::new(),
                plural: "namespaces".into(),
                namespace: String::new(),
                name: name.into(),
            };
            let namespace = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "uid": uuid::Uuid::new_v4(),
                    "creationTimestamp": fields::now(),
                    "labels": { "kubernetes.io/metadata.name": name },
                },
                "spec": { "finalizers": ["kubernetes"] },
                "status": { "phase": "Active" },
            });
            state.put(key, namespace);
        }
        state
    }

    /// The number of the last change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    /// Of a resource, in a namespace or in all, by namespace and name.
    pub(super) fn objects(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first = Key {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        self.objects.range(first..).take_while(move |(key, _)| key.is_of(resource, namespace))
    }

    pub(super) fn every_key(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Stores an object under a new revision, and returns it as it is stored.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let after = Arc::new(object.clone());
        let before = self.objects.insert(key.clone(), Arc::clone(&after));
        self.note(Change { revision: self.revision, key, before, after: Some(after) });
        object
    }

    /// Takes an object out, and returns it as it was last.
    pub(super) fn take(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        self.note(Change {
            revision: self.revision,
            key: key.clone(),
            before: Some(Arc::clone(&before)),
            after: None,
        });
        Some(before)
    }

    fn note(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(gone) = self.history.pop_front()
        {
            self.forgotten = gone.revision;
        }
    }

    /// What happened after a revision.
    ///
    /// # Errors
    /// 410 where that is no longer known.
    pub(super) fn changes_since(
        &self,
        revision: u64,
    ) -> Result<impl Iterator<Item = &Change>, Failure> {
        if revision < self.forgotten {
            let message = format!("too old resource version: {revision} ({})", self.forgotten);
            return Err(Failure::new(410, "Expired", message));
        }
        let begin = self.history.partition_point(|change| change.revision <= revision);
        Ok(self.history.range(begin..))
    }

    /// By its name in paths.
    pub(super) fn resource(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<Resource>> {
        self.find(|it| it.group == group && it.version == version && it.plural == plural)
    }

    /// By what an object says of itself.
    pub(super) fn resource_of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.find(|it| it.kind == kind && it.api_version() == api_version)
    }

    /// By its qualified name: `nodes`, `deployments.apps`.
    pub(super) fn resource_named(&self, name: &str) -> Option<Arc<Resource>> {
        self.find(|it| it.qualified() == name)
    }

    fn find(&self, wanted: impl Fn(&Resource) -> bool) -> Option<Arc<Resource>> {
        self.resources.iter().find(|it| wanted(it)).cloned()
    }
}
