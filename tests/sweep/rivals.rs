//! Two operators at once, each with a state folder of their own: one of them works.

use std::sync::Arc;

use homelab_lab::sim::gate::{Moment, System};

use crate::{
    judge::Judge,
    story::{first_up, undisturbed},
    warden::Pause,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_operator_is_refused_while_the_first_works_and_finds_nothing_to_do_afterwards() {
    let story = first_up();
    let (_, whole) = undisturbed(&story).await;
    let operator = story.begin().await;
    let pause = Arc::new(Pause::new(Moment::After, |effect| {
        effect.system == System::Host && effect.kind.starts_with("exec Sets up k3s as server")
    }));
    operator.world.gate.set_warden(Some(pause.clone()));
    let first = operator.start(story.run);
    let process = first.id().unwrap();
    let second = async {
        pause.reached.notified().await;
        let second = operator.end(operator.start_at("elsewhere", story.run)).await;
        pause.over.notify_one();
        second
    };
    let (first, second) = tokio::join!(operator.end(first), second);
    operator.world.gate.set_warden(None);
    assert_eq!(second.code, Some(21), "{}", second.err);
    assert!(second.err.contains("the cluster is held by"), "{}", second.err);
    assert!(second.err.contains(&format!("process {process}, since 20")), "{}", second.err);
    let after = operator.end(operator.start_at("elsewhere", story.run)).await;
    assert!(after.err.contains("nothing to do"), "{}", after.err);
    let mut judge = Judge::new("two operators", whole, 1);
    judge.look(&operator, "the second came in the middle", &[&first, &second, &after]).await;
    judge.end();
}
