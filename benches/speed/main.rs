//! How fast `homelab` is, in ratios: each beside its own floor, measured in the same run of this program, in
//! one simulated world. `scripts/bench` runs it; `docs/performance.md` says how to read it.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure has nothing to say")]

mod ansible;
mod first;
mod floor;
mod noop;
mod operator;
mod report;
mod sample;
mod scale;
mod start;
mod usage;

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Parser;

use self::{
    operator::{Operator, Size},
    report::Report,
    usage::Machine,
};

#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench",
    about = "How fast homelab is, in ratios to what it cannot do without"
)]
struct Arguments {
    /// Writes the numbers there, too.
    #[arg(long)]
    json: Option<Utf8PathBuf>,
    /// Small worlds and few samples: minutes, on a computer that has other things to do.
    #[arg(long)]
    quick: bool,
    /// One part alone.
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Start,
    Noop,
    First,
    Scale,
}

/// What is measured.
struct Sizes {
    samples: usize,
    /// Worlds in which a run has nothing to do.
    noop: &'static [Size],
    /// From the operator to everything and back.
    round_trips: &'static [Duration],
    /// Worlds in which everything is to be done and takes its time.
    first: &'static [Size],
    /// Worlds of which it is told what the program itself takes.
    scale: &'static [u32],
    starts: usize,
}

const WHOLE: Sizes = Sizes {
    samples: 9,
    noop: &[Size::of(3), Size::in_process(3), Size::of(30), Size::of(300)],
    round_trips: &[Duration::ZERO, Duration::from_millis(1), Duration::from_millis(20)],
    first: &[Size::of(3), Size::in_process(3), Size::of(50), Size::of(500)],
    scale: &[50, 250, 500],
    starts: 51,
};

const QUICK: Sizes = Sizes {
    samples: 5,
    noop: &[Size::of(3), Size::in_process(3), Size::of(12)],
    round_trips: &[Duration::ZERO, Duration::from_millis(1), Duration::from_millis(20)],
    first: &[Size::of(3), Size::in_process(3)],
    scale: &[3, 12],
    starts: 21,
};

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let arguments = Arguments::parse();
    let sizes = if arguments.quick { QUICK } else { WHOLE };
    let machine = Machine::now();
    let mut report = Report::new();
    let wanted = |part: Part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Start) {
        start::measure(&mut report, sizes.starts).await;
    }
    for size in sizes.noop.iter().filter(|_| wanted(Part::Noop)) {
        let operator = Operator::new(*size, Duration::ZERO).await;
        operator.succeed(&["up", "--yes"]).await;
        noop::measure(&mut report, &operator, *size, &sizes).await;
        if *size == Size::of(3) {
            match ansible::program() {
                Some(program) => {
                    ansible::measure(&mut report, &operator, &program, size.nodes, sizes.samples)
                        .await;
                }
                None => report.note("Ansible is not here: its row is left out.".into()),
            }
        }
    }
    for size in sizes.first.iter().filter(|_| wanted(Part::First)) {
        first::measure(&mut report, *size).await;
    }
    if wanted(Part::Scale) {
        scale::measure(&mut report, sizes.scale).await;
    }
    report.note(format!(
        "Other programs had {:.0} % of this computer's processor time meanwhile.",
        machine.share_of_others() * 100.0
    ));
    report.print();
    if let Some(path) = arguments.json {
        fs_err::write(path, report.json()).unwrap();
    }
}
