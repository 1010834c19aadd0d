//! The whole tree: every part's files, and the files that name the parts to Flux.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    component::{self, Site},
    given::Given,
    overview,
    part::{Content, Health, Layer, Part},
    secret::SecretPlan,
    template::{self, span},
};
use crate::{
    error::{Failure, Kind, Result},
    gitops::template::context,
    inventory::{
        Desired,
        desired::{Flux, SecretStore},
    },
};

/// How often Flux applies a part anew, though Git has not changed: what was changed by hand is set back then.
pub(super) const APPLIED_EVERY: &str = "10m";
/// The same of what a chart brought.
pub(super) const RELEASES_EVERY: &str = "30m";

/// One file of a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum File {
    Text(String),
    /// Encrypted when it is written.
    Secret(SecretPlan),
}

/// A tree of files by their path from the repository's root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    pub files: BTreeMap<String, File>,
    /// The Secrets that somebody else has to make.
    pub external: Vec<SecretPlan>,
}

impl Tree {
    /// The Secrets that are encrypted in it, with their paths.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretPlan)> {
        self.files.iter().filter_map(|(path, file)| match file {
            File::Secret(plan) => Some((path.as_str(), plan)),
            File::Text(_) => None,
        })
    }
}

/// Renders the tree of an inventory.
///
/// # Errors
///
/// [`Kind::Inventory`] when the inventory has no `gitops` or `flux`.
pub fn tree(desired: &Desired, given: &Given) -> Result<Tree> {
    let (Some(gitops), Some(flux)) = (&desired.gitops, &desired.flux) else {
        return Err(Failure::new(
            Kind::Inventory,
            "the inventory has no `gitops` section: there is no tree to render",
        )
        .hint("write `gitops` and `flux`; inventory/homelab.yaml shows both"));
    };
    let site = Site { desired, gitops, flux };
    let mut parts = component::parts(&site)?;
    let mut tree = Tree::default();
    if gitops.secrets == SecretStore::External {
        tree.external = take_secrets(&mut parts);
    }
    for part in &parts {
        add_part(&mut tree, part)?;
    }
    add_entry(&mut tree, &site, &parts, given)?;
    overview::add(&mut tree, &site, &parts, given)?;
    Ok(tree)
}

/// Leaves the Secrets to others.
fn take_secrets(parts: &mut [Part]) -> Vec<SecretPlan> {
    let mut taken = Vec::new();
    for part in parts {
        part.files.retain(|_, content| match content {
            Content::Secret(plan) => {
                taken.push(plan.clone());
                false
            }
            Content::Text(_) => true,
        });
    }
    taken
}

fn add_part(tree: &mut Tree, part: &Part) -> Result<()> {
    let folder = part.folder();
    let names: Vec<&String> = part.files.keys().collect();
    let listed = template::text("lib/kustomization.yaml", context! { about => part.about, names })?;
    tree.files.insert(format!("{folder}/kustomization.yaml"), File::Text(listed));
    for (name, content) in &part.files {
        let file = match content {
            Content::Text(text) => File::Text(text.clone()),
            Content::Secret(plan) => File::Secret(plan.clone()),
        };
        tree.files.insert(format!("{folder}/{name}"), file);
    }
    Ok(())
}

/// A Kustomization of Flux, as its template wants it.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    about: &'a str,
    path: String,
    after: Vec<&'a str>,
    timeout: &'a str,
    health: &'a [Health],
    decrypts: bool,
}

/// `clusters/<name>`: what Flux reads first.
fn add_entry(tree: &mut Tree, site: &Site<'_>, parts: &[Part], given: &Given) -> Result<()> {
    let Flux { url, branch, path, interval, .. } = site.flux;
    let interval = span(*interval);
    let secret = site.flux.credentials.is_some();
    let system = format!("{path}/flux-system");
    let mut add = |path: String, text: String| tree.files.insert(path, File::Text(text));
    add(format!("{system}/gotk-components.yaml"), given.components.clone());
    let sync = context! { url, branch, path, interval, secret, applied_every => APPLIED_EVERY };
    add(format!("{system}/gotk-sync.yaml"), template::text("clusters/gotk-sync.yaml", sync)?);
    let names = ["gotk-components.yaml", "gotk-sync.yaml"];
    let about = "Flux itself: what `flux bootstrap` would have written. Patches of its controllers go here.";
    let listed = template::text("lib/kustomization.yaml", context! { about, names })?;
    add(
        format!("{path}/drift-probe.yaml"),
        template::text("clusters/drift-probe.yaml", context! {})?,
    );
    add(format!("{system}/kustomization.yaml"), listed);
    let on: BTreeSet<&str> = parts.iter().map(|part| part.name).collect();
    for (file, apps) in [("infrastructure.yaml", false), ("apps.yaml", true)] {
        let entries: Vec<Entry<'_>> = parts
            .iter()
            .filter(|part| (part.layer == Layer::Apps) == apps)
            .map(|part| Entry {
                name: part.name,
                about: part.about,
                path: part.folder(),
                after: part.after.iter().copied().filter(|name| on.contains(name)).collect(),
                timeout: part.timeout,
                health: &part.health,
                decrypts: part.has_secrets(),
            })
            .collect();
        if !entries.is_empty() {
            let entries = context! { apps, entries, interval => APPLIED_EVERY };
            let text = template::text("clusters/kustomizations.yaml", entries)?;
            add(format!("{path}/{file}"), text);
        }
    }
    Ok(())
}
