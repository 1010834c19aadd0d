//! Holds the emulator's declarations against Proxmox' own schema, where there is a copy of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    endpoint::Endpoint,
    endpoints,
    schema::{Format, Kind, Parameter, Schema, property_string::Property},
};

/// The copy of the schema: in `$HOMELAB_SHARED`, or in `shared` beside the working copy.
pub(super) fn schema() -> Option<Value> {
    let named = std::env::var("HOMELAB_SHARED").ok().map(camino::Utf8PathBuf::from);
    let beside = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    named
        .into_iter()
        .chain(beside.map(|folder| folder.join("shared")))
        .find_map(|folder| fs_err::read_to_string(folder.join("pve/pve-api-schema.json")).ok())
        .map(|text| serde_json::from_str(&text).unwrap())
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn truth(value: &Value) -> bool {
    value.as_i64() == Some(1)
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Array(_) => "array",
    }
}

fn compare_schema(place: &str, ours: &Schema, real: &Value, found: &mut Vec<String>) {
    let kind = real["type"].as_str().unwrap_or("string");
    if kind_name(&ours.kind) != kind {
        found.push(format!("{place}: is {}, really {kind}", kind_name(&ours.kind)));
    }
    if ours.optional != truth(&real["optional"]) {
        found.push(format!("{place}: optional is {}", ours.optional));
    }
    let values = texts(&real["enum"]);
    if values != ours.values {
        found.push(format!("{place}: values {:?}, really {values:?}", ours.values));
    }
    let number = |name: &str| real[name].as_f64().or_else(|| real[name].as_str()?.parse().ok());
    let length = |name: &str| number(name).map(|length| length as usize);
    for (name, ours, real) in
        [("minimum", ours.minimum, number("minimum")), ("maximum", ours.maximum, number("maximum"))]
    {
        if ours != real {
            found.push(format!("{place}: {name} {ours:?}, really {real:?}"));
        }
    }
    for (name, ours, real) in [
        ("minLength", ours.min_length, length("minLength")),
        ("maxLength", ours.max_length, length("maxLength")),
    ] {
        if ours != real {
            found.push(format!("{place}: {name} {ours:?}, really {real:?}"));
        }
    }
    if ours.requires != real["requires"].as_str() {
        found.push(format!("{place}: requires {:?}, really {}", ours.requires, real["requires"]));
    }
    if ours.pattern.is_some() != real["pattern"].is_string() {
        found.push(format!("{place}: pattern {:?}, really {}", ours.pattern, real["pattern"]));
    }
    compare_format(place, ours, &real["format"], found);
}

fn compare_format(place: &str, ours: &Schema, real: &Value, found: &mut Vec<String>) {
    match (&ours.format, real) {
        (None, Value::Null) => {}
        (Some(Format::Named(name) | Format::Checked(name, _)), Value::String(real)) => {
            if name != real {
                found.push(format!("{place}: format {name}, really {real}"));
            }
        }
        (Some(Format::Properties(name, _)), Value::String(real)) => {
            if name.is_some_and(|name| name != real) {
                found.push(format!("{place}: format {name:?}, really {real}"));
            }
        }
        (Some(Format::Properties(_, keys)), Value::Object(real)) => {
            let names: BTreeSet<&str> = keys.keys.keys().copied().collect();
            let real_names: BTreeSet<&str> = real.keys().map(String::as_str).collect();
            for name in names.symmetric_difference(&real_names) {
                found.push(format!("{place}: key {name} is on one side only"));
            }
            for (name, property) in &keys.keys {
                let Some(real) = real.get(*name) else { continue };
                let place = format!("{place}.{name}");
                match property {
                    Property::Value { schema, default } => {
                        if *default != truth(&real["default_key"]) {
                            found.push(format!("{place}: default key is {default}"));
                        }
                        compare_schema(&place, schema, real, found);
                    }
                    Property::Alias { target, key_alias } => {
                        if real["alias"] != *target || real["keyAlias"].as_str() != *key_alias {
                            found.push(format!("{place}: alias of {target}, really {real}"));
                        }
                    }
                }
            }
        }
        (ours, real) => found.push(format!("{place}: format {ours:?}, really {real:.60}")),
    }
}

fn compare_endpoint(endpoint: &Endpoint, real: &Value, found: &mut Vec<String>) {
    let name = format!("{} {}", endpoint.method.as_str(), endpoint.path);
    for (what, ours, real) in [
        ("protected", endpoint.protected, truth(&real["protected"])),
        ("proxied", endpoint.proxied, real["proxyto"].is_string()),
        ("for tokens", endpoint.token_allowed, truth(&real["allowtoken"])),
    ] {
        if ours != real {
            found.push(format!("{name}: {what} is {ours}"));
        }
    }
    let properties = &real["parameters"]["properties"];
    let real_names: BTreeSet<&str> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let names: BTreeSet<&str> = endpoint.parameters.iter().map(|known| known.name).collect();
    for parameter in names.symmetric_difference(&real_names) {
        let side = if names.contains(parameter) { "ours" } else { "the real one" };
        found.push(format!("{name}: only {side} has the parameter {parameter}"));
    }
    for Parameter { name: parameter, schema, .. } in &endpoint.parameters {
        if real_names.contains(parameter) {
            let place = format!("{name}: {parameter}");
            compare_schema(&place, schema, &properties[*parameter], found);
        }
    }
}

#[test]
fn the_declarations_are_those_of_proxmox() {
    let Some(schema) = schema() else {
        eprintln!("skipped: no copy of Proxmox' schema here");
        return;
    };
    let mut found = Vec::new();
    for endpoint in endpoints(9) {
        let real = &schema["paths"][endpoint.path][endpoint.method.as_str()];
        let known = texts(&schema["other_paths"][endpoint.path])
            .iter()
            .any(|method| method == endpoint.method.as_str());
        if real.is_object() {
            compare_endpoint(&endpoint, real, &mut found);
        } else if !known && endpoint.path != "/" {
            found.push(format!("{} {}: there is none", endpoint.method.as_str(), endpoint.path));
        }
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_endpoint_is_declared_once() {
    let mut seen = BTreeSet::new();
    for endpoint in endpoints(9) {
        assert!(
            seen.insert((endpoint.method, endpoint.path)),
            "{} {} is declared twice",
            endpoint.method.as_str(),
            endpoint.path
        );
        for part in endpoint.path.split('/') {
            let Some(name) = part.strip_prefix('{') else { continue };
            let name = name.trim_end_matches('}');
            assert!(
                endpoint.parameters.iter().any(|parameter| parameter.name == name),
                "{} does not declare {name}",
                endpoint.path
            );
        }
    }
}
