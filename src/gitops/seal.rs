//! From secrets as planned to files: found, made or kept, then encrypted. What did not change keeps its
//! ciphertext, so that a rendering without news changes nothing in Git.

use std::collections::{BTreeMap, BTreeSet};

use age::x25519::Recipient;
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value as Json, json};

use super::{
    age_key::AgeKey,
    secret::{SecretPlan, Value},
    sops::{self, Opened},
    tree::{File, Tree},
};
use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::SecretSource,
    secret::Secret,
};

/// How many letters and digits a made value has: 5.95 bits each, so more than 256 bits.
const MADE_LENGTH: usize = 48;

/// What opens and closes the tree's Secrets.
pub struct Keys<'a> {
    /// `None` where the identity is not at hand: what is there stays, and nothing new can be made.
    pub key: Option<&'a AgeKey>,
    /// Whom files are encrypted for, the key's own among them.
    pub recipients: &'a [Recipient],
}

/// A tree whose every file is a text.
#[derive(Debug, Default)]
pub struct Sealed {
    pub files: BTreeMap<String, String>,
    /// The Secrets that somebody edited, and that stay what they are.
    pub edited: BTreeSet<String>,
    /// What may have been meant otherwise.
    pub warnings: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Encrypts a tree's Secrets, given the files that are there and which of them somebody edited: such a one
/// stays what it is as long as it has every key that is asked for.
///
/// # Errors
///
/// When secrets can't be had that are not in the files either (all are named), or a file can't be opened.
pub async fn seal(
    tree: &Tree,
    found: &BTreeMap<String, String>,
    is_edited: &(dyn Fn(&str, &str) -> bool + Sync),
    keys: &Keys<'_>,
    now: Timestamp,
) -> Result<Sealed> {
    let mut sealed = Sealed::default();
    let mut plans = Vec::new();
    for (path, file) in &tree.files {
        match file {
            File::Text(text) => {
                sealed.files.insert(path.clone(), text.clone());
            }
            File::Secret(plan) => plans.push((path, plan, found.get(path))),
        }
    }
    if plans.is_empty() {
        return Ok(sealed);
    }
    let Some(key) = keys.key else {
        return without_key(&plans, sealed);
    };
    let mut opened = BTreeMap::new();
    for (path, plan, text) in &plans {
        if let Some(text) = text {
            let before = sops::open(text, key.identities()).map_err(|failure| failure.at(path))?;
            opened.insert(*path, (*plan, before));
        }
    }
    let mut values =
        Values { opened, made: BTreeMap::new(), warnings: Vec::new(), missing: Vec::new() };
    values.remember_made();
    for (path, plan, text) in plans {
        let document = values.document(path, plan).await;
        let before = values.opened.get(path).map(|(_, opened)| opened);
        let unchanged = before.is_some_and(|before| {
            before.document == document && same_recipients(before, keys.recipients)
        });
        // A file that says what is asked for is nobody's edit: a run may have ended before its record.
        let is_theirs =
            |text: &&String| !unchanged && is_edited(path, text) && values.is_whole(path, plan);
        if let Some(text) = text.filter(is_theirs) {
            sealed.files.insert(path.clone(), text.clone());
            sealed.edited.insert(path.clone());
            sealed.notes.push(format!("{path} was edited: it stays what it is"));
            continue;
        }
        let text = match text {
            Some(text) if unchanged => text.clone(),
            _ if values.missing.is_empty() => {
                sops::seal(&document, plan.purpose, keys.recipients, now)?
            }
            // All that is missing is told at once, below.
            _ => continue,
        };
        sealed.files.insert(path.clone(), text);
    }
    values.told(sealed)
}

fn same_recipients(before: &Opened, now: &[Recipient]) -> bool {
    let mut before = before.recipients.clone();
    let mut now: Vec<String> = now.iter().map(ToString::to_string).collect();
    before.sort();
    now.sort();
    before == now
}

fn without_key(
    plans: &[(&String, &SecretPlan, Option<&String>)],
    mut sealed: Sealed,
) -> Result<Sealed> {
    for (path, _, text) in plans {
        let Some(text) = text else {
            return Err(Failure::new(
                Kind::Inventory,
                "a Secret is to be encrypted, and the age key is not here",
            )
            .at(path)
            .hint("take the key from your backup to where `gitops.secrets.sops.identity` says"));
        };
        sealed.files.insert((*path).clone(), (*text).clone());
    }
    sealed.notes.push(
        "the age key is not here: the Secrets were left as they are, and not compared".to_owned(),
    );
    Ok(sealed)
}

struct Values<'a> {
    opened: BTreeMap<&'a String, (&'a SecretPlan, Opened)>,
    /// Made values by their name.
    made: BTreeMap<&'static str, Secret>,
    warnings: Vec<String>,
    missing: Vec<String>,
}

