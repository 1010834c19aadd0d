use super::*;
use crate::{
    plan::{
        Refusal,
        diff::tests::bare,
        edge::tests::{made, record, whole},
    },
    stage::check::CheckState,
};

fn checked(change: impl FnOnce(&Desired, &mut EdgeSight)) -> Vec<Check> {
    let desired = made();
    let mut seen = whole(&desired);
    change(&desired, &mut seen);
    checks(&desired, &Observed { edge: Sight::Seen(Ok(seen)), ..bare(&desired) })
}

/// The checks that failed, each as `id: cause; next`.
fn red(checks: &[Check]) -> Vec<String> {
    let failed = checks.iter().filter_map(|check| match &check.state {
        CheckState::Failed { cause, next } => Some(format!("{}: {cause}; {next}", check.id)),
        _ => None,
    });
    failed.collect()
}

#[test]
fn an_edge_that_is_well_passes_every_check() {
    let checks = checked(|_, _| {});
    assert_eq!(red(&checks), Vec::<String>::new());
    let ids: Vec<&str> = checks.iter().map(|check| check.id).collect();
    assert_eq!(ids, ["edge/tunnel", "edge/route", "edge/record", "edge/record", "edge/secret"]);
    assert_eq!(checks[0].state, CheckState::Passed { seen: "healthy, 8 connections".into() });
}

#[test]
fn each_break_turns_its_check_red_with_its_cause_and_what_to_type() {
    type Break = fn(&Desired, &mut EdgeSight);
    let breaks: [Break; 13] = [
        |_, seen| {
            let tunnel = seen.tunnel.as_mut().unwrap();
            (tunnel.health, tunnel.connections) = (TunnelHealth::Degraded, 1);
        },
        |_, seen| {
            let tunnel = seen.tunnel.as_mut().unwrap();
            (tunnel.health, tunnel.connections) = (TunnelHealth::Down, 0);
        },
        |_, seen| {
            let tunnel = seen.tunnel.as_mut().unwrap();
            (tunnel.health, tunnel.connections) = (TunnelHealth::Inactive, 0);
        },
        |_, seen| {
            seen.tunnel.as_mut().unwrap().health = TunnelHealth::Other("paused".into());
        },
        |_, seen| seen.rules.remove(0).more = true,
        |_, seen| seen.rules.clear(),
        |_, seen| drop(seen.records.remove(0)),
        |_, seen| seen.records[0].proxied = false,
        |_, seen| seen.records[0].content = "elsewhere.example".into(),
        |_, seen| seen.records[0].comment.clear(),
        |_, seen| seen.secret = Sight::Seen(None),
        |_, seen| seen.secret = Sight::Seen(Some(String::new())),
        |_, seen| seen.secret = Sight::Seen(Some("another".into())),
    ];
    let told = breaks.map(|broken| {
        let failed = red(&checked(broken));
        assert_eq!(failed.len(), 1, "{failed:?}");
        failed.concat()
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn without_a_tunnel_all_but_what_does_not_need_it_is_red() {
    let checks = checked(|desired, seen| {
        (seen.tunnel, seen.rules) = (None, Vec::new());
        seen.records = vec![record(desired, "auth.example.org")];
    });
    assert_eq!(red(&checks).len(), 5, "{checks:?}");
}

#[test]
fn an_edge_that_cannot_be_looked_at_is_red_with_its_reason() {
    let desired = made();
    let with = |edge| checks(&desired, &Observed { edge, ..bare(&desired) });
    let silent = with(Sight::Silent("no route to it".into()));
    assert!(red(&silent).concat().contains("no route to it"), "{silent:?}");
    let refusal = Refusal::new("token", "it lacks `Zone / DNS / Edit`", "give it");
    let forbidden = with(Sight::Seen(Err(refusal)));
    assert!(red(&forbidden).concat().contains("DNS / Edit`; give it"), "{forbidden:?}");
    assert_eq!(with(Sight::Unseen), []);
    let by_hand = crate::topology::tests::example();
    assert_eq!(checks(&by_hand, &bare(&by_hand)), []);
}
