//! A run that nobody disturbs.

use homelab_lab::sim::world::Options;

use crate::operator::Operator;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_a_cluster_and_a_second_one_has_nothing_to_do() {
    let operator = Operator::new(Options::default()).await;
    operator.succeed(&["up", "--yes"]).await;
    operator.world.gate.forget();
    let second = operator.succeed(&["up", "--yes"]).await;
    assert!(second.err.contains("nothing to do"), "{}", second.err);
    let changed: Vec<_> =
        operator.world.gate.log().into_iter().filter(|effect| effect.mutating).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}
