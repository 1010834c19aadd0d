//! Rendering, comparing, and writing what was agreed on.

use std::collections::{BTreeMap, BTreeSet};

use age::x25519::Recipient;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Serialize;

use super::{ChangeArgs, DiffArgs, ask, folder::Folder, hold::Hold, key};
use crate::{
    adapter::artifact,
    cli::Global,
    commands::session::{load, wants_json},
    error::{Failure, Kind, Result},
    gitops::{
        Given, RULES, Tree,
        age_key::AgeKey,
        compare::{Change, State, compare},
        record::{self, TreeRecord, digest},
        seal::{Keys, Sealed, seal},
        tree,
    },
    inventory::{Desired, Pins, desired::SecretStore},
    named_file, render,
};

/// A tree as rendered, and how the folder stands to it.
struct Comparison {
    folder: Folder,
    record: TreeRecord,
    rendered: BTreeMap<String, String>,
    changes: Vec<Change>,
    /// Secrets that somebody edited, and that stay what they are.
    edited_secrets: BTreeSet<String>,
    /// Told even to those who want to hear little.
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    folder: &'a Utf8Path,
    changes: Vec<&'a Change>,
    notes: Vec<&'a String>,
}

/// Renders and compares. `overwrite` names the files whose edits do not count.
async fn compared(
    desired: &Desired,
    folder: Utf8PathBuf,
    age_key: Option<&AgeKey>,
    overwrite: &[String],
) -> Result<Comparison> {
    let folder = Folder(folder);
    let record = folder.record(desired.id)?.unwrap_or_else(|| TreeRecord::new(desired.id));
    let recipients = recipients(desired, age_key)?;
    let given = Given {
        components: components(desired, &folder).await?,
        recipients: recipients.iter().map(ToString::to_string).collect(),
    };
    let tree: Tree = tree(desired, &given)?;
    let own = [record::FILE.to_owned()];
    folder.guard(tree.files.keys().chain(record.files.keys()).chain(&own))?;
    let found = folder.read_all(tree.files.keys().chain(record.files.keys()))?;
    let keys = Keys { key: age_key, recipients: &recipients };
    let is_edited = |path: &str, text: &str| {
        record.files.contains_key(path)
            && !record.holds(path, text)
            && !overwrite.iter().any(|one| one == path)
    };
    let sealed = seal(&tree, &found, &is_edited, &keys, Timestamp::now()).await?;
    let Sealed { files: mut rendered, edited: edited_secrets, warnings, notes } = sealed;
    if age_key.is_none()
        && let (Some(rules), Some(there)) = (rendered.get_mut(RULES), found.get(RULES))
    {
        // Whom the key is for is not known without it.
        rules.clone_from(there);
    }
    let mut changes = compare(&rendered, &found, &record);
    for change in changes.iter_mut().filter(|change| !change.diff.is_empty()) {
        // A ciphertext's lines tell a person nothing.
        if change.path.ends_with(".sops.yaml") && change.path != RULES {
            change.diff = "encrypted anew\n".to_owned();
        }
    }
    Ok(Comparison { folder, record, rendered, changes, edited_secrets, warnings, notes })
}

/// The key's own recipient, then the inventory's further ones.
pub(super) fn recipients(desired: &Desired, age_key: Option<&AgeKey>) -> Result<Vec<Recipient>> {
    let Some(SecretStore::Sops { recipients, .. }) =
        desired.gitops.as_ref().map(|gitops| &gitops.secrets)
    else {
        return Ok(Vec::new());
    };
    let mut all: Vec<Recipient> = age_key.iter().map(|key| key.recipient()).collect();
    for text in recipients {
        let recipient: Recipient = text.parse().map_err(|why: &str| {
            Failure::new(Kind::Inventory, format!("`{text}` is no age recipient: {why}"))
        })?;
        if !all.iter().any(|known| known.to_string() == *text) {
            all.push(recipient);
        }
    }
    Ok(all)
}

