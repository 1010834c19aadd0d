//! Which files at the head of the branch that Flux reads only a retired key opens.

use age::x25519::Identity;

use super::forget::{listed, refused};
use crate::{
    adapter::git::GitProgram,
    error::{Failure, Result},
    gitops::{RULES, age_key::AgeKey, ciphertext::Ciphertext, repository, rules},
    inventory::desired::Flux,
    sample::Sample,
};

/// Refuses unless all that Flux reads is for the key in use: each encrypted file, and the rules by which others
/// encrypt.
///
/// # Errors
///
/// [`Kind::Refused`](crate::error::Kind::Refused) with the files; and where they cannot be read.
pub(super) async fn check(flux: &Flux, key: &AgeKey) -> Result<()> {
    let place = format!("{}@{}", flux.url, flux.branch);
    let (in_use, retired) = key.identities().split_at(1);
    let mut head = Head { in_use, retired, key, needing: Vec::new(), rules: None };
    let read = async {
        let source = repository::source(flux).await?;
        Ok::<_, Failure>(
            GitProgram.each_file(&source, &mut |path, file| head.see(path, file)).await?,
        )
    };
    read.await.map_err(|failure| {
        let hints = failure.hints.clone();
        let refusal = refused("what Flux reads cannot be read from here", &place).because(failure);
        hints.into_iter().fold(refusal, Failure::hint)
    })?;
    let pushed = "commit and push what `homelab gitops rotate` wrote, and run `homelab up`";
    if !head.needing.is_empty() {
        return Err(refused("what Flux reads needs an older key", &place)
            .because(listed(&head.needing))
            .hint(pushed));
    }
    let place = format!("{place}:{RULES}");
    let newest = key.recipient().to_string();
    match head.rules {
        None => Err(refused(
            "it is not there, so that it is not known whom Flux's Secrets are encrypted for",
            &place,
        )
        .hint("commit and push the tree")),
        Some(named) if named.contains(&newest) => Ok(()),
        Some(_) => {
            let why = format!("what Flux reads is not encrypted for the key in use ({newest})");
            Err(refused(&why, &place).hint(pushed))
        }
    }
}

struct Head<'a> {
    in_use: &'a [Identity],
    retired: &'a [Identity],
    key: &'a AgeKey,
    /// Files, and why each needs a key that is to be forgotten.
    needing: Vec<String>,
    /// Whom the rules at the root name.
    rules: Option<Vec<String>>,
}

impl Head<'_> {
    fn see(&mut self, path: &str, file: &Sample) {
        if path.rsplit('/').next() == Some(RULES) {
            let named = rules::named(&String::from_utf8_lossy(file.head()));
            let older = self.key.recipients().into_iter().skip(1).find(|one| named.contains(one));
            self.needing.extend(older.map(|older| format!("{path} names an older key ({older})")));
            if path == RULES {
                self.rules = Some(named);
            }
            return;
        }
        match Ciphertext::seen(path, file) {
            Some(Ciphertext::Closed(why)) => self.needing.push(format!("{path}: {why}")),
            Some(found) if found.needs(self.retired, self.in_use) => {
                self.needing.push(path.to_owned());
            }
            _ => {}
        }
    }
}
