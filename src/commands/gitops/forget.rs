//! The end of a rotation: retired keys go, once nothing needs them, neither here nor where Flux reads.

use camino::Utf8Path;

use super::{pushed, rotate::Rotation};
use crate::{
    error::{Failure, Kind, Result},
    gitops::{RULES, age_key::AgeKey, ciphertext::Ciphertext, rules},
    inventory::desired::AgeFile,
    named_file,
    render::{self, program::word},
    sample::Sample,
};

/// How many files a refusal names.
const MOST_NAMED: usize = 20;

/// Takes retired keys out of the key's file.
///
/// # Errors
///
/// [`Kind::Refused`] when a file, the rules, a secret of the inventory or what Flux reads is not for the key in use,
/// or cannot be read.
pub(super) async fn forget(rotation: Rotation<'_>) -> Result<()> {
    let current = rotation.key.alone()?;
    is_for(&rotation, &current)?;
    rules_name(&rotation, &current)?;
    let Rotation { desired, path, key, .. } = &rotation;
    let in_use = current.recipient();
    if key.identities().len() > 1 {
        for reference in &desired.age_files {
            is_opened(reference, path, key)?;
        }
        if let Some(flux) = &desired.flux {
            pushed::check(flux, key).await?;
        }
        current.write(path)?;
    }
    render::output::line(format_args!("{path} holds the key in use alone: {in_use}"))?;
    Ok(())
}

/// Whether the key in use opens every file of SOPS, and every file of age that a retired key opens.
fn is_for(rotation: &Rotation<'_>, current: &AgeKey) -> Result<()> {
    let Rotation { folder, files, path, key, .. } = rotation;
    let (in_use, retired) = key.identities().split_at(1);
    let texts = files.sops.iter().map(|(name, text)| (name, Ciphertext::Sops(text.clone())));
    let needing: Vec<String> = texts
        .filter(|(_, file)| !file.is_opened_by(in_use) || file.needs(retired, in_use))
        .map(|(name, _)| name.clone())
        .collect();
    if let [first, ..] = needing.as_slice() {
        let what = "a file is not encrypted for the key in use";
        return Err(refused(what, folder.0.join(first))
            .because(listed(&needing))
            .hint(format!("`homelab gitops rotate {}`", word(folder.0.as_str()))));
    }
    let needing = files.age.iter().filter(|(_, file)| file.needs(retired, in_use));
    let needing: Vec<String> = needing.map(|(name, _)| name.clone()).collect();
    if let [first, ..] = needing.as_slice() {
        return Err(refused("an older key alone opens a file of age", folder.0.join(first))
            .because(listed(&needing))
            .hint(by_age(path, current)));
    }
    Ok(())
}

/// How a file of age is encrypted anew: whom else it is for is not written in it.
pub(super) fn by_age(path: &Utf8Path, key: &AgeKey) -> String {
    format!(
        "`age -d -i {} FILE | age -r {} -o NEW && mv NEW FILE`, with `-r` for each further one that it is for",
        word(path.as_str()),
        key.recipient()
    )
}

/// Whether the rules for others name the key in use, and no retired one.
fn rules_name(rotation: &Rotation<'_>, current: &AgeKey) -> Result<()> {
    let Rotation { desired, folder, files, key, .. } = rotation;
    let again = || format!("`homelab gitops rotate {}`", word(folder.0.as_str()));
    let retired = key.recipients().split_off(1);
    for (path, text) in &files.rules {
        if let Some(older) = rules::named(text).iter().find(|one| retired.contains(one)) {
            let why = format!("it names an older key ({older})");
            return Err(refused(&why, folder.0.join(path)).hint(again()));
        }
    }
    let Some(text) = folder.read(RULES)? else { return Ok(()) };
    let known = super::work::recipients(desired, Some(current))?;
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let named = rules::named(&text);
    if let Some(stranger) = named.iter().find(|one| !known.contains(one)) {
        let why =
            format!("it names {stranger}, which is neither the key in use nor the inventory's");
        return Err(refused(&why, folder.0.join(RULES)).hint(again()).hint(
            "name a key of somebody else under `gitops.secrets.sops.recipients` of the inventory",
        ));
    }
    let in_use = current.recipient().to_string();
    if !named.contains(&in_use) {
        let why = format!("it does not name the key in use ({in_use})");
        return Err(refused(&why, folder.0.join(RULES)).hint(again()));
    }
    Ok(())
}

/// Whether a secret that the inventory takes from a file of age by this very key can be had without retired ones.
fn is_opened(reference: &AgeFile, path: &Utf8Path, key: &AgeKey) -> Result<()> {
    let AgeFile { file, identity } = reference;
    let is_ours = match (identity.canonicalize_utf8(), path.canonicalize_utf8()) {
        (Ok(identity), Ok(path)) => identity == path,
        _ => identity == path,
    };
    if !is_ours {
        return Ok(());
    }
    let place = format!("the inventory's `{{age: {{file: {file}, identity: {identity}}}}}`");
    let sampled = named_file::open(file).and_then(|open| {
        let size = open.metadata()?.len();
        Sample::of(open, size)
    });
    let sample = match sampled {
        Ok(sample) => sample,
        // Nothing is lost that is not there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(refused("a secret's file cannot be looked at", place).because(error));
        }
    };
    let (in_use, retired) = key.identities().split_at(1);
    match Ciphertext::seen(file.file_name().unwrap_or_default(), &sample) {
        Some(found) if found.needs(retired, in_use) => {
            Err(refused("an older key alone opens a secret of the inventory", place)
                .hint(by_age(path, key)))
        }
        _ => Ok(()),
    }
}

/// Some of many, each on a line.
pub(super) fn listed(files: &[String]) -> String {
    let mut lines: Vec<String> = files.iter().take(MOST_NAMED).cloned().collect();
    if files.len() > MOST_NAMED {
        lines.push(format!("and {} more", files.len() - MOST_NAMED));
    }
    lines.join("\n")
}

pub(super) fn refused(why: &str, place: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Refused, format!("{why}: no key was forgotten")).at(place)
}
