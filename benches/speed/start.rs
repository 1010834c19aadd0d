//! The program alone: its start, its size.

use std::process::{Command, Stdio};

use camino::Utf8Path;

use crate::{
    operator::{HOMELAB, make_key},
    report::{Report, Row},
    sample::Samples,
    usage::run,
};

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/inventory/homelab.yaml");

pub(crate) async fn measure(report: &mut Report, samples: usize) {
    let folder = tempfile::tempdir().unwrap();
    let place = Utf8Path::from_path(folder.path()).unwrap();
    furnish(place);
    for (words, key, goal) in [("--version", "version", 5.0), ("validate", "validate", 15.0)] {
        let mut times = Vec::new();
        for _ in 0..samples {
            let mut command = Command::new(HOMELAB);
            command.arg(words).env_clear().env("HOME", place).current_dir(place);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let usage = run(command).await;
            assert!(usage.success, "`homelab {words}` fails in {place}");
            times.push(usage.wall.as_secs_f64() * 1000.0);
        }
        let times = Samples::new(times);
        report.row(Row {
            name: format!("`homelab {words}`"),
            measured: format!("{times} ms"),
            floor: String::new(),
            ratio: format!("{:.2} of the goal", times.median() / goal),
            goal: format!("{goal} ms"),
        });
        report.number(&["start", key, "milliseconds"], times.median());
    }
    let bytes = fs_err::metadata(HOMELAB).unwrap().len() as f64 / 1e6;
    report.row(Row {
        name: "the program's file".into(),
        measured: format!("{bytes:.1} MB"),
        floor: String::new(),
        ratio: format!("{:.2} of the goal", bytes / 25.0),
        goal: "25 MB".into(),
    });
    report.number(&["start", "binary", "megabytes"], bytes);
}

/// What the inventory names beside itself: an authority and a key.
fn furnish(place: &Utf8Path) {
    fs_err::copy(INVENTORY, place.join("homelab.yaml")).unwrap();
    let made = rcgen::generate_simple_self_signed(["pve1.lan".to_owned()]).unwrap();
    fs_err::write(place.join("pve-root-ca.pem"), made.cert.pem()).unwrap();
    fs_err::create_dir_all(place.join(".ssh")).unwrap();
    make_key(&place.join(".ssh/id_ed25519"));
}
