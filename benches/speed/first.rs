//! The first `up`, where the world takes its time.

use std::{sync::Arc, time::Duration};

use homelab_lab::sim::gate::{Effect, Moment, Ruling, Verdict, Warden};

use crate::{
    operator::{Operator, Size},
    report::{Report, Row},
    usage::Machine,
};

/// From a guest's start to its sshd.
const BOOT: Duration = Duration::from_secs(20);
/// What takes its time on a guest, by how its script begins, in the order in which a node meets it. Servers
/// come first: agents join what they made.
const WORK: [(&str, Duration); 3] = [
    ("exec Joins the tailnet", Duration::from_secs(5)),
    ("exec Sets up k3s as server", Duration::from_secs(15)),
    ("exec Sets up k3s as agent", Duration::from_secs(10)),
];
/// A world that needs more of the processors than this is what is waited for.
const MOST: f64 = 0.3;

/// Lets work take as long as it says.
struct Slow;

impl Warden for Slow {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        Box::pin(async move {
            let work = WORK.iter().find(|(kind, _)| effect.kind.starts_with(kind));
            if let Some((_, time)) = work.filter(|_| moment == Moment::After) {
                tokio::time::sleep(*time).await;
            }
            Verdict::Pass
        })
    }
}

pub(crate) async fn measure(report: &mut Report, size: Size) {
    let operator = Operator::new(size, BOOT).await;
    operator.world.gate.set_warden(Some(Arc::new(Slow)));
    let machine = Machine::now();
    let usage = operator.succeed(&["up", "--yes"]).await;
    let world = machine.share_of_ours(usage.cpu);
    let critical = critical(&operator);
    let ratio = usage.wall.as_secs_f64() / critical.as_secs_f64();
    let measurable = world <= MOST;
    report.row(Row {
        name: format!("first `up`, {size}"),
        measured: format!("{:.1} s", usage.wall.as_secs_f64()),
        floor: format!("{} s", critical.as_secs()),
        ratio: if measurable {
            format!("{ratio:.2}")
        } else {
            format!("not measurable: the world used {:.0} % of the processors", world * 100.0)
        },
        goal: "1.05".into(),
    });
    let key = size.key();
    if measurable {
        report.number(&["first_run", &key, "ratio"], ratio);
    }
    report.number(&["first_run", &key, "world_cpu_share"], world);
}

/// One boot, and each work once: nothing on the way of the slowest agent comes twice, as the gate shows.
fn critical(operator: &Operator) -> Duration {
    let log = operator.world.gate.log();
    let done = |kind: &str| log.iter().any(|effect| effect.kind.starts_with(kind));
    let work = WORK.iter().filter(|(kind, _)| done(kind)).map(|(_, time)| *time);
    BOOT + work.sum::<Duration>()
}
