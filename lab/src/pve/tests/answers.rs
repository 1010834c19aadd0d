//! Answers hold themselves to the declared schema.

use super::*;

/// Whether a value is of a type that Proxmox' schema names; Perl prints numbers as strings at
/// times.
fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "string" => value.is_string() || value.is_number(),
        "integer" | "number" | "boolean" => {
            value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
        }
        _ => true,
    }
}

/// Where the real server's answer is not what its own schema declares: a virtio disk was recorded
/// without `mounted`, and with `null` for the list of daemons that use it.
const UNDECLARED: [&str; 2] = [
    "/nodes/pve1/disks/list[]: lacks mounted",
    "/nodes/pve1/disks/list[].osdid-list: is no array: null",
];

fn check_answer(place: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
    let kind = schema["type"].as_str().unwrap_or("any");
    if value.is_null() && schema["optional"] == 1 {
        return;
    }
    if !is_of_type(value, kind) {
        found.push(format!("{place}: is no {kind}: {value:.80}"));
        return;
    }
    for item in value.as_array().into_iter().flatten() {
        check_answer(&format!("{place}[]"), item, &schema["items"], found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        match value.get(name) {
            Some(value) => check_answer(&format!("{place}.{name}"), value, property, found),
            None if property["optional"] == 1 || name.ends_with("[n]") => {}
            None => found.push(format!("{place}: lacks {name}")),
        }
    }
}

#[tokio::test]
async fn answers_are_of_the_types_that_proxmox_declares() {
    let Some(schema) = crate::pve::declarations::schema() else {
        eprintln!("skipped: no copy of Proxmox' schema here");
        return;
    };
    let mut setup = root_only();
    setup.guests.push(GuestSetup { running: true, ..bystander(100) });
    let world = world(setup).await;
    let mut found = Vec::new();
    let mut asked = 0;
    for endpoint in crate::pve::endpoints(9) {
        let needs_more = endpoint.parameters.iter().any(|parameter| {
            !parameter.schema.optional && !["node", "vmid", "storage"].contains(&parameter.name)
        });
        if endpoint.method != crate::pve::endpoint::Method::Get || needs_more {
            continue;
        }
        let path = endpoint.path.replace("{node}", "pve1").replace("{vmid}", "100");
        let path = path.replace("{storage}", "local");
        let answer = world.root("GET", &path, "").await;
        if answer.status() == "HTTP/1.1 200 OK" {
            asked += 1;
            let returns = &schema["paths"][endpoint.path]["GET"]["returns"];
            check_answer(&path, &answer.body["data"], returns, &mut found);
        }
    }
    found.retain(|text| !UNDECLARED.contains(&text.as_str()));
    assert!(asked > 30, "only {asked} calls answered");
    assert!(found.is_empty(), "{} of {asked}:\n{}", found.len(), found.join("\n"));
}
