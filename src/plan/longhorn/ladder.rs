//! Which version of Longhorn may follow which (LH-10). Pure.
//!
//! Longhorn supports upgrades from one minor version to the next alone, and none back. Its manager refuses others,
//! but only after the definitions of its objects are new already (Longhorn's documentation, "Upgrade").

/// Why a version cannot follow the one that runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("Longhorn {from} runs, and {to} is older: Longhorn does not go back")]
    Back { from: String, to: String },
    #[error(
        "Longhorn {from} runs, and {to} leaves out {next}: Longhorn goes up one minor version at a time"
    )]
    LeavesOut { from: String, to: String, next: String },
}

/// Whether `to` may follow `from`, as `v1.10.1` or `1.10.1`. What is not a version in this form says nothing, and
/// may follow.
///
/// # Errors
/// When it may not.
pub fn may_follow(from: &str, to: &str) -> Result<(), Refused> {
    let (Some(running), Some(wanted)) = (parse(from), parse(to)) else { return Ok(()) };
    let (from, to) = (from.trim_start_matches('v'), to.trim_start_matches('v'));
    if wanted < running {
        return Err(Refused::Back { from: from.into(), to: to.into() });
    }
    let (major, minor, _) = running;
    if wanted.0 != major || wanted.1 > minor.saturating_add(1) {
        let next = format!("{major}.{}", minor.saturating_add(1));
        return Err(Refused::LeavesOut { from: from.into(), to: to.into(), next });
    }
    Ok(())
}

/// Major, minor and patch; what follows a `-` or `+` is left out.
fn parse(version: &str) -> Option<(u32, u32, u32)> {
    let plain = version.trim_start_matches('v').split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_and_the_next_minor_version_may_follow() {
        for to in ["1.9.0", "v1.9.2", "1.10.0", "v1.10.3"] {
            assert_eq!(may_follow("v1.9.0", to), Ok(()), "{to}");
        }
    }

    #[test]
    fn a_minor_version_that_is_left_out_is_named() {
        let refused = may_follow("v1.9.2", "1.11.0").unwrap_err().to_string();
        assert_eq!(
            refused,
            "Longhorn 1.9.2 runs, and 1.11.0 leaves out 1.10: Longhorn goes up one minor version at a time"
        );
        assert!(may_follow("1.9.2", "2.0.0").is_err());
    }

    #[test]
    fn nothing_older_may_follow() {
        for to in ["1.9.1", "1.8.9", "0.9.9"] {
            assert!(matches!(may_follow("v1.9.2", to), Err(Refused::Back { .. })), "{to}");
        }
    }

    #[test]
    fn what_is_no_version_forbids_nothing() {
        for from in ["", "master-head", "v1.9", "1.x.0"] {
            assert_eq!(may_follow(from, "1.11.0"), Ok(()), "{from}");
        }
    }
}
