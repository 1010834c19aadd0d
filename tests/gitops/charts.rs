//! What charts are told, against what they know: their schema where they have one, and every key against
//! their values.

use std::path::Path;

use serde_json::Value;

use crate::{
    shared,
    site::{Object, Site},
};

/// Mappings that are handed on as they are.
const FREE: &[&str] = &["kube-prometheus-stack.grafana.grafana.ini"];

#[test]
fn every_value_of_a_release_is_one_that_its_chart_knows() {
    let Some(folder) = shared::folder("charts") else { return };
    let sites = Site::variants();
    for release in sites.iter().flat_map(|site| site.of_kind("HelmRelease")) {
        let chart = release.text("/spec/chart/spec/chart");
        let values = &release.value["spec"]["values"];
        let (defaults, text) = defaults(&folder, chart);
        if !fits_schema(&folder.join(chart), defaults.clone(), values, release) {
            let mut unknown = Vec::new();
            compare(values, &defaults, &text, chart, &mut unknown);
            assert_eq!(unknown, Vec::<String>::new(), "{}", release.path);
        }
    }
}

#[test]
fn traefik_is_told_what_k3s_chart_of_it_reads() {
    let Some(folder) = shared::folder("charts") else { return };
    let site = Site::whole();
    let config = site.object("HelmChartConfig", "kube-system", "traefik");
    let values: Value = serde_saphyr::from_str(config.text("/spec/valuesContent")).unwrap();
    let (defaults, _) = defaults(&folder, "traefik-k3s");
    assert!(fits_schema(&folder.join("traefik-k3s"), defaults.clone(), &values, config));
    // The spelling of older charts, which k3s's Traefik ignores without a word.
    let old = serde_json::json!({"ports": {"web": {"middlewares": ["kube-system-edge-https@kubernetescrd"]}}});
    let fits = || fits_schema(&folder.join("traefik-k3s"), defaults, &old, config);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fits)).is_err());
}

/// Checks a chart's values as Helm does: laid over its own. `false` where it has no schema.
fn fits_schema(chart: &Path, mut whole: Value, values: &Value, object: &Object) -> bool {
    let Ok(text) = fs_err::read_to_string(chart.join("values.schema.json")) else { return false };
    lay_over(&mut whole, values);
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&whole)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new(), "{}", object.path);
    true
}

/// A chart's values, with its subchart's below where it has one, and their text for what is in comments.
fn defaults(folder: &Path, chart: &str) -> (Value, String) {
    let read =
        |chart: &str| fs_err::read_to_string(folder.join(chart).join("values.yaml")).unwrap();
    let mut text = read(chart);
    let mut values: Value = serde_saphyr::from_str(&text).unwrap();
    if chart == "kube-prometheus-stack" {
        let below = read("grafana");
        let mut grafana: Value = serde_saphyr::from_str(&below).unwrap();
        lay_over(&mut grafana, &values["grafana"]);
        values["grafana"] = grafana;
        text.push_str(&below);
    }
    (values, text)
}

fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

fn compare(values: &Value, defaults: &Value, text: &str, path: &str, unknown: &mut Vec<String>) {
    if FREE.contains(&path) {
        return;
    }
    let (Some(values), Some(known)) = (values.as_object(), defaults.as_object()) else {
        let is_open = matches!(defaults, Value::Null) || defaults.as_array().is_some();
        if values.is_object() && !is_open {
            unknown.push(format!("{path} is no mapping for the chart"));
        }
        return;
    };
    for (key, value) in values {
        let path = format!("{path}.{key}");
        match known.get(key) {
            Some(default) => compare(value, default, text, &path, unknown),
            // An empty mapping takes anything; a key in a comment is one that can be set.
            None if known.is_empty() || is_in_a_comment(text, key) => {}
            None => unknown.push(path),
        }
    }
}

fn is_in_a_comment(text: &str, key: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with('#') && line.trim_start_matches(['#', ' ']).starts_with(&format!("{key}:"))
    })
}

#[test]
fn a_key_that_a_chart_does_not_know_is_found() {
    let defaults = serde_json::json!({"speaker": {"frr": {"enabled": false}}, "labels": {}});
    let values = serde_json::json!({"speaker": {"fr": true}, "labels": {"a": "b"}, "other": 1});
    let mut unknown = Vec::new();
    compare(&values, &defaults, "", "metallb", &mut unknown);
    assert_eq!(unknown, ["metallb.speaker.fr", "metallb.other"]);
}
