//! `up` where nothing is to be done.

use std::time::Duration;

use homelab_lab::sim::gate::System;

use crate::{
    Sizes,
    floor::Floor,
    operator::{Operator, Size},
    report::{Report, Row},
    sample::Samples,
};

/// The most that it may take of its floor, where the hosts are few.
const GOAL: &str = "1.25 at 3 nodes";

pub(crate) async fn measure(report: &mut Report, operator: &Operator, size: Size, sizes: &Sizes) {
    for round_trip in sizes.round_trips {
        operator.wire.set_round_trip(*round_trip);
        // Its connections are of this length.
        let floor = Floor::new(operator).await;
        let (mut ratios, mut crowded, mut walls, mut floors) = (vec![], vec![], vec![], vec![]);
        // One after the other, so that both meet the same weather.
        for _ in 0..sizes.samples {
            let parts = floor.measure().await;
            operator.world.gate.forget();
            let wall = operator.succeed(&["up", "--yes"]).await.wall.as_secs_f64();
            ratios.push(wall / parts.sum());
            crowded.push(wall / (parts.proxmox + parts.hosts + parts.kubernetes));
            walls.push(wall * 1000.0);
            floors.push(parts.sum() * 1000.0);
        }
        let name = format!("no-op `up`, {}, {} ms away", size, round_trip.as_millis());
        let ratio = Samples::new(ratios);
        let crowd = Samples::new(crowded);
        let walls = Samples::new(walls).median();
        let floors = Samples::new(floors).median();
        report.row(Row {
            name: name.clone(),
            measured: format!("{walls:.0} ms"),
            floor: format!("{floors:.0} ms"),
            ratio: ratio.to_string(),
            goal: GOAL.into(),
        });
        report.row(Row {
            name: format!("{name}, beside all hosts at once"),
            measured: format!("{walls:.0} ms"),
            floor: String::new(),
            ratio: crowd.to_string(),
            goal: GOAL.into(),
        });
        let key = if *round_trip == Duration::ZERO {
            size.key()
        } else {
            format!("{}@{}ms", size.key(), round_trip.as_millis())
        };
        report.number(&["noop", &key, "ratio"], ratio.median());
        report.number(&["noop", &key, "ratio_to_all_hosts"], crowd.median());
        report.number(&["noop", &key, "milliseconds"], walls);
    }
    operator.wire.set_round_trip(Duration::ZERO);
    counts(report, operator, size);
}

/// What the last run asked for.
fn counts(report: &mut Report, operator: &Operator, size: Size) {
    let nodes = size.nodes;
    let log = operator.world.gate.log();
    let count = |system: System| log.iter().filter(|effect| effect.system == system).count();
    let proxmox = count(System::Proxmox);
    let connections = operator.world.gate.connections().len();
    report.row(Row {
        name: format!("no-op `up`, {size}: what is sent"),
        measured: format!(
            "{proxmox} to Proxmox, {connections} SSH connections, {} scripts, {} to Kubernetes, {} to the control plane",
            count(System::Host),
            count(System::Kubernetes),
            count(System::Tailnet),
        ),
        floor: String::new(),
        ratio: String::new(),
        goal: format!("{} to Proxmox, {nodes} and {nodes} by SSH", nodes + 4),
    });
    let key = size.key();
    report.number(&["noop", &key, "proxmox_requests"], proxmox as f64);
    report.number(&["noop", &key, "ssh_connections"], connections as f64);
    report.number(&["noop", &key, "scripts"], count(System::Host) as f64);
}
