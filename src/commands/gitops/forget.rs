//! The end of a rotation: retired keys go, once nothing needs them, neither here nor where Flux reads.

use super::rotate::Rotation;
use crate::{
    adapter::git::GitProgram,
    error::{Failure, Kind, Result},
    gitops::{RULES, repository, rules, sops},
    inventory::desired::Flux,
    ports::Git,
    render::{self, program::word},
};

/// Takes retired keys out of the key's file.
///
/// # Errors
///
/// [`Kind::Refused`] when a file, the rules, or what Flux reads is not for the key in use, or cannot be read.
pub(super) async fn forget(rotation: Rotation<'_>) -> Result<()> {
    let Rotation { desired, folder, files, path, key, .. } = &rotation;
    let again = || format!("`homelab gitops rotate {}`", word(folder.0.as_str()));
    let current = key.alone()?;
    for (file, text) in files {
        sops::open(text, current.identities()).map_err(|failure| {
            refused("a file is not encrypted for the key in use", folder.0.join(file))
                .because(failure)
                .hint(again())
        })?;
    }
    let in_use = current.recipient().to_string();
    if let Some(text) = folder.read(RULES)? {
        let known = super::work::recipients(desired, Some(&current))?;
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let named = rules::named(&text);
        if let Some(stranger) = named.iter().find(|one| !known.contains(one)) {
            let why =
                format!("it names {stranger}, which is neither the key in use nor the inventory's");
            return Err(refused(&why, folder.0.join(RULES)).hint(again()).hint(
                "name a key of somebody else under `gitops.secrets.sops.recipients` of the inventory",
            ));
        }
        if !named.contains(&in_use) {
            let why = format!("it does not name the key in use ({in_use})");
            return Err(refused(&why, folder.0.join(RULES)).hint(again()));
        }
    }
    let retired = key.recipients().split_off(1);
    if !retired.is_empty() {
        if let Some(flux) = &desired.flux {
            is_pushed(flux, &in_use, &retired).await?;
        }
        current.write(path)?;
    }
    render::output::line(format_args!("{path} holds the key in use alone: {in_use}"))?;
    Ok(())
}

/// Whether what Flux reads is encrypted for the key in use: its rules say so.
async fn is_pushed(flux: &Flux, in_use: &String, retired: &[String]) -> Result<()> {
    let place = format!("{}@{}:{RULES}", flux.url, flux.branch);
    let read = async {
        let source = repository::source(flux).await?;
        Ok::<_, Failure>(GitProgram.read(&source, &[RULES.to_owned()]).await?)
    };
    let checkout = read.await.map_err(|failure| {
        refused("what Flux reads cannot be read from here", &place).because(failure)
    })?;
    let Some(text) = checkout.files.get(RULES) else {
        let why = "it is not there, so that it is not known whom Flux's Secrets are encrypted for";
        return Err(refused(why, &place).hint("commit and push the tree"));
    };
    let named = rules::named(text);
    let older = named.iter().find(|one| retired.contains(one));
    let why = match older {
        Some(older) => format!("what Flux reads is encrypted for an older key ({older})"),
        None if named.contains(in_use) => return Ok(()),
        None => format!("what Flux reads is not encrypted for the key in use ({in_use})"),
    };
    Err(refused(&why, &place)
        .hint("commit and push what `homelab gitops rotate` wrote, and run `homelab up`"))
}

fn refused(why: &str, place: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Refused, format!("{why}: no key was forgotten")).at(place)
}