/// The manifests of Flux's controllers: those in the folder where they are the pinned ones.
async fn components(desired: &Desired, folder: &Folder) -> Result<String> {
    let Some(flux) = &desired.flux else { return Ok(String::new()) };
    let there = folder.read(&format!("{}/flux-system/gotk-components.yaml", flux.path))?;
    if let Some(text) = there.filter(|text| digest(text) == flux.components.sha256) {
        return Ok(text);
    }
    let file = artifact::file(&flux.components, &|_, _| ()).await?;
    Ok(named_file::text(file, named_file::DOCUMENT)?)
}

/// The age key, where Secrets are encrypted here. A tree's own folder is no place for it.
pub(super) fn age_key(desired: &Desired, folder: &Utf8Path, make: bool) -> Result<Option<AgeKey>> {
    let secrets = desired.gitops.as_ref().map(|gitops| &gitops.secrets);
    let Some(SecretStore::Sops { identity, .. }) = secrets else { return Ok(None) };
    // The key's folder may not be there yet: what is there of its path decides, and where a link leads.
    let real = identity.canonicalize_utf8().unwrap_or_else(|_| identity.clone());
    let there = real.ancestors().skip(1).find_map(|folder| {
        let folder = if folder == "" { Utf8Path::new(".") } else { folder };
        folder.canonicalize_utf8().ok()
    });
    if let (Some(there), Ok(folder)) = (there, folder.canonicalize_utf8())
        && there.starts_with(&folder)
    {
        return Err(Failure::new(
            Kind::Refused,
            "the age key would lie in the repository that it opens",
        )
        .at(identity)
        .hint("name another place: gitops.secrets.sops.identity"));
    }
    if !make {
        return AgeKey::read(identity);
    }
    let (key, made) = key::at_hand(identity)?;
    if made {
        key::tell(identity, &key, key::Origin::Made);
    }
    Ok(Some(key))
}

pub(super) async fn init(global: &Global, args: ChangeArgs) -> Result<()> {
    let desired = load(global, Pins::Required)?;
    if desired.gitops.is_none() {
        // Told by the renderer, before a key is made for nothing.
        tree(&desired, &Given { components: String::new(), recipients: Vec::new() })?;
    }
    fs_err::create_dir_all(&args.folder)?;
    let _hold = Hold::tree(&args.folder)?;
    let is_new = Folder(args.folder.clone()).record(desired.id)?.is_none();
    // A new key could not open what an older one closed.
    let age_key = age_key(&desired, &args.folder, is_new)?;
    let comparison = compared(&desired, args.folder, age_key.as_ref(), &args.overwrite).await?;
    change(global, comparison, &args.overwrite, &args.keep)?;
    if !global.quiet && is_new {
        anstream::eprintln!(
            "Next: look through it, then `git add --all`, commit and push to `{}`.",
            desired.flux.as_ref().map_or("main", |flux| flux.branch.as_str())
        );
    }
    Ok(())
}

pub(super) async fn update(global: &Global, args: ChangeArgs) -> Result<()> {
    let desired = load(global, Pins::Required)?;
    let _hold = Hold::tree(&args.folder)?;
    if Folder(args.folder.clone()).record(desired.id)?.is_none() {
        return Err(Failure::new(Kind::Usage, "nothing was rendered into this folder yet")
            .at(&args.folder)
            .hint(format!("homelab gitops init {}", args.folder)));
    }
    let age_key = age_key(&desired, &args.folder, false)?;
    let comparison = compared(&desired, args.folder, age_key.as_ref(), &args.overwrite).await?;
    change(global, comparison, &args.overwrite, &args.keep)
}

pub(super) async fn diff(global: &Global, args: DiffArgs) -> Result<u8> {
    let desired = load(global, Pins::Required)?;
    let age_key = age_key(&desired, &args.folder, false)?;
    let comparison = compared(&desired, args.folder, age_key.as_ref(), &[]).await?;
    let open = comparison.changes.iter().any(|change| !change.state.is_settled());
    if wants_json(global) {
        report(&comparison)?;
    } else {
        tell_notes(global, &comparison);
        for change in comparison.changes.iter().filter(|change| change.state != State::Same) {
            render::output::line(heading(change))?;
            render::output::data(&change.diff)?;
        }
        if !open {
            render::output::line(nothing_to_change(&comparison))?;
        }
    }
    Ok(if open && args.detailed_exitcode { 2 } else { 0 })
}

