//! How fields, ranges and names are said, and what was probably meant.

use super::super::{
    path::{FieldPath, Segment},
    scalar::Format,
};

pub(super) fn named(path: &FieldPath) -> String {
    match path.segments().last() {
        None => "the file".to_owned(),
        Some(Segment::Key(key)) => format!("`{}`", clipped(key)),
        Some(Segment::Index(_)) => format!("`{path}`"),
    }
}

pub(super) fn clipped(text: &str) -> String {
    let mut printable: String =
        text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 80 {
        printable.push('…');
    }
    printable
}

pub(super) fn range(least: i64, most: i64) -> String {
    match (least, most) {
        _ if least == most => format!("{least}"),
        (i64::MIN, _) => "a whole number".to_owned(),
        (_, most) if most == i64::from(u32::MAX) => format!("a whole number from {least}"),
        _ => format!("a whole number from {least} to {most}"),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn listed<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name that a written one was probably meant to be.
pub(crate) fn closest<'t>(
    written: &str,
    known: impl IntoIterator<Item = &'t str>,
) -> Option<&'t str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(&written.chars().take(64).collect::<String>());
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), name))
        .filter(|(distance, name)| *distance <= (name.len().min(wanted.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The text with its commonest slips mended, if that makes it sound.
pub(super) fn repaired(text: &str, format: Option<&Format>) -> Option<String> {
    let format = format?;
    // Of an origin it is Proxmox's own port that is meant.
    let proxmox = format.name == "https-origin" && !text.contains("://");
    let candidates = [
        if proxmox && !text.contains(':') { format!("https://{text}:8006") } else { String::new() },
        text.replacen("http://", "https://", 1),
        text.trim().to_owned(),
        text.to_lowercase(),
        text.to_uppercase(),
        text.to_lowercase().replace(['_', ' ', '.'], "-"),
        format!("tag:{text}"),
        format!("v{text}"),
        format!("{text}+k3s1"),
        format!("v{text}+k3s1"),
        text.trim_start_matches('v').to_owned(),
        // A scheme before a scheme would be a sound URL of a host called `https`.
        if text.contains("://") { String::new() } else { format!("https://{text}") },
        if text.contains("://") { String::new() } else { format!("https://{text}:8006") },
        text.split_inclusive('/').take(3).collect::<String>().trim_end_matches('/').to_owned(),
        format!("{text}G"),
    ];
    // Only a version tells what its release is; a guess at it would be an invention.
    let versions = ["k3s-version"];
    candidates
        .into_iter()
        .filter(|candidate| candidate != text && !candidate.is_empty())
        .filter(|candidate| {
            !versions.contains(&format.name) || text.contains("+k3s") || !candidate.contains("+k3s")
        })
        .find(|candidate| (format.sound)(candidate))
}
