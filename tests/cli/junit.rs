//! `verify -o junit`: one whole report on stdout, whatever came of the look.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};

use crate::{ended::Ended, world::World};

fn report(ended: &Ended) -> Report {
    Report::deserialize_from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

fn cases(report: &Report) -> Vec<&TestCase> {
    report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect()
}

#[tokio::test]
async fn the_report_says_what_the_json_says() {
    let world = World::new().await;
    let ended = world.homelab(&["verify", "-o", "junit"]).await;
    assert_eq!(ended.code, Some(1), "{ended}");
    let report = report(&ended);
    let json = world.homelab(&["-o", "json", "verify"]).await;
    let checks: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(!checks.is_empty());
    for check in &checks {
        let family = check["id"].as_str().unwrap().split('/').next().unwrap();
        let suite = report.test_suites.iter().find(|suite| suite.name.as_str() == family);
        let case = suite.unwrap().test_cases.iter().find(|case| {
            let node = check["node"].as_str().unwrap_or_default();
            case.classname.as_ref().unwrap().as_str() == check["id"] && case.name.contains(node)
        });
        let told = match &case.unwrap().status {
            TestCaseStatus::NonSuccess { message, .. } => (message, &check["cause"]),
            TestCaseStatus::Skipped { message, .. } => (message, &check["why"]),
            TestCaseStatus::Success { .. } => continue,
        };
        assert_eq!(told.0.as_ref().unwrap().as_str(), told.1, "{ended}");
    }
    assert_eq!(cases(&report).len(), checks.len(), "{ended}");
}

#[tokio::test]
async fn a_look_that_came_to_nothing_is_one_error_and_told_on_stderr_all_the_same() {
    let world = World::new().await;
    let mut command = world.command(&["verify", "-o", "junit"]);
    command.env_remove("TEST_TOKEN");
    let without_token = world.run(command).await;
    world.edit("  cores: 1", "  coers: 1");
    let faulty = world.homelab(&["verify", "-o", "junit"]).await;
    for (ended, said) in [(without_token, "TEST_TOKEN"), (faulty, "unknown field `coers`")] {
        assert_eq!(ended.code, Some(15), "{ended}");
        assert!(ended.err.contains(said), "{ended}");
        let report = report(&ended);
        assert_eq!((report.tests, report.errors, report.failures), (1, 1, 0), "{ended}");
        let TestCaseStatus::NonSuccess { kind, description, .. } = &cases(&report)[0].status else {
            panic!("{ended}")
        };
        assert_eq!(*kind, NonSuccessKind::Error);
        assert!(description.as_ref().unwrap().contains(said), "{ended}");
    }
}

#[tokio::test]
async fn a_command_without_checks_refuses_and_prints_nothing() {
    let world = World::new().await;
    for command in [&["status"][..], &["up", "--yes"], &["validate"]] {
        let ended = world.homelab(&[command, &["-o", "junit"]].concat()).await;
        assert_eq!(ended.out, "", "{ended}");
        let told = ended.refused(64);
        assert!(told.contains("`homelab verify` alone prints"), "{told}");
    }
}
