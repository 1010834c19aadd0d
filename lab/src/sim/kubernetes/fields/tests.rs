use serde_json::{Value, json};

use super::{Writer, apply, known, update};

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, version: "apps/v1", subresource: "" }
}

fn deployment(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec })
}

fn containers(containers: Value) -> Value {
    deployment(json!({ "template": { "spec": { "containers": containers } } }))
}

fn entry<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|entry| entry["manager"] == manager)
}

#[test]
fn an_applier_manages_what_it_names_and_nothing_else() {
    let schema = known("Deployment");
    let wanted = containers(
        json!([{ "name": "web", "image": "a", "env": [{ "name": "A", "value": "1" }] }]),
    );
    let made = apply(None, &wanted, &schema, &writer("homelab"), false).unwrap();
    let entry = entry(&made, "homelab").unwrap();
    assert_eq!(entry["operation"], "Apply");
    assert_eq!(
        entry["fieldsV1"],
        json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": {
            "k:{\"name\":\"web\"}": {
                ".": {},
                "f:name": {},
                "f:image": {},
                "f:env": { "k:{\"name\":\"A\"}": { ".": {}, "f:name": {}, "f:value": {} } },
            },
        } } } } })
    );
}

#[test]
fn what_an_applier_no_longer_names_goes_unless_another_applier_names_it() {
    let schema = known("Deployment");
    let both =
        containers(json!([{ "name": "web", "image": "a" }, { "name": "side", "image": "b" }]));
    let made = apply(None, &both, &schema, &writer("flux"), false).unwrap();
    let shared = containers(json!([{ "name": "side", "image": "b" }]));
    let made = apply(Some(&made), &shared, &schema, &writer("other"), false).unwrap();
    let one = containers(json!([{ "name": "third", "image": "c" }]));
    let made = apply(Some(&made), &one, &schema, &writer("flux"), false).unwrap();
    let left = &made["spec"]["template"]["spec"]["containers"];
    assert_eq!(left, &json!([{ "name": "side", "image": "b" }, { "name": "third", "image": "c" }]));
}

#[test]
fn a_field_that_another_manager_set_otherwise_is_a_conflict_until_it_is_forced() {
    let schema = known("Deployment");
    let made = apply(None, &deployment(json!({ "replicas": 1 })), &schema, &writer("flux"), false)
        .unwrap();
    let mut scaled = made.clone();
    scaled["spec"]["replicas"] = json!(3);
    update(Some(&made), &mut scaled, &schema, &writer("kubectl"));
    assert_eq!(entry(&scaled, "flux"), None);

    let wanted = deployment(json!({ "replicas": 2 }));
    let conflicts = apply(Some(&scaled), &wanted, &schema, &writer("flux"), false).unwrap_err();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].manager, "\"kubectl\" using apps/v1");
    assert_eq!(conflicts[0].field, ".spec.replicas");

    let same = deployment(json!({ "replicas": 3 }));
    assert!(apply(Some(&scaled), &same, &schema, &writer("flux"), false).is_ok());
    let forced = apply(Some(&scaled), &wanted, &schema, &writer("flux"), true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 2);
    assert_eq!(entry(&forced, "kubectl"), None);
}

#[test]
fn an_applied_list_keeps_what_others_put_into_it_and_its_own_order() {
    let schema = known("Deployment");
    let live = containers(json!([{ "name": "a" }, { "name": "injected" }, { "name": "b" }]));
    let wanted = containers(json!([{ "name": "b" }, { "name": "a" }]));
    let made = apply(Some(&live), &wanted, &schema, &writer("flux"), true).unwrap();
    let left = made["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let mut names: Vec<&str> = left.iter().filter_map(|one| one["name"].as_str()).collect();
    let place = |name: &str| names.iter().position(|one| *one == name).unwrap();
    assert!(place("b") < place("a"));
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "injected"]);
}

#[test]
fn a_list_without_keys_belongs_to_one_manager_as_a_whole() {
    let schema = known("Node");
    let taints = |value: &str| json!({ "metadata": { "name": "n" }, "spec": { "taints": [{ "key": value, "effect": "NoSchedule" }] } });
    let made = apply(None, &taints("one"), &schema, &writer("one"), false).unwrap();
    let conflicts = apply(Some(&made), &taints("two"), &schema, &writer("two"), false).unwrap_err();
    assert_eq!(conflicts[0].field, ".spec.taints");
    assert_eq!(conflicts[0].manager, "\"one\"");
}
