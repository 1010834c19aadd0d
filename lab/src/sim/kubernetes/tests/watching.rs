use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::json;

use super::{client::cluster, config_map};
use crate::sim::kubernetes::store::{HISTORY, Key};

fn shown(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("added {}", map.name_any()),
        WatchEvent::Modified(map) => format!("modified {}", map.name_any()),
        WatchEvent::Deleted(map) => format!("deleted {}", map.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => format!("error {}", status.code),
    }
}

#[tokio::test]
async fn changes_after_a_version_are_told_as_they_happen() {
    let (kubernetes, client) = cluster().await;
    kubernetes.create("test", &config_map("before", json!({}))).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let version = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version;
    let events = maps.watch(&WatchParams::default(), &version.unwrap()).await.unwrap();
    let mut events = events.boxed();
    let place = ("default", "one");
    kubernetes.create("test", &config_map("one", json!({}))).unwrap();
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "added one");
    kubernetes.patch("test", "configmaps", place, &json!({ "data": { "a": "1" } })).unwrap();
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "modified one");
    kubernetes.delete("configmaps", place).unwrap();
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "deleted one");
}

#[tokio::test]
async fn an_object_comes_and_goes_with_the_label_that_is_watched() {
    let (kubernetes, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mine = WatchParams::default().labels("mine=yes");
    let mut events = maps.watch(&mine, "0").await.unwrap().boxed();
    kubernetes.create("test", &config_map("one", json!({}))).unwrap();
    for label in [json!("yes"), json!("no")] {
        let patch = json!({ "metadata": { "labels": { "mine": label } } });
        kubernetes.patch("test", "configmaps", ("default", "one"), &patch).unwrap();
    }
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "added one");
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "deleted one");
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_gone() {
    let (kubernetes, client) = cluster().await;
    kubernetes.create("test", &config_map("one", json!({}))).unwrap();
    let key = Key {
        group: String::new(),
        plural: "configmaps".into(),
        namespace: "default".into(),
        name: "one".into(),
    };
    kubernetes.change(|state| {
        for _ in 0..=HISTORY {
            state.put(key.clone(), config_map("one", json!({})));
        }
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut events = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    assert_eq!(shown(&events.try_next().await.unwrap().unwrap()), "error 410");
    assert!(events.try_next().await.unwrap().is_none());
}
