//! Paths below something else, the root of a repository or a bucket, as others can be relied on to read them.

/// Why a text is no path of plain names; slashes at its ends do no harm.
pub(super) fn why_unclean(text: &str) -> Option<&'static str> {
    let parts = || text.trim_matches('/').split('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+=@".contains(c);
    if text.trim_matches('/').is_empty() {
        Some("names no folder")
    } else if parts().any(str::is_empty) {
        Some("has a part without a name")
    } else if parts().any(|part| matches!(part, "." | "..")) {
        Some("has a part `.` or `..`")
    } else if !parts().flat_map(str::chars).all(plain) {
        Some("has characters other than a-z, A-Z, 0-9, `-`, `_`, `.`, `+`, `=` and `@`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_names_is_clean() {
        for clean in ["clusters/homelab", "/k3s/home_lab-1.x/", "a", "..a/b..c"] {
            assert_eq!(why_unclean(clean), None, "{clean}");
        }
        for odd in ["", "/", "a//b", "./a", "a/..", "a b", " a", "a\n", "a: b", "\u{1b}", "<a>"] {
            assert!(why_unclean(odd).is_some(), "{odd:?}");
        }
    }
}
