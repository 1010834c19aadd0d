//! The repository that Flux reads, as this computer reads it: its entry point, and whose it is.

use serde_json::{Value, json};

use super::{
    RULES,
    record::{self, TreeRecord, digest},
    rules,
};
use crate::{
    error::{Failure, Kind, Result},
    inventory::{
        Desired,
        desired::{Flux, GitAccess, SecretStore},
        git_host::{is_known_host, known_as},
    },
    named_file,
    plan::{
        Refusal,
        flux::{NAMESPACE, SUSPENDED, source as source_of},
    },
    ports::{Checkout, GitLogin, GitSource},
};

/// An example of a deploy key, for whoever has none.
const KEY_EXAMPLE: &str = "\"$(cat deploy-key)\"";

/// Where the repository is and what opens it.
///
/// # Errors
/// When the secret cannot be had.
pub async fn source(flux: &Flux) -> Result<GitSource> {
    let access = match &flux.credentials {
        None => None,
        Some(GitAccess::DeployKey(key)) => {
            let key = key.resolve_like(KEY_EXAMPLE).await;
            Some(GitLogin::Key(key.map_err(|failure| failure.at("flux.credentials.deploy_key"))?))
        }
        Some(GitAccess::Token(token)) => {
            let token = token.resolve().await;
            Some(GitLogin::Token(token.map_err(|failure| failure.at("flux.credentials.token"))?))
        }
    };
    Ok(GitSource {
        url: flux.url.clone(),
        branch: flux.branch.clone(),
        access,
        known_hosts: known_hosts(flux)?,
    })
}

/// The lines that are about the repository's host: no others are for the cluster to know.
fn known_hosts(flux: &Flux) -> Result<Vec<String>> {
    let mut lines = flux.known_hosts.clone();
    let (Some(file), Some(name)) = (&flux.known_hosts_file, known_as(&flux.url)) else {
        return Ok(lines);
    };
    let text = named_file::text(file, named_file::DOCUMENT).map_err(|error| {
        Failure::new(Kind::Inventory, "flux.known_hosts_file cannot be read").because(error)
    })?;
    let about_it = |line: &&str| {
        let names = line.split_ascii_whitespace().next().unwrap_or_default();
        is_known_host(line) && names.split(',').any(|known| known == name)
    };
    lines.extend(text.lines().map(str::trim).filter(about_it).map(str::to_owned));
    if lines.is_empty() {
        return Err(Failure::new(Kind::Inventory, format!("it has no key of `{name}`"))
            .at(file)
            .hint("names that are hashed cannot be read: `ssh-keygen -F HOST` prints the line, `flux.known_hosts` takes it"));
    }
    Ok(lines)
}

/// The manifests of Flux's controllers.
pub fn components_path(flux: &Flux) -> String {
    format!("{}/flux-system/gotk-components.yaml", flux.path)
}

/// The source and the entry point's Kustomization.
pub fn sync_path(flux: &Flux) -> String {
    format!("{}/flux-system/gotk-sync.yaml", flux.path)
}

/// The Kustomizations of the apps.
pub fn apps_path(flux: &Flux) -> String {
    format!("{}/apps.yaml", flux.path)
}

/// The files that matter before Flux reads them all.
pub fn paths(flux: &Flux) -> Vec<String> {
    vec![
        components_path(flux),
        sync_path(flux),
        apps_path(flux),
        record::FILE.to_owned(),
        RULES.to_owned(),
    ]
}

/// Everything that forbids giving this repository to Flux. `held`: the recipients whose Secrets our age key opens;
/// `None` where that is not known.
pub fn refusals(
    desired: &Desired,
    flux: &Flux,
    checkout: &Checkout,
    held: Option<&[String]>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let place = |path: &str| format!("{}@{}:{path}", flux.url, flux.branch);
    let record = checkout.files.get(record::FILE).map(|text| TreeRecord::parse(text));
    match &record {
        Some(Ok(record)) if record.cluster != desired.id => refusals.push(Refusal::new(
            place(record::FILE),
            format!(
                "the tree is of cluster {}, this one is {}: two clusters on one path would fight over it",
                record.cluster, desired.id
            ),
            "give each cluster a repository, or a branch, of its own (FL-03)",
        )),
        Some(Err(failure)) => refusals.push(Refusal::new(
            place(record::FILE),
            failure.message.clone(),
            "take it from an older commit",
        )),
        _ => {}
    }
    let rendered = record.is_some();
    let path = components_path(flux);
    match checkout.files.get(&path) {
        None => refusals.push(absent(place(&path))),
        Some(text) => refusals.extend(components(flux, text, rendered).map(|message| {
            Refusal::new(
                place(&path),
                message,
                "`homelab gitops update DIR` writes the pinned ones; commit and push them. Patches belong \
                 into the kustomization.yaml beside it (FL-11)",
            )
        })),
    }
    let path = sync_path(flux);
    match checkout.files.get(&path) {
        None => refusals.push(absent(place(&path))),
        Some(text) => refusals.extend(sync(flux, text).into_iter().map(|message| {
            Refusal::new(
                place(&path),
                message,
                "`homelab gitops update DIR` renders it as the inventory says; commit and push it",
            )
        })),
    }
    refusals.extend(locked_out(desired, checkout, held).map(|message| {
        Refusal::new(
            place(RULES),
            message,
            "commit and push what `homelab gitops rotate` wrote, or put the older key back (FL-09)",
        )
    }));
    refusals
}

