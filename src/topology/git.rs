//! From a commit to what runs.

use super::{
    Diagram,
    drawing::{Drawing, outside},
};
use crate::{inventory::Desired, stage::check::Check};

pub(super) fn diagram(desired: &Desired, checks: &[Check]) -> Option<Diagram> {
    let flux = desired.flux.as_ref()?;
    let about =
        "A commit is live when Flux has read and applied it; what was edited by hand is put back.";
    let mut drawing = Drawing::new("git", "GitOps", about, checks);
    let is = |id: &'static str| move |check: &Check| check.id == id;
    drawing.block("person", "You", ["git push".to_owned()], outside);
    let branch = format!("branch {}", flux.branch);
    drawing.block("repository", "Repository", [flux.url.clone(), branch], is("flux/repository"));
    let interval = format!("looked at every {} s", flux.interval.as_secs());
    drawing.block("source", "GitRepository", [interval], is("flux/source"));
    let path = format!("from {}", flux.path);
    drawing.block(
        "flux",
        "Flux",
        ["source, kustomize, helm".to_owned(), path],
        is("flux/controllers"),
    );
    drawing.block(
        "kustomizations",
        "Kustomizations",
        ["server-side apply, prune".to_owned()],
        is("flux/kustomization"),
    );
    drawing.block("releases", "HelmReleases", ["charts by version".to_owned()], is("flux/release"));
    let runs = |check: &Check| check.id == "systems/workload" || check.id == "systems/seen";
    drawing.block("systems", "What runs", [], runs);
    drawing.arrow("person", "repository", "");
    drawing.arrow("repository", "source", "fetched");
    drawing.arrow("source", "flux", "");
    drawing.arrow("flux", "kustomizations", "applies");
    drawing.arrow("flux", "releases", "installs");
    drawing.arrow("kustomizations", "systems", "");
    drawing.arrow("releases", "systems", "");
    Some(drawing.done())
}
