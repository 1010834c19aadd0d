//! Progress of a build: a bar that moves on a terminal, a line a minute elsewhere.
//!
//! Nobody knows how long a compiler takes on an unknown machine. The estimate is what two idle cores
//! needed; past it the text says so instead of pretending.

use std::{
    cell::Cell,
    io::IsTerminal,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Name;

/// How often a running tool is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
/// How often a log that is no terminal hears of it.
const LINE_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Progress {
    title: String,
    begun: Instant,
    estimate: Duration,
    bar: Option<ProgressBar>,
    last_line: Cell<Instant>,
}

impl Progress {
    pub(crate) fn begin(name: Name, version: &str, estimate: Duration) -> Self {
        let title = format!("{name} {version}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(
                Some(estimate.as_secs().max(1)),
                ProgressDrawTarget::stderr(),
            );
            let style =
                ProgressStyle::with_template("{prefix:24} [{bar:24}] {elapsed:>4} {wide_msg}")
                    .expect("a constant template");
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(title.clone());
            bar
        });
        if bar.is_none() {
            crate::print::say(format_args!(
                "artifact {title}: building, about {} on two idle cores",
                spoken(estimate)
            ));
        }
        let begun = Instant::now();
        Self { title, begun, estimate, bar, last_line: Cell::new(begun) }
    }

    pub(crate) fn tick(&self, log: &Utf8Path) {
        let elapsed = self.begun.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_position(elapsed.as_secs().min(self.estimate.as_secs()));
            bar.set_message(remaining(elapsed, self.estimate));
        } else if self.last_line.get().elapsed() >= LINE_EVERY {
            self.last_line.set(Instant::now());
            let rest = remaining(elapsed, self.estimate);
            crate::print::say(format_args!(
                "artifact {}: {} so far, {rest} (log: {log})",
                self.title,
                spoken(elapsed)
            ));
        }
    }

    pub(crate) fn done(&self, place: &Utf8Path) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        crate::print::say(format_args!(
            "artifact {}: built in {} ({place})",
            self.title,
            spoken(self.begun.elapsed())
        ));
    }
}

fn remaining(elapsed: Duration, estimate: Duration) -> String {
    match estimate.checked_sub(elapsed) {
        Some(rest) if !rest.is_zero() => format!("about {} left", spoken(rest)),
        _ => format!("longer than the usual {}", spoken(estimate)),
    }
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_estimate_it_says_so_instead_of_a_negative_rest() {
        let estimate = Duration::from_secs(540);
        assert_eq!(remaining(Duration::from_secs(60), estimate), "about 8 min 00 s left");
        assert_eq!(
            remaining(Duration::from_secs(600), estimate),
            "longer than the usual 9 min 00 s"
        );
    }
}
