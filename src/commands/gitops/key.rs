//! The age key, for people.

use camino::Utf8Path;
use jiff::Timestamp;

use super::RevealArgs;
use crate::{
    cli::Global,
    commands::session::{load, wants_json},
    error::{Failure, Kind, Result},
    gitops::{age_key::AgeKey, sops},
    inventory::{Desired, Pins, desired::SecretStore},
    named_file, render,
};

/// Where the inventory says the key is, and further recipients.
pub(super) fn place(desired: &Desired) -> Result<(&Utf8Path, &[String])> {
    match desired.gitops.as_ref().map(|gitops| &gitops.secrets) {
        Some(SecretStore::Sops { identity, recipients }) => Ok((identity, recipients)),
        Some(SecretStore::External) => Err(Failure::new(
            Kind::Inventory,
            "the inventory leaves Secrets to others (`gitops.secrets: external`): there is no age key",
        )),
        None => Err(Failure::new(Kind::Inventory, "the inventory has no `gitops` section")),
    }
}

/// The key; made where there is none.
pub(super) fn at_hand(path: &Utf8Path) -> Result<(AgeKey, bool)> {
    if let Some(key) = AgeKey::read(path)? {
        return Ok((key, false));
    }
    let key = AgeKey::generate(Timestamp::now());
    match (key.write_new(path), AgeKey::read(path)?) {
        (Ok(()), _) => Ok((key, true)),
        // Another was faster.
        (Err(_), Some(there)) => Ok((there, false)),
        (Err(failure), None) => Err(failure),
    }
}

/// How a key came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Found,
    Made,
    /// Everything was encrypted anew for it.
    Rotated,
    /// The same, and an earlier run had made it.
    WentOn,
}

/// What its owner must know.
pub(super) fn tell(path: &Utf8Path, key: &AgeKey, origin: Origin) {
    let what = match origin {
        Origin::Found | Origin::WentOn => "The age key",
        Origin::Made | Origin::Rotated => "A new age key",
    };
    let opens = match origin {
        Origin::Found => "what is encrypted for it",
        Origin::Made => "what is encrypted from now on (nothing that is encrypted already)",
        Origin::Rotated | Origin::WentOn => "every Secret of the tree",
    };
    anstream::eprintln!(
        "{what} is in {path} (public half {}).\nIt opens {opens} and is in no repository: keep a copy of \
         the file where you keep passwords. Without it the Secrets have to be written anew.",
        key.recipient()
    );
}

pub(super) async fn run(global: &Global) -> Result<()> {
    let desired = load(global, Pins::Optional)?;
    let (path, _) = place(&desired)?;
    let (key, made) = at_hand(path)?;
    if made {
        // Even where nothing else is said: it opens nothing that was encrypted before.
        anstream::eprintln!(
            "There was no age key in {path}: a new one was made. If Secrets are encrypted already, put the key that \
             opens them there instead."
        );
    }
    if !global.quiet {
        tell(path, &key, if made { Origin::Made } else { Origin::Found });
    }
    if wants_json(global) {
        let recipient = key.recipient().to_string();
        return render::document(
            &serde_json::json!({ "file": path, "recipient": recipient, "made": made }),
        );
    }
    render::output::line(format_args!("{}", key.recipient()))?;
    Ok(())
}

pub(super) async fn reveal(global: &Global, args: RevealArgs) -> Result<()> {
    let desired = load(global, Pins::Optional)?;
    let (path, _) = place(&desired)?;
    let key = AgeKey::read(path)?.ok_or_else(|| missing(path))?;
    let text = named_file::text_of_any(&args.file, named_file::DOCUMENT).map_err(|error| {
        Failure::new(Kind::Usage, "the file can't be read").at(&args.file).because(error)
    })?;
    let opened = sops::open(&text, key.identities()).map_err(|failure| failure.at(&args.file))?;
    if wants_json(global) {
        return render::document(&opened.document);
    }
    // Several documents are a list here, and no single one is.
    let documents = match &opened.document {
        serde_json::Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let texts: Result<Vec<String>, _> = documents.iter().map(serde_saphyr::to_string).collect();
    let texts = texts.map_err(|error| {
        Failure::new(Kind::Runtime, format!("the Secret can't be printed: {error}"))
    })?;
    render::output::data(texts.join("---\n"))?;
    Ok(())
}

pub(super) fn missing(path: &Utf8Path) -> Failure {
    Failure::new(Kind::Inventory, "the age key is not here")
        .at(path)
        .hint("take it from your backup; a new one could not open what is encrypted")
}