/// Whether the repository's Secrets are encrypted for nobody that we have a key of.
fn locked_out(desired: &Desired, checkout: &Checkout, held: Option<&[String]>) -> Option<String> {
    let SecretStore::Sops { identity, .. } = &desired.gitops.as_ref()?.secrets else { return None };
    let named = rules::named(checkout.files.get(RULES)?);
    if named.is_empty() || named.iter().any(|one| held.is_none_or(|held| held.contains(one))) {
        return None;
    }
    Some(format!(
        "its Secrets are encrypted for {}; {identity} has no key for it: the cluster could open none of them",
        named.join(", ")
    ))
}

fn absent(place: String) -> Refusal {
    Refusal::new(
        place,
        "it is not there: this is no entry point of Flux (FL-10)",
        "`homelab gitops init DIR` renders the tree; commit it and push it to that branch",
    )
}

/// Whether the controllers' manifests are the pinned ones; of a tree that `flux bootstrap` wrote, whether
/// they are of the pinned version.
fn components(flux: &Flux, text: &str, rendered: bool) -> Option<String> {
    let pinned = &flux.components;
    let found = digest(text);
    if found == pinned.sha256 {
        return None;
    }
    if rendered {
        return Some(format!(
            "the controllers' manifests have sha256 {}, pinned is {} (version {})",
            found.get(..12).unwrap_or_default(),
            pinned.sha256.get(..12).unwrap_or(&pinned.sha256),
            pinned.version
        ));
    }
    let label = format!("app.kubernetes.io/version: v{}", pinned.version.trim_start_matches('v'));
    let other =
        text.lines().map(str::trim).find(|line| line.starts_with("app.kubernetes.io/version:"));
    match other {
        Some(line) if line == label => None,
        Some(line) => Some(format!("it says `{line}`, pinned is version {}", pinned.version)),
        None => Some("it names no version of Flux".to_owned()),
    }
}

/// Whether Flux would read from where the inventory says.
fn sync(flux: &Flux, text: &str) -> Vec<String> {
    let objects = match objects(text) {
        Ok(objects) => objects,
        Err(failure) => return vec![failure.message],
    };
    let mut faults = Vec::new();
    match objects.iter().find(|object| object["kind"] == "GitRepository") {
        None => faults.push("it has no GitRepository".to_owned()),
        Some(object) => {
            let found = source_of(object);
            if found.url != flux.url || found.branch != flux.branch {
                faults.push(format!(
                    "its source is {} on `{}`, the inventory says {} on `{}`",
                    found.url, found.branch, flux.url, flux.branch
                ));
            }
        }
    }
    match objects.iter().find(|object| object["kind"] == "Kustomization") {
        None => faults.push("it has no Kustomization".to_owned()),
        Some(object) => {
            let path = object["spec"]["path"].as_str().unwrap_or_default();
            if path.trim_start_matches("./").trim_matches('/') != flux.path {
                faults.push(format!("it applies `{path}`, the inventory says `{}`", flux.path));
            }
        }
    }
    faults
}

/// The objects of a file of manifests.
///
/// # Errors
/// [`Kind::Git`] when it is no YAML.
pub fn objects(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        Failure::new(Kind::Git, format!("it is no YAML of Kubernetes: {error}"))
    })?;
    Ok(all.into_iter().filter(Value::is_object).collect())
}

