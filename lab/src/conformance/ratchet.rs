//! The shares that were reached, which may only rise.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::compare::Report;

#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Share {
    matched: u32,
    of: u32,
}

/// How many exchanges of a section depend on which of two requests wins a race: so many may be
/// lost in one run and won in the next. On a busy computer three clones to one VMID no longer come
/// at once, and all that follows from that is told by five exchanges.
fn racing(section: &str) -> u32 {
    match section {
        "clone" => 5,
        "clone-in-progress" => 3,
        "tasks" => 1,
        _ => 0,
    }
}

fn file() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance.json")
}

fn kept() -> std::io::Result<IndexMap<String, Share>> {
    match fs_err::read_to_string(file()) {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(IndexMap::new()),
        Err(error) => Err(error),
    }
}

/// A line for each section that matches less than it did.
pub(super) fn lower(report: &Report) -> std::io::Result<Vec<String>> {
    Ok(kept()?
        .into_iter()
        .filter_map(|(section, kept)| {
            let (matched, _) = report.sections.get(&section).copied().unwrap_or_default();
            (matched + racing(&section) < kept.matched).then(|| {
                format!(
                    "section {section} fell: {matched}, but {} were matched before",
                    kept.matched
                )
            })
        })
        .collect())
}

/// A line for each section that matches more or less than it does under the recording's own names.
pub(super) fn other(report: &Report) -> std::io::Result<Vec<String>> {
    Ok(kept()?
        .into_iter()
        .filter_map(|(section, kept)| {
            let (matched, _) = report.sections.get(&section).copied().unwrap_or_default();
            (matched.abs_diff(kept.matched) > racing(&section)).then(|| {
                format!(
                    "section {section} differs under other names: {matched} matched, {} under the \
                     recording's own",
                    kept.matched
                )
            })
        })
        .collect())
}

/// Keeps the shares that are higher than those kept.
pub(super) fn raise(report: &Report) -> std::io::Result<()> {
    let mut shares = kept()?;
    for (section, (matched, of)) in &report.sections {
        let share = shares.entry(section.clone()).or_insert(Share { matched: 0, of: *of });
        *share = Share { matched: share.matched.max(*matched), of: *of };
    }
    fs_err::write(file(), serde_json::to_string_pretty(&shares)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges of the recording that the scripts do not send, or that tell of what happened
    /// between them (see conformance-differences.md): no server can match them.
    fn not_replayed(section: &str) -> u32 {
        match section {
            "power" => 4,
            "http" | "create" | "tasks" => 2,
            "storage" => 1,
            _ => 0,
        }
    }

    #[test]
    fn the_sections_that_must_agree_agree_to_95_per_cent() {
        const WANTED: [&str; 13] = [
            "auth", "perm", "http", "cluster", "create", "config", "clone", "resize", "power",
            "lock", "storage", "delete", "tasks",
        ];
        let shares = kept().unwrap();
        for section in WANTED {
            let share = shares[section];
            let replayed = share.of - not_replayed(section);
            assert!(share.matched * 100 >= replayed * 95, "{section}: {share:?}");
        }
    }
}