/// What stands above a file's diff. That of a file which stays as it is tells what homelab would have there.
fn heading(change: &Change) -> String {
    let Change { path, state, .. } = change;
    let left = match state {
        State::Kept | State::Dropped => {
            ": an update leaves it as it is; below is what homelab would have there"
        }
        _ => "",
    };
    format!("{path} ({}{left})", state.name())
}

/// The end of a look or an update that finds nothing to do; what stays edited is not as rendered.
fn nothing_to_change(comparison: &Comparison) -> String {
    let stay = comparison
        .changes
        .iter()
        .filter(|change| matches!(change.state, State::Kept | State::Dropped))
        .count();
    let folder = &comparison.folder.0;
    match stay {
        0 => format!("nothing to change: {folder} is as rendered"),
        1 => format!(
            "nothing to change: {folder} is as rendered, but for 1 file that you edited and keep"
        ),
        _ => format!(
            "nothing to change: {folder} is as rendered, but for {stay} files that you edited and keep"
        ),
    }
}

/// Asks where it must, then writes.
fn change(
    global: &Global,
    mut comparison: Comparison,
    overwrite: &[String],
    keep: &[String],
) -> Result<()> {
    let overwritten = ask::decide(&comparison.folder.0, &comparison.changes, overwrite, keep)?;
    comparison.folder.sweep()?;
    // One that was deleted stays so unless it is asked for.
    let is_left = |change: &Change| {
        change.state == State::Same
            || change.state == State::Dropped && !overwritten.contains(&change.path)
    };
    for change in &mut comparison.changes {
        // What is kept on purpose is settled until it is rendered otherwise again.
        let theirs = change.state.is_theirs() || change.state == State::Kept;
        if theirs && !overwritten.contains(&change.path) {
            continue;
        }
        match comparison.rendered.get(&change.path) {
            Some(text) if !is_left(change) => {
                comparison.folder.write(&change.path, text)?;
            }
            None if comparison.folder.read(&change.path)?.is_some() => {
                comparison.folder.remove(&change.path)?;
            }
            _ => {}
        }
    }
    let before = std::mem::take(&mut comparison.record.files);
    for (path, text) in &comparison.rendered {
        // An edited Secret counts as edited the next time, too.
        let edited = before.get(path).filter(|_| comparison.edited_secrets.contains(path));
        let known = edited.cloned().unwrap_or_else(|| digest(text));
        comparison.record.files.insert(path.clone(), known);
    }
    comparison.folder.write(record::FILE, &comparison.record.text())?;
    if wants_json(global) {
        return report(&comparison);
    }
    tell_notes(global, &comparison);
    let mut told = false;
    for change in &comparison.changes {
        let kept = change.state == State::Kept && !overwritten.contains(&change.path);
        if kept || is_left(change) {
            continue;
        }
        let theirs = change.state.is_theirs() && !overwritten.contains(&change.path);
        let done = match comparison.rendered.contains_key(&change.path) {
            _ if theirs => "kept",
            true => "written",
            false => "removed",
        };
        told = true;
        render::output::line(format_args!("{done}: {}", change.path))?;
    }
    if !told {
        render::output::line(nothing_to_change(&comparison))?;
    }
    Ok(())
}

fn report(comparison: &Comparison) -> Result<()> {
    let changes = comparison.changes.iter().filter(|change| change.state != State::Same).collect();
    let notes = comparison.warnings.iter().chain(&comparison.notes).collect();
    render::document(&Report { folder: &comparison.folder.0, changes, notes })
}

fn tell_notes(global: &Global, comparison: &Comparison) {
    for warning in &comparison.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    if !global.quiet {
        for note in &comparison.notes {
            anstream::eprintln!("note: {note}");
        }
    }
}
