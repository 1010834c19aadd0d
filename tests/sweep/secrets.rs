//! Where the secrets of a world are seen: nowhere but where they are meant to be.

use homelab_lab::sim::world::Options;

use crate::{canaries::Canaries, operator::Operator};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_where_it_does_not_belong() {
    let operator = Operator::new(Options::default()).await;
    let canaries = looked_for(&operator).await;
    assert_eq!(canaries.0.len(), 8, "{:?}", canaries.0.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_one_that_opens_git_its_secrets_or_the_bucket() {
    let operator = Operator::new(Options { gitops: true, ..Options::default() }).await;
    let canaries = looked_for(&operator).await;
    for name in ["deploy key", "age key", "CLOUDFLARE_API_TOKEN", "AWS_SECRET_ACCESS_KEY"] {
        assert!(canaries.0.contains_key(name), "{:?}", canaries.0.keys());
    }
}

/// Runs what a person runs, and looks for the secrets of the world.
async fn looked_for(operator: &Operator) -> Canaries {
    let mut said = String::new();
    let plan = operator.path("state/plan.json");
    for words in [
        &["plan", "--out", plan.as_str()][..],
        &["-vv", "up", "--yes"],
        &["-o", "json", "verify"],
        &["plan"],
        &["status"],
    ] {
        let ended = operator.succeed(words).await;
        said.push_str(&ended.out);
        said.push_str(&ended.err);
    }
    let canaries = Canaries::of(operator);
    let keys = canaries.0.keys().filter(|name| name.starts_with("auth key")).count();
    assert_eq!(keys, 3, "one auth key for each node");
    assert!(plan.exists(), "a plan file is looked at, too");
    let astray = canaries.astray(operator, &said);
    assert!(astray.is_empty(), "{}", astray.join("\n"));
    assert_eq!(canaries.joined(operator), 2, "both agents have the token that they joined with");
    let environments = operator.world.environments();
    assert!(environments.iter().any(|set| set.contains("HOMELAB_SIM")), "{environments:?}");
    canaries
}
