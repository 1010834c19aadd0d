//! The repository of Flux as one run reads it: what opens it is asked for once, its files are fetched anew only
//! where its head has moved.

use tokio::sync::{Mutex, OnceCell};

use crate::{
    error::Result,
    gitops::repository,
    inventory::desired::Flux,
    ports::{Checkout, Git, GitSource},
};

/// What the run knows of it.
#[derive(Default)]
pub struct Repository {
    source: OnceCell<GitSource>,
    checkout: Mutex<Option<Checkout>>,
}

impl Repository {
    /// Where it is and what opens it: a password manager need not ask again.
    ///
    /// # Errors
    /// As [`repository::source`].
    pub async fn source(&self, flux: &Flux) -> Result<&GitSource> {
        self.source.get_or_try_init(|| repository::source(flux)).await
    }

    /// The files that matter, at the head of the branch as it is now.
    ///
    /// # Errors
    /// As [`Self::source`]; [`Kind::Git`](crate::error::Kind) when it cannot be read.
    pub async fn read(&self, git: &impl Git, flux: &Flux) -> Result<Checkout> {
        let source = self.source(flux).await?;
        let mut known = self.checkout.lock().await;
        if let Some(checkout) = known.as_ref()
            && git.head(source).await? == checkout.head
        {
            return Ok(checkout.clone());
        }
        let checkout = git.read(source, &repository::paths(flux)).await?;
        *known = Some(checkout.clone());
        Ok(checkout)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::ports::GitError;

    /// A repository whose branch stands at a commit, and what was asked of it.
    struct Counted(Mutex<(&'static str, Vec<&'static str>)>);

    impl Counted {
        fn asked(&self, what: &'static str) -> String {
            let mut this = self.0.lock().unwrap();
            this.1.push(what);
            this.0.to_owned()
        }
    }

    impl Git for Counted {
        async fn head(&self, _: &GitSource) -> Result<String, GitError> {
            Ok(self.asked("head"))
        }

        async fn read(&self, _: &GitSource, _: &[String]) -> Result<Checkout, GitError> {
            Ok(Checkout { head: self.asked("read"), files: std::collections::BTreeMap::new() })
        }
    }

    #[tokio::test]
    async fn it_is_fetched_once_and_again_only_where_its_head_has_moved() {
        let git = Counted(Mutex::new(("one", Vec::new())));
        let flux = repository::tests::flux("kind: Namespace");
        let known = Repository::default();
        for _ in 0..3 {
            assert_eq!(known.read(&git, &flux).await.unwrap().head, "one");
        }
        git.0.lock().unwrap().0 = "two";
        assert_eq!(known.read(&git, &flux).await.unwrap().head, "two");
        assert_eq!(git.0.lock().unwrap().1, ["read", "head", "head", "head", "read"]);
    }
}
