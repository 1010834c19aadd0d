//! Hosts that do not say what is on them: that is not to be told as "nothing".

use super::*;

/// What becomes of a node's tailnet and cluster: price and reasons of each step.
fn told(desired: &Desired, observed: &Observed) -> Vec<String> {
    let plan = planned(desired, observed);
    let ids =
        ["tailnet/install/k3s-agent-1", "tailnet/join/k3s-agent-1", "cluster/agent/k3s-agent-1"];
    let steps = ids.map(|id| step_of(&plan, id).unwrap());
    steps.map(|step| format!("{}: {}", step.impact.name(), step.reasons.join("; "))).into()
}

/// All is made, and the agent was in the tailnet once.
fn joined_before(desired: &Desired) -> Observed {
    let mut observed = made(desired, FRESH);
    observed.addresses.insert(name("k3s-agent-1"), [100, 64, 0, 7].into());
    observed
}

#[test]
fn of_a_host_that_does_not_answer_nobody_says_that_nothing_is_there() {
    let desired = desired();
    let mut observed = joined_before(&desired);
    observed.hosts.insert(name("k3s-agent-1"), Sight::Silent("it refused to log in".into()));
    let why = "not seen yet, as SSH does not answer: what is as it should be stays";
    let told = told(&desired, &observed);
    assert_eq!(
        told,
        [format!("restart: {why}"), format!("create: {why}"), format!("restart: {why}")]
    );
}

#[test]
fn of_a_guest_that_is_stopped_nobody_says_so_either() {
    let desired = desired();
    let mut observed = joined_before(&desired);
    observed.hosts.insert(name("k3s-agent-1"), Sight::Unseen);
    of(&mut observed, "k3s-agent-1").power = PowerState::Stopped;
    for line in told(&desired, &observed) {
        let why = "not seen yet, as it does not run: what is as it should be stays";
        assert!(line.ends_with(why), "{line}");
    }
}

#[test]
fn on_a_guest_whose_first_boot_is_not_over_is_nothing_yet() {
    let desired = desired();
    let mut observed = joined_before(&desired);
    observed.hosts.insert(name("k3s-agent-1"), Sight::Silent("connection refused".into()));
    let seed = "local:iso/homelab-seed.iso,media=cdrom".to_owned();
    let machine = of(&mut observed, "k3s-agent-1");
    machine.config.values.insert(guest::SEED_DRIVE.into(), seed);
    let told = told(&desired, &observed);
    assert_eq!(told[0], "create: not there yet");
    assert!(told[1].starts_with("create: not joined yet; its address 100.64.0.7"), "{}", told[1]);
}