impl Values<'_> {
    /// What was made before is never made anew.
    fn remember_made(&mut self) {
        for (plan, opened) in self.opened.values() {
            for (key, value) in &plan.values {
                let Some(text) = kept(opened, key) else { continue };
                let (name, text) = match value {
                    Value::Made(name) => (*name, Some(text)),
                    Value::Prefixed(prefix, name) => (*name, text.strip_prefix(prefix)),
                    _ => continue,
                };
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    self.made.entry(name).or_insert_with(|| Secret::new(text));
                }
            }
        }
    }

    /// Whether a file has every key that is asked for.
    fn is_whole(&self, path: &String, plan: &SecretPlan) -> bool {
        self.opened.get(path).is_some_and(|(_, opened)| {
            plan.values.iter().all(|(key, _)| kept(opened, key).is_some())
        })
    }

    async fn document(&mut self, path: &String, plan: &SecretPlan) -> Json {
        let mut texts = serde_json::Map::new();
        for (key, value) in &plan.values {
            let text = match value {
                Value::Known(text) => text.clone(),
                Value::Made(name) => self.make(name),
                Value::Prefixed(prefix, name) => format!("{prefix}{}", self.make(name)),
                Value::Found(source) => self.find(source, path, key).await,
            };
            texts.insert((*key).to_owned(), text.into());
        }
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": plan.name, "namespace": plan.namespace },
            "type": "Opaque",
            "stringData": texts,
        })
    }

    fn make(&mut self, name: &'static str) -> String {
        self.made.entry(name).or_insert_with(random).expose().to_owned()
    }

    /// The secret from where the inventory says it is; where nothing is, the one that is in the file already. What is
    /// there and can't be had is no reason to keep the old one: whoever replaces it is to know that it was not.
    async fn find(&mut self, source: &SecretSource, path: &String, key: &str) -> String {
        let kept = self.opened.get(path).and_then(|(_, opened)| kept(opened, key));
        match (source.resolve().await, kept) {
            (Ok(secret), _) if secret.expose().trim() != secret.expose() => {
                self.missing.push(format!(
                    "{path}: `{key}`, {}: it begins or ends with a blank",
                    source.describe()
                ));
                String::new()
            }
            (Ok(secret), _) => secret.expose().to_owned(),
            (Err(_), Some(kept)) if is_absent(source) => {
                let kept = kept.to_owned();
                let place = source.describe();
                self.warnings
                    .push(format!("{path}: `{key}` stays what it is: {place} is not there"));
                kept
            }
            (Err(failure), _) => {
                let why = failure.chain().join(": ");
                let why = why.trim_start_matches("a secret can't be had: ");
                self.missing.push(format!("{path}: `{key}`, {}: {why}", source.describe()));
                String::new()
            }
        }
    }

    fn told(self, mut sealed: Sealed) -> Result<Sealed> {
        if self.missing.is_empty() {
            sealed.warnings.extend(self.warnings);
            return Ok(sealed);
        }
        let count = self.missing.len();
        let plural = if count == 1 { "secret" } else { "secrets" };
        Err(Failure::new(Kind::Inventory, format!("{count} {plural} can't be had"))
            .because(self.missing.join("\n"))
            .hint("each is asked for once: what is encrypted in the tree is kept while its variable is not set or its file is not there"))
    }
}

/// Whether there is nothing at all where the inventory says that a secret is. A command is always there.
fn is_absent(source: &SecretSource) -> bool {
    match source {
        SecretSource::Env(name) => std::env::var_os(name).is_none(),
        SecretSource::File(file) | SecretSource::Age { file, .. } => {
            std::fs::symlink_metadata(file)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        }
        SecretSource::Command(_) => false,
    }
}

fn kept<'a>(opened: &'a Opened, key: &str) -> Option<&'a str> {
    opened.document.get("stringData")?.get(key)?.as_str()
}

fn random() -> Secret {
    let mut random = rand::rng();
    let text: String =
        (0..MADE_LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
    Secret::new(text)
}
