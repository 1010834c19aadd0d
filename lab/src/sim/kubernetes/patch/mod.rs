//! Patches other than an apply.

mod strategic;

use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// A patch, by the content type of its request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902.
    Json(json_patch::Patch),
    /// A merge that knows lists by their keys; not for custom resources.
    Strategic(Value),
}

impl Patch {
    /// The object as the patch makes it.
    ///
    /// # Errors
    /// 415 for a strategic patch of a custom resource, 422 for a JSON patch that does not fit.
    pub(super) fn of(&self, resource: &Resource, live: &Value) -> Result<Value, Failure> {
        let mut object = live.clone();
        match self {
            Self::Merge(patch) => json_patch::merge(&mut object, patch),
            Self::Json(patch) => {
                json_patch::patch(&mut object, patch).map_err(|error| {
                    let message = format!(
                        "the server rejected our request due to an error in our request: {error}"
                    );
                    Failure::new(422, "Invalid", message)
                })?;
            }
            Self::Strategic(_) if resource.custom => {
                return Err(Failure::unsupported_media_type(
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
            Self::Strategic(patch) => strategic::merge(&mut object, patch, &resource.schema),
        }
        Ok(object)
    }
}
