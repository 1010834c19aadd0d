//! A new age key, and every Secret encrypted anew for it.

use camino::Utf8Path;
use jiff::Timestamp;

use super::{
    RotateArgs,
    encrypted::{self, Encrypted},
    folder::Folder,
    forget::{self, listed},
    hold::Hold,
    key,
    work::recipients,
};
use crate::{
    cli::Global,
    commands::session::load,
    error::{Effect, Failure, Kind, Result},
    gitops::{
        RULES,
        age_key::AgeKey,
        record::{self, TreeRecord, digest},
        rules,
        sops::{self, Others},
    },
    inventory::{Desired, Pins},
    render::program::{completed, word},
};

/// What the two halves of a rotation work on.
pub(super) struct Rotation<'a> {
    pub(super) desired: &'a Desired,
    pub(super) folder: Folder,
    pub(super) record: TreeRecord,
    pub(super) files: Encrypted,
    /// The key's file.
    pub(super) path: &'a Utf8Path,
    pub(super) key: AgeKey,
}

pub(super) async fn run(global: &Global, args: RotateArgs) -> Result<()> {
    let desired = load(global, Pins::Optional)?;
    let (path, _) = key::place(&desired)?;
    // Before anything is read: of two new keys one would be lost, and with it what was encrypted for it.
    let _key = Hold::key(path)?;
    let _tree = Hold::tree(&args.folder)?;
    let key = AgeKey::read(path)?.ok_or_else(|| key::missing(path))?;
    let folder = Folder(args.folder);
    let Some(record) = folder.record(desired.id)? else {
        return Err(Failure::new(Kind::Usage, "nothing was rendered into this folder yet")
            .at(&folder.0)
            .hint(format!("`homelab gitops init {}`", word(folder.0.as_str()))));
    };
    let own = [RULES.to_owned(), record::FILE.to_owned()];
    folder.guard(record.files.keys().chain(&own))?;
    folder.sweep()?;
    let files = encrypted::find(&folder, &record)?;
    let rotation = Rotation { desired: &desired, folder, record, files, path, key };
    if args.forget { forget::forget(rotation).await } else { rotate(global, rotation) }
}

/// A file as it will be.
struct Anew {
    path: String,
    text: String,
    /// Whether it was as rendered, and is so again.
    rendered: bool,
}

/// Everything is encrypted before anything is written: a file that can't be is no reason for another key.
fn rotate(global: &Global, rotation: Rotation<'_>) -> Result<()> {
    let Rotation { desired, folder, mut record, files, path, key: older } = rotation;
    let now = Timestamp::now();
    let goes_on = is_unfinished(&folder, &files, &record, &older)?;
    // The older key stays in the file: until all is pushed, and Flux has the new one, both are needed.
    let newer = if goes_on { older } else { AgeKey::generate(now).before(&older) };
    let by_age = needing_an_older(&files, &newer);
    let recipients = recipients(desired, Some(&newer))?;
    let mut anew = Vec::new();
    for (path, text) in files.sops {
        let rendered = names_of(&folder, &record, &path).any(|name| record.holds(name, &text));
        let others = if rendered { Others::Dropped } else { Others::Kept };
        let text = sops::renew(&text, newer.identities(), &recipients, others, now)
            .map_err(|failure| failure.at(folder.0.join(&path)))?;
        anew.push(Anew { path, text, rendered });
    }
    let count = anew.len();
    // Those at the root last: they say that all before them was written.
    for (path, text) in files.rules {
        let text = rules::renewed(&text, &newer.recipients()[1..], &newer.recipients()[0]);
        anew.push(Anew { path, text, rendered: false });
    }
    let names: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    anew.extend(rules_anew(&folder, &record, &newer, &names)?);
    if !goes_on {
        newer.write(path)?;
    }
    let broken_off = |failure: Failure| {
        let again = format!("`homelab gitops rotate {}`", word(folder.0.as_str()));
        failure.effect(Effect::Partial).hint(format!("{again} goes on with the key that was made"))
    };
    for Anew { path, text, rendered } in anew {
        folder.write(&path, &text).map_err(broken_off)?;
        if rendered {
            let names: Vec<String> = names_of(&folder, &record, &path).cloned().collect();
            record.files.extend(names.into_iter().map(|name| (name, digest(&text))));
        }
    }
    folder.write(record::FILE, &record.text()).map_err(broken_off)?;
    if !by_age.is_empty() {
        // Even where nothing else is said: whoever has the older key reads them.
        anstream::eprintln!(
            "warning: these are files of age itself, and stay encrypted for an older key:\n{}\n{}",
            listed(&by_age),
            forget::by_age(path, &newer)
        );
    }
    if !global.quiet {
        tell(&folder, path, &newer, count, goes_on);
    }
    Ok(())
}

