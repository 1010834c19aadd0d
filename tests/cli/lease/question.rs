//! What others did while a question stood on the terminal.

use crate::{terminal::Terminal, world::World};

fn asking(world: &World, words: &[&str]) -> Terminal {
    let mut command = world.elsewhere(words);
    command.env("TERM", "xterm");
    Terminal::start(command)
}

#[tokio::test]
async fn a_plan_whose_ground_went_away_while_it_was_agreed_to_is_not_carried_out() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let mut terminal = asking(&world, &["up", "--until", "machines"]);
    terminal.answer("[y/N]", "").await;
    world.homelab(&["destroy", "--all", "--yes"]).await.well();
    world.forget_requests().await;
    terminal.answer("", "y\r").await;
    assert_eq!(terminal.code().await, Some(20), "{}", terminal.seen());
    let told = terminal.seen();
    assert!(told.contains("what is to be done changed since it was shown"), "{told}");
    assert!(world.changes().await.is_empty(), "{:?}", world.changes().await);
}