/// The apps' Kustomizations as the repository has them, suspended by this run: the one addition.
///
/// # Errors
/// As [`objects`].
pub fn held_apps(text: &str, run: &str) -> Result<Vec<Value>> {
    let kustomizations = objects(text)?.into_iter().filter(|object| {
        object["kind"] == "Kustomization" && object["metadata"]["namespace"] == NAMESPACE
    });
    let hold = |mut object: Value| {
        object["spec"]["suspend"] = json!(true);
        object["metadata"]["annotations"][SUSPENDED] = json!(run);
        object
    };
    Ok(kustomizations.map(hold).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::stage::scripts::tests::desired;

    const SYNC: &str = "apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {url: 'ssh://git@git.lan/homelab', ref: {branch: main}, interval: 1m}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {path: ./clusters/lab, prune: true}
";

    /// A repository on a server of one's own, with these manifests of the controllers pinned.
    pub(crate) fn flux(components: &str) -> Flux {
        let artifact = crate::inventory::desired::Artifact {
            version: "2.9.5".into(),
            url: "http://192.0.2.1/install.yaml".into(),
            sha256: digest(components),
        };
        Flux {
            url: "ssh://git@git.lan/homelab".into(),
            branch: "main".into(),
            path: "clusters/lab".into(),
            interval: std::time::Duration::from_secs(60),
            known_hosts: Vec::new(),
            known_hosts_file: None,
            credentials: None,
            components: artifact,
        }
    }

    fn checkout(files: &[(&str, &str)]) -> Checkout {
        let files = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Checkout { head: "f".repeat(40), files }
    }

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let refusals = refusals(&desired(), &flux("kind: Namespace"), &checkout(files), None);
        refusals
            .into_iter()
            .map(|refusal| format!("{}: {}", refusal.place, refusal.message))
            .collect()
    }

    const COMPONENTS: &str = "clusters/lab/flux-system/gotk-components.yaml";
    const SYNC_PATH: &str = "clusters/lab/flux-system/gotk-sync.yaml";

    #[test]
    fn a_tree_as_rendered_is_taken() {
        let record = TreeRecord::new(desired().id).text();
        let files =
            [(COMPONENTS, "kind: Namespace"), (SYNC_PATH, SYNC), (record::FILE, record.as_str())];
        assert!(told(&files).is_empty(), "{:?}", told(&files));
    }

    #[test]
    fn of_a_file_of_known_hosts_only_the_repositorys_counts() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let folder = tempfile::tempdir().unwrap();
        let file = camino::Utf8PathBuf::from_path_buf(folder.path().join("known_hosts")).unwrap();
        fs_err::write(&file, format!("other.lan {key}\ngit.lan,10.0.0.1 {key} me\n|1|x= {key}\n"))
            .unwrap();
        let mut flux = flux("");
        flux.known_hosts_file = Some(file.clone());
        assert_eq!(known_hosts(&flux).unwrap(), [format!("git.lan,10.0.0.1 {key} me")]);
        flux.url = "ssh://git@git.lan:2222/homelab".into();
        let failure = known_hosts(&flux).unwrap_err();
        assert_eq!(failure.to_string(), format!("{file}: it has no key of `[git.lan]:2222`"));
    }

    #[test]
    fn an_empty_repository_is_refused_with_both_files() {
        insta::assert_snapshot!(told(&[]).join("\n"), @r"
        ssh://git@git.lan/homelab@main:clusters/lab/flux-system/gotk-components.yaml: it is not there: this is no entry point of Flux (FL-10)
        ssh://git@git.lan/homelab@main:clusters/lab/flux-system/gotk-sync.yaml: it is not there: this is no entry point of Flux (FL-10)
        ");
    }

    #[test]
    fn another_clusters_tree_is_refused() {
        let other = TreeRecord::new(crate::model::ClusterId::random()).text();
        let files =
            [(COMPONENTS, "kind: Namespace"), (SYNC_PATH, SYNC), (record::FILE, other.as_str())];
        let told = told(&files);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("two clusters on one path would fight over it"), "{told:?}");
    }

    #[test]
    fn what_bootstrap_wrote_is_taken_in_the_pinned_version_and_refused_in_another() {
        let written = |version: &str| {
            format!(
                "# made by flux\nmetadata:\n  labels:\n    app.kubernetes.io/version: v{version}\n"
            )
        };
        let (same, older) = (written("2.9.5"), written("2.8.0"));
        assert!(told(&[(COMPONENTS, &same), (SYNC_PATH, SYNC)]).is_empty());
        let told = told(&[(COMPONENTS, &older), (SYNC_PATH, SYNC)]);
        assert!(told[0].contains("v2.8.0`, pinned is version 2.9.5"), "{told:?}");
    }

    #[test]
    fn another_source_than_the_inventorys_is_refused() {
        let moved = SYNC.replace("git.lan", "old.lan").replace("clusters/lab", "clusters/home");
        let told = told(&[(COMPONENTS, "kind: Namespace"), (SYNC_PATH, &moved)]);
        assert!(told[0].contains("its source is ssh://git@old.lan/homelab on `main`"), "{told:?}");
        assert!(told[1].contains("it applies `./clusters/home`"), "{told:?}");
    }

    #[test]
    fn apps_are_held_with_nothing_but_the_suspension_added() {
        let apps = SYNC.replace("name: flux-system, ", "name: jellyfin, ");
        let held = held_apps(&apps, "run-1").unwrap();
        assert_eq!(held.len(), 1);
        assert_eq!(
            held[0]["spec"],
            json!({"path": "./clusters/lab", "prune": true, "suspend": true})
        );
        assert_eq!(held[0]["metadata"]["annotations"][SUSPENDED], "run-1");
    }
}
