//! References to secrets: an inventory never holds one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret comes from; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretReference {
    /// An environment variable's name.
    Env(#[schemars(extend("format" = "environment-name"))] String),
    /// A file that only you can read; its last newline is not part of the secret.
    File(#[schemars(extend("format" = "text"))] String),
    /// A command and its arguments, run without a shell; its standard output is the secret.
    Command(#[schemars(length(min = 1))] Vec<String>),
    /// A file encrypted with age.
    Age(AgeReference),
}

/// A file encrypted with age, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeReference {
    /// The encrypted file, binary or armored.
    #[schemars(extend("format" = "text"))]
    pub file: String,
    /// The identity: a file of age-keygen, or an SSH private key without a passphrase.
    #[schemars(extend("format" = "text"))]
    pub identity: String,
}
