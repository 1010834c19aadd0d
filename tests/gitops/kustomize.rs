//! The official `kustomize` builds every folder, as Flux does.

use std::process::Command;

use homelab::gitops::File;

use crate::site::Site;

#[test]
fn the_official_kustomize_builds_every_part() {
    let Some(program) = std::env::var_os("HOMELAB_TEST_KUSTOMIZE") else {
        eprintln!("skipped: HOMELAB_TEST_KUSTOMIZE names no kustomize");
        return;
    };
    let site = Site::whole();
    let folder = tempfile::tempdir().unwrap();
    for (path, file) in &site.tree.files {
        let text = match file {
            File::Text(text) => text.clone(),
            // As it is before it is encrypted: kustomize does not look inside.
            File::Secret(plan) => format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n  namespace: {}\n",
                plan.name, plan.namespace
            ),
        };
        let path = folder.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    // Flux itself lists what is in the cluster's entry, as this does.
    let entry = format!("clusters/{}", site.desired.cluster);
    let create = ["create", "--autodetect", "--recursive"];
    let status = Command::new(&program)
        .args(create)
        .current_dir(folder.path().join(&entry))
        .status()
        .unwrap();
    assert!(status.success());
    let listed = site.tree.files.keys().filter_map(|path| path.strip_suffix("/kustomization.yaml"));
    let mut built = 0;
    for path in listed.chain([entry.as_str()]) {
        let output =
            Command::new(&program).arg("build").arg(folder.path().join(path)).output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let objects: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let expected = site
            .objects
            .iter()
            .filter(|object| object.path.starts_with(&format!("{path}/")))
            .filter(|object| !object.path.ends_with("/kustomization.yaml"))
            .count();
        assert_eq!(objects.len(), expected, "{path}");
        built += 1;
    }
    eprintln!("kustomize built {built} folders");
}
