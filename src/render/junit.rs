//! Checks as one JUnit XML document: what GitLab, Jenkins and the reporters of GitHub's actions read.
//!
//! A suite a family of checks (`machine`, `tailnet`, ...), a test case a check. What is read by all of them
//! is the same small part: `classname`, `name`, and one of `failure`, `error` and `skipped` with a message.

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{failure, output};
use crate::{
    error::{Failure, Kind, Result},
    stage::check::{Check, CheckState},
};

/// What the document calls itself.
const NAME: &str = "homelab verify";
/// The test case that stands for a look that came to nothing.
const LOOK: &str = "verify/look";

/// Prints what came of a look: its checks, or the failure that kept them from being made. A reader of reports
/// finds a document either way, and a whole one.
///
/// # Errors
/// When stdout does not take it.
pub fn print(looked: &Result<Vec<Check>>) -> Result<()> {
    let text = match looked {
        Ok(checks) => document(checks),
        Err(failure) => nothing_seen(failure),
    };
    output::data(text.map_err(|error| {
        Failure::new(Kind::Runtime, format!("the report cannot be printed: {error}"))
    })?)
}

fn document(checks: &[Check]) -> Result<String, quick_junit::SerializeError> {
    // Families in the order in which they are met: that of the ladder.
    let mut suites = IndexMap::new();
    for check in checks {
        let family = family(check.id);
        let suite = suites.entry(family).or_insert_with(|| TestSuite::new(family));
        suite.add_test_case(test_case(check));
    }
    let mut report = Report::new(NAME);
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn nothing_seen(failure: &Failure) -> Result<String, quick_junit::SerializeError> {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    let kind = serde_json::json!(failure.kind);
    status
        .set_type(kind.as_str().unwrap_or_default())
        .set_message(line(&failure.to_string()))
        .set_description(sound(&failure::text(failure)));
    let mut case = TestCase::new("what there is can be looked at", status);
    case.set_classname(LOOK);
    let mut suite = TestSuite::new(family(LOOK));
    suite.add_test_case(case);
    let mut report = Report::new(NAME);
    report.add_test_suite(suite);
    report.to_string()
}

/// For an attribute: one line, of characters that XML has. What a terminal would take for orders the report leaves
/// out itself.
fn line(text: &str) -> String {
    let apart = |c: char| if c.is_whitespace() { ' ' } else { c };
    sound(&failure::shown(text)).chars().map(apart).collect()
}

/// Without what no XML document may hold, not even encoded.
fn sound(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

fn test_case(check: &Check) -> TestCase {
    let status = match &check.state {
        CheckState::Passed { .. } => TestCaseStatus::success(),
        CheckState::Failed { cause, next } => {
            let whole = format!("{cause}\nnext: {next}");
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type("check")
                .set_description(sound(&failure::shown(&whole)))
                .set_message(line(cause));
            status
        }
        CheckState::Skipped { why } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(line(why));
            status
        }
    };
    // Readers tell test cases apart by class and name: without its node a check would hide another's.
    let name = match &check.node {
        Some(node) => format!("{} ({node})", check.title),
        None => check.title.clone(),
    };
    let mut case = TestCase::new(line(&name), status);
    case.set_classname(check.id);
    if let CheckState::Passed { seen } = &check.state {
        case.set_system_out(sound(&failure::shown(seen)));
    }
    case
}

/// `tailnet` of `tailnet/mtu`.
fn family(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeName;

    fn node(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    #[test]
    fn checks_are_test_cases_in_a_suite_a_family() {
        let failed = Err((
            "it answers\n<nothing> & \u{1b}[31mmore\u{1b}[0m\u{0}".into(),
            "`homelab up` heals it".into(),
        ));
        let checks = [
            Check::of(
                "machine/runs",
                node("server"),
                "VM 102 is ours and runs",
                Ok("as planned".into()),
            ),
            Check::of("tailnet/mtu", node("server"), "tailscale0 has MTU 1420", failed),
            Check::skipped("machine/ssh", node("agent"), "SSH answers", "it does not run"),
            Check::of("flux/sync", None, "Git is applied", Ok("at 1234abc".into())),
        ];
        insta::assert_snapshot!(document(&checks).unwrap());
    }

    #[test]
    fn names_of_somebody_elses_stay_one_line_of_sound_xml() {
        let title = "rule `a\n\"><x>\u{1b}[31m\u{7}\u{85}\u{fffe}` of the bucket";
        let check = Check::of("bucket/lifecycle", None, title, Ok("a\u{0}b".into()));
        let text = document(&[check]).unwrap();
        let allowed = |c: char| matches!(c, '\n' | ' '..='~');
        assert!(text.chars().all(allowed), "{text:?}");
        let name = text.lines().find(|line| line.contains("<testcase")).unwrap();
        assert!(name.contains("of the bucket") && !name.contains("<x>"), "{text}");
    }

    #[test]
    fn a_look_that_came_to_nothing_is_an_error_of_its_own_suite() {
        let failure = Failure::new(Kind::Unreachable, "Proxmox does not answer")
            .at("https://pve.lan:8006")
            .hint("is the host up?");
        insta::assert_snapshot!(nothing_seen(&failure).unwrap());
    }
}