/// The files of age that retired keys alone open: they are named, and left as they are.
fn needing_an_older(files: &Encrypted, key: &AgeKey) -> Vec<String> {
    let (in_use, retired) = key.identities().split_at(1);
    let needing = files.age.iter().filter(|(_, file)| file.needs(retired, in_use));
    needing.map(|(path, _)| path.clone()).collect()
}

/// Whether a run was stopped after it made a key, and before all was encrypted for it. A file that came in later is
/// no sign of that: the rules at the root are written after every file.
fn is_unfinished(
    folder: &Folder,
    files: &Encrypted,
    record: &TreeRecord,
    key: &AgeKey,
) -> Result<bool> {
    let held = key.recipients();
    let [newest, older @ ..] = held.as_slice() else { return Ok(false) };
    let named = folder.read(RULES)?.map(|text| rules::named(&text)).unwrap_or_default();
    let behind =
        |named: &[String]| !named.contains(newest) && older.iter().any(|one| named.contains(one));
    let mut unfinished = behind(&named);
    let finished = named.contains(newest);
    for (path, text) in &files.sops {
        let opened = sops::open(text, key.identities())
            .map_err(|failure| failure.at(folder.0.join(path)))?;
        let is_behind = !opened.recipients.contains(newest);
        unfinished |= is_behind && (!finished || names_of(folder, record, path).next().is_some());
    }
    Ok(unfinished)
}

/// The names by which the record knows a file: a link may lead to it.
fn names_of<'a>(
    folder: &'a Folder,
    record: &'a TreeRecord,
    path: &'a str,
) -> impl Iterator<Item = &'a String> {
    record.files.keys().filter(move |name| {
        *name == path || name.ends_with(".sops.yaml") && folder.real(name).as_deref() == Some(path)
    })
}

/// The rules for the official `sops` name the key, too: as rendered or, where somebody edited them, with the new one
/// in the place of older ones. A run that was stopped may have left them with another key's name and no record.
fn rules_anew(
    folder: &Folder,
    record: &TreeRecord,
    key: &AgeKey,
    recipients: &[String],
) -> Result<Option<Anew>> {
    let Some(before) = folder.read(RULES)? else { return Ok(None) };
    let held = key.recipients();
    let mut rendered = record.holds(RULES, &before);
    for older in &held {
        let with_older: Vec<String> = recipients
            .iter()
            .map(|one| if *one == held[0] { older.clone() } else { one.clone() })
            .collect();
        rendered |= record.files.contains_key(RULES) && before == rules(&with_older)?;
    }
    let text =
        if rendered { rules(recipients)? } else { rules::renewed(&before, &held[1..], &held[0]) };
    Ok(Some(Anew { path: RULES.to_owned(), text, rendered }))
}

fn tell(folder: &Folder, path: &Utf8Path, key: &AgeKey, count: usize, goes_on: bool) {
    if goes_on {
        anstream::eprintln!(
            "The newest key was not in use everywhere, as after a run that was stopped: this one went on with it, and \
             made no other. Run it again for a new one."
        );
    }
    key::tell(path, key, if goes_on { key::Origin::WentOn } else { key::Origin::Rotated });
    let names_it = |text: String| rules::named(&text).contains(&key.recipient().to_string());
    if !folder.read(RULES).ok().flatten().is_some_and(names_it) {
        anstream::eprintln!(
            "warning: {} does not name it: what others encrypt by it cannot be opened with it",
            folder.0.join(RULES)
        );
    }
    let next = format!(
        "{count} files were encrypted anew; what is older stays in the key's file behind the one in use.\nNext: commit and \
         push; `homelab up` gives the cluster the new key; when it is in sync: `homelab gitops rotate --forget {}`",
        word(folder.0.as_str())
    );
    anstream::eprintln!("{}", completed(&next));
}
