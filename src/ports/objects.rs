//! Kubernetes objects of any kind, as JSON.

use std::future::Future;

use serde_json::Value;

use super::ClusterError;

/// A kind as the API serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// The resource's name in paths.
    pub plural: &'static str,
}

/// Reading and writing objects.
pub trait Objects: Send + Sync {
    /// The objects of a namespace, or of all; none where the kind is not served.
    fn list(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Value>, ClusterError>> + Send;

    /// One object of a namespace, which is empty where the kind has none; `None` where it is not there or its kind is not served.
    fn get(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Value>, ClusterError>> + Send;

    /// Applies an object server-side under our field manager, never forced: what it names is ours from now
    /// on, and what it no longer names and was ours is given up.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] with status 409 where somebody else owns a field with another value, and
    /// with 404 where its kind is not served (yet).
    fn apply(&self, object: &Value) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Deletes an object and what depends on it; one that is gone already is fine. It may be there for a while
    /// yet. The namespace is empty where the kind has none.
    fn delete(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Sets annotations of an object, whoever owns them: requests to controllers.
    fn annotate(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
        annotations: &[(&str, &str)],
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}
