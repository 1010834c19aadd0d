use serde_json::json;

use super::*;

#[test]
fn a_pod_is_done_failed_without_image_or_not_there_yet() {
    let pod = |status: Value| json!({ "spec": { "containers": [{ "image": "x/busybox:1" }] }, "status": status });
    assert_eq!(judge(&pod(json!({ "phase": "Succeeded" }))), Seen::Done);

    let ended = json!({ "phase": "Failed", "containerStatuses": [{ "state": { "terminated": {
        "exitCode": 1, "message": "other bytes came back than were written\n" } } }] });
    let said = "what was written could not be read back: other bytes came back than were written";
    assert_eq!(judge(&pod(ended)), Seen::Failed(said.into()));
    // Killed before it could say anything.
    let killed = json!({ "phase": "Failed", "containerStatuses": [{ "state": { "terminated": { "exitCode": 137 } } }] });
    assert!(matches!(judge(&pod(killed)), Seen::Failed(why) if why.ends_with("exit code 137")));

    let waiting = |reason: &str, message: &str| json!({ "phase": "Pending", "containerStatuses": [{ "state": { "waiting": { "reason": reason, "message": message } } }] });
    let seen = judge(&pod(waiting("ImagePullBackOff", "Back-off pulling image")));
    assert!(
        matches!(seen, Seen::NoImage(why) if why.contains("x/busybox:1") && why.contains("trial_image"))
    );
    let seen = judge(&pod(waiting("CreateContainerError", "no such device")));
    assert_eq!(seen, Seen::NotYet("CreateContainerError: no such device".into()));

    let unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let pending = json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unbound } ] });
    assert_eq!(judge(&pod(pending)), Seen::NotYet(unbound.into()));
    assert_eq!(judge(&Value::Null), Seen::NotYet("the pod is not there".into()));
}

#[test]
fn everything_of_a_trial_carries_our_label_and_goes_with_its_claim() {
    let trial = Trial { image: "x/busybox:1", replicas: 2 };
    for object in [trial.class(), trial.claim(), trial.pod()] {
        assert!(objects::is_ours(&object), "{object}");
        assert_eq!(object["metadata"]["name"], NAME);
    }
    assert_eq!(trial.class()["reclaimPolicy"], "Delete");
    assert_eq!(trial.class()["parameters"]["numberOfReplicas"], "2");
    assert!(!objects::is_ours(&json!({ "metadata": { "name": NAME } })));
}

/// The script is what a container runs: here it runs over a folder.
#[test]
fn the_script_writes_reads_back_and_takes_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let pod = Trial { image: "", replicas: 1 }.pod();
    let script = pod["spec"]["containers"][0]["command"][2].as_str().unwrap();
    let run = |volume: &str| {
        let script = script
            .replace("/volume", volume)
            .replace("/tmp/written", &format!("{place}/written"))
            .replace("/dev/termination-log", &format!("{place}/said"));
        std::process::Command::new("sh").args(["-c", &script]).output().unwrap().status
    };
    fs_err::create_dir(folder.path().join("volume")).unwrap();
    assert!(run(&format!("{place}/volume")).success());
    assert!(!folder.path().join("volume/bytes").exists());
    assert!(!run(&format!("{place}/missing")).success());
    let said = fs_err::read_to_string(folder.path().join("said")).unwrap();
    assert_eq!(said, "the volume cannot be written\n");
}
