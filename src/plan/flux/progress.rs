//! What is not done, told from its cause: what waits for others is told after them. Pure.

use super::{FluxSight, HELM_RELEASE, Managed, short};

/// As much of a message as helps; some repeat whole manifests.
const TELLING: usize = 300;

impl Managed {
    /// It does nothing before others are done.
    pub fn is_waiting(&self) -> bool {
        self.current && self.ready != Some(true) && self.reason == "DependencyNotReady"
    }
}

impl FluxSight {
    /// Everything that is not done, and why; what people suspended is passed over.
    pub fn unfinished(&self, head: Option<&str>) -> Vec<(&Managed, String)> {
        let source = self.source.iter().map(|source| &source.object);
        source
            .chain(&self.kustomizations)
            .chain(&self.releases)
            .filter(|one| !one.suspended)
            .filter_map(|one| Some((one, one.lacks(wanted(one, head))?)))
            .collect()
    }

    /// The same in a few texts, the causes first: what waits for others, and what only has an older commit, are told
    /// by their names.
    pub fn unfinished_texts(&self, head: Option<&str>) -> Vec<String> {
        let (mut texts, mut waiting, mut older) = (Vec::new(), Vec::new(), Vec::new());
        for (one, why) in self.unfinished(head) {
            if !self.waits_for(one, head).is_empty() {
                waiting.push(one.name.as_str());
            } else if one.lacks(None).is_none() && one.kind != super::GIT_REPOSITORY.kind {
                older.push(one.name.as_str());
            } else {
                texts.push(format!("{}: {}", one.title(), telling(&why)));
            }
        }
        if let (false, Some(head)) = (older.is_empty(), head) {
            texts.push(format!("not at {} yet: {}", short(head), older.join(", ")));
        }
        if !waiting.is_empty() {
            texts.push(format!("waiting for others: {}", waiting.join(", ")));
        }
        texts
    }

    /// Those that an object waits for and that are not done; none where it waits for something that is not there.
    pub fn waits_for<'a>(&'a self, one: &'a Managed, head: Option<&str>) -> Vec<&'a Managed> {
        if !one.is_waiting() {
            return Vec::new();
        }
        let open = self.needed(one).filter(|need| need.lacks(wanted(need, head)).is_some());
        open.collect()
    }

    /// Those that waited for others, which are done by now: Flux itself looks again only after half a minute.
    pub fn startable(&self, head: &str) -> Vec<&Managed> {
        let all = self.kustomizations.iter().chain(&self.releases).filter(|one| !one.suspended);
        let free = all.filter(|one| {
            one.is_waiting()
                && self.needed(one).count() == one.needs.len()
                && self.waits_for(one, Some(head)).is_empty()
        });
        free.collect()
    }

    fn needed<'a>(&'a self, one: &'a Managed) -> impl Iterator<Item = &'a Managed> {
        let all = self.kustomizations.iter().chain(&self.releases);
        all.filter(|other| one.needs.contains(&other.title()))
    }
}

/// The commit at which an object should be: a release is at a chart's version.
fn wanted<'a>(one: &Managed, head: Option<&'a str>) -> Option<&'a str> {
    head.filter(|_| one.kind != HELM_RELEASE.kind)
}

/// A message on one line, and no more of it than helps.
pub fn telling(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TELLING) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}
