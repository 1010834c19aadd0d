//! Names that are only known at the moment they are typed.

use camino::Utf8PathBuf;
use clap_complete::CompletionCandidate;

use super::words;
use crate::{
    inventory::{self, LoadOptions, Overrides, Pins, names},
    stage::scripts,
};

/// The nodes of the inventory, which need not be sound.
pub(crate) fn nodes() -> Vec<CompletionCandidate> {
    let named = there().map(|path| names::nodes(&path)).unwrap_or_default();
    let candidate = |node: names::NamedNode| {
        CompletionCandidate::new(node.name.as_str()).help(node.note.map(Into::into))
    };
    named.into_iter().map(candidate).collect()
}

/// The scripts of `homelab render`, which a sound inventory has.
pub(crate) fn scripts() -> Vec<CompletionCandidate> {
    let names = || {
        let overrides = Overrides::from_environment().ok()?;
        let options = LoadOptions { path: there()?, lock: None, overrides, pins: Pins::Optional };
        let desired = inventory::load(&options).ok()?.desired;
        scripts::catalogue(&desired, desired.first_server()).ok()
    };
    let scripts = names().unwrap_or_default();
    scripts.into_iter().map(|script| CompletionCandidate::new(script.name)).collect()
}

/// The inventory that the line names. A pipe would have to be waited for, and is read but once.
fn there() -> Option<Utf8PathBuf> {
    Some(words::inventory()).filter(|path| path.is_file())
}
