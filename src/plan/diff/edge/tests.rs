use super::*;
use crate::plan::{
    diff::tests::bare,
    edge::{
        EdgeSight,
        tests::{ID, made, record, whole},
    },
};

/// The steps for an edge, each as `id (impact): reasons`; or the refusals.
fn planned(change: impl FnOnce(&mut EdgeSight)) -> Result<Vec<String>, Vec<Refusal>> {
    let desired = made();
    let mut seen = whole(&desired);
    change(&mut seen);
    let observed = Observed { edge: Sight::Seen(Ok(seen)), ..bare(&desired) };
    let (mut plan, mut refusals) = (Plan::default(), Vec::new());
    steps(&desired, &observed, &mut plan, &mut refusals);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let told = plan
        .steps
        .iter()
        .map(|step| format!("{} ({}): {}", step.id, step.impact.name(), step.reasons.join("; ")));
    Ok(told.collect())
}

#[test]
fn an_edge_that_is_as_it_should_be_needs_nothing() {
    assert_eq!(planned(|_| {}).unwrap(), Vec::<String>::new());
}

#[test]
fn where_nothing_is_everything_is_made_in_order() {
    let desired = made();
    let seen = EdgeSight {
        tunnel: None,
        rules: Vec::new(),
        records: Vec::new(),
        secret: Sight::Unseen,
        ..whole(&desired)
    };
    let observed = Observed { edge: Sight::Seen(Ok(seen)), ..bare(&desired) };
    let (mut plan, mut refusals) = (Plan::default(), Vec::new());
    steps(&desired, &observed, &mut plan, &mut refusals);
    assert_eq!(refusals, []);
    let lines = plan.steps.iter().map(|step| {
        let needs: Vec<String> = step.needs.iter().map(ToString::to_string).collect();
        format!("{} ({}) after [{}]", step.id, step.impact.name(), needs.join(", "))
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    edge/tunnel (create) after []
    edge/routes (create) after [edge/tunnel]
    edge/token (create) after [edge/tunnel, edge/routes]
    edge/point/auth.example.org (create) after [edge/tunnel, edge/routes]
    edge/point/jellyfin.example.org (create) after [edge/tunnel, edge/routes]
    ");
    assert!(plan.steps.iter().all(|step| step.impact == Impact::Create));
}

#[test]
fn each_thing_that_differs_has_its_own_step_and_reason_and_none_costs_data() {
    let steps = planned(|seen| {
        seen.rules[0].service = "http://old".into();
        seen.records[0].proxied = false;
        seen.records.push(record(&made(), "old.example.org"));
        seen.secret = Sight::Seen(Some("another".into()));
    });
    insta::assert_snapshot!(steps.unwrap().join("\n"), @"
    edge/routes (in place): auth.example.org to http://traefik.kube-system.svc.cluster.local:80 is not routed; auth.example.org to http://old is routed and not wanted
    edge/token (in place): the cluster has the token of tunnel another
    edge/point/auth.example.org (in place): it is not proxied
    edge/drop/old.example.org-id-of-ol (in place): no name of the inventory any more
    ");
}

#[test]
fn a_new_tunnel_takes_its_names_and_token_with_it() {
    let steps = planned(|seen| (seen.tunnel, seen.rules) = (None, Vec::new())).unwrap();
    let ids: Vec<&str> = steps.iter().map(|step| step.split(' ').next().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "edge/tunnel",
            "edge/routes",
            "edge/token",
            "edge/point/auth.example.org",
            "edge/point/jellyfin.example.org"
        ]
    );
    assert!(steps[3].contains(ID), "{}", steps[3]);
}

#[test]
fn a_record_of_somebody_elses_forbids_the_whole_plan() {
    let refusals = planned(|seen| {
        seen.records[1].comment = "mine".into();
        seen.records[1].content = "elsewhere.example".into();
    })
    .unwrap_err();
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].place, "DNS record jellyfin.example.org");
    assert!(refusals[0].message.contains("elsewhere.example"), "{:?}", refusals[0]);
    assert!(refusals[0].hint.contains(&format!("`homelab {}`", made().id)), "{:?}", refusals[0]);
}

#[test]
fn a_tunnel_whose_routes_are_kept_elsewhere_is_refused() {
    let refusals = planned(|seen| seen.tunnel.as_mut().unwrap().remote = false).unwrap_err();
    assert!(refusals[0].message.contains("not at Cloudflare"), "{refusals:?}");
}

#[test]
fn a_cluster_that_does_not_answer_is_not_given_a_token_for_that() {
    assert!(planned(|seen| seen.secret = Sight::Silent("no".into())).unwrap().is_empty());
}

#[test]
fn an_edge_that_cannot_be_seen_is_noted_or_refused_and_one_that_was_left_is_named() {
    let desired = made();
    let look = |desired: &Desired, observed: Observed| {
        let (mut plan, mut refusals) = (Plan::default(), Vec::new());
        steps(desired, &observed, &mut plan, &mut refusals);
        assert!(plan.is_empty());
        (plan.notes, refusals)
    };
    let silent = Observed { edge: Sight::Silent("no route".into()), ..bare(&desired) };
    let (notes, refusals) = look(&desired, silent);
    assert!(notes[0].contains("no route") && refusals.is_empty(), "{notes:?}");
    let refusal = Refusal::new("token", "it lacks something", "give it");
    let forbidden = Observed { edge: Sight::Seen(Err(refusal.clone())), ..bare(&desired) };
    assert_eq!(look(&desired, forbidden).1, [refusal]);
    let by_hand = crate::topology::tests::example();
    let left = Observed { tunnel: Some(ID.into()), ..bare(&by_hand) };
    let (notes, _) = look(&by_hand, left);
    assert!(notes[0].contains(ID), "{notes:?}");
}
