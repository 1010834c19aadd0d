//! What the program itself takes of a first run, as the world grows.

use std::time::Duration;

use crate::{
    operator::{Operator, Size},
    report::{Report, Row},
    usage::Usage,
};

/// A first run in a world of each size, which does not wait for anything. Each is told when it has ended: the
/// largest takes minutes.
pub(crate) async fn measure(report: &mut Report, sizes: &[u32]) {
    let mut before: Option<(u32, Usage)> = None;
    for nodes in sizes.iter().copied() {
        let operator = Operator::new(Size::of(nodes), Duration::ZERO).await;
        let usage = operator.succeed(&["up", "--yes"]).await;
        tell(report, nodes, &usage);
        if let Some((few, less)) = before {
            compare(report, (few, &less), (nodes, &usage));
        }
        before = Some((nodes, usage));
    }
}

fn tell(report: &mut Report, nodes: u32, usage: &Usage) {
    let megabytes = usage.peak_bytes as f64 / 1e6;
    report.row(Row {
        name: format!("first `up`, {}: homelab's own", Size::of(nodes)),
        measured: format!("{:.2} s of processor, {megabytes:.0} MB", usage.cpu),
        floor: String::new(),
        ratio: String::new(),
        goal: "500 nodes: 20 s, 200 MB".into(),
    });
    let key = nodes.to_string();
    report.number(&["scale", &key, "cpu_seconds"], usage.cpu);
    report.number(&["scale", &key, "peak_megabytes"], megabytes);
}

fn compare(report: &mut Report, (few, less): (u32, &Usage), (many, more): (u32, &Usage)) {
    let growth = f64::from(many) / f64::from(few);
    let ratio = more.cpu / less.cpu;
    report.row(Row {
        name: format!("first `up`, {few} to {many} nodes: homelab's own"),
        measured: format!("{ratio:.2} times the processor time"),
        floor: format!("{growth:.2} times the nodes"),
        ratio: format!("{:.2}", ratio / growth),
        goal: "1.05 (250 to 500: 2.1 times)".into(),
    });
    report.number(&["scale", &format!("{many}_over_{few}")], ratio);
}
