//! The policy, as far as it is looked at: who may give which tag. Everybody may talk to everybody.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    route::Asked,
};

pub(super) fn one(asked: &mut Asked<'_>) -> Outcome {
    let policy = json!({
        "tagOwners": asked.settings.tag_owners,
        "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }],
    });
    let version = hex::encode(Sha256::digest(policy.to_string()));
    Ok(Answer::ok(&policy).tagged(format!("\"{version}\"")))
}
