//! Events in words, the same for bars and lines.

use crate::event::{RunOutcome, StepOutcome};

/// `12 s`, `3 min 05 s`.
pub(super) fn time(seconds: f64) -> String {
    // A run is shorter than the 584 milliard years that would not fit.
    let whole = seconds.round() as u64;
    if whole < 60 {
        return if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{whole} s") };
    }
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// `gives up in 42 s`, `gives up in 9 min 20 s`: a deadline, which nobody should take for an estimate.
pub(super) fn gives_up(seconds: u64) -> String {
    match seconds {
        0..60 => format!("gives up in {seconds} s"),
        _ => format!("gives up in {} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// `1 step`, `12 steps`.
pub(crate) fn steps(count: usize) -> String {
    match count {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}

/// `37 %`, `12 of 64 MiB`.
pub(super) fn progress(done: u64, total: Option<u64>, unit: &str) -> String {
    match total {
        _ if unit == "%" => format!("{done} %"),
        Some(total) => format!("{done} of {total} {unit}"),
        None => format!("{done} {unit}"),
    }
}

/// What is said while Proxmox does not answer.
pub(super) fn reconnecting(error: &str, attempt: u32, attempts: u32, seconds: f64) -> String {
    format!("{error}; asking again in {seconds:.1} s (try {attempt} of {attempts})")
}

pub(super) fn outcome(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Done => "done".into(),
        StepOutcome::Unchanged { why } => format!("unchanged: {why}"),
        StepOutcome::Warned { warnings } => format!("done, with warnings: {}", warnings.join("; ")),
        StepOutcome::Failed { message } => format!("FAILED: {message}"),
        StepOutcome::Skipped { why } => format!("skipped: {why}"),
    }
}

/// Whether the error that a run ends with says all there is to say.
pub(super) fn is_told_by_its_error(outcome: &RunOutcome, begun: bool) -> bool {
    match outcome {
        RunOutcome::Interrupted => true,
        RunOutcome::Failed { .. } => !begun,
        RunOutcome::Done { .. } | RunOutcome::NothingToDo { .. } => false,
    }
}

/// Who says that there is nothing to do, and could not see everything, must not say that all is well.
pub(super) fn reservation(number: usize, called: &str, place: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!(", with a reservation: see the {called} {place}"),
        number => format!(", with {number} reservations: see the {called}s {place}"),
    }
}

pub(super) fn run_outcome(command: &str, outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Done { changed, .. } => format!("{} done", steps(*changed)),
        RunOutcome::NothingToDo { in_part: true, .. } if command == "destroy" => {
            "nothing to do: nothing of what was named is there".into()
        }
        RunOutcome::NothingToDo { .. } if command == "destroy" => {
            "nothing to do: nothing of this cluster is there".into()
        }
        RunOutcome::NothingToDo { in_part: false, reservations: 0 } => {
            "nothing to do: everything is as the inventory says".into()
        }
        RunOutcome::NothingToDo { in_part, reservations } => {
            let part = if *in_part { " in the part that was asked for" } else { "" };
            format!("nothing to do{part}{}", reservation(*reservations, "warning", "above"))
        }
        RunOutcome::Failed { .. } => "failed".into(),
        RunOutcome::Interrupted => "stopped".into(),
    }
}

/// How long each stage took, where there was more than one.
pub(super) fn stage_times(outcome: &RunOutcome) -> Option<String> {
    match outcome {
        RunOutcome::Done { stages, .. } if stages.len() > 1 => {
            let told =
                stages.iter().map(|taken| format!("{} {}", taken.stage, time(taken.seconds)));
            Some(told.collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_percentage_or_an_amount() {
        assert_eq!(progress(37, Some(100), "%"), "37 %");
        assert_eq!(progress(12, Some(64), "MiB"), "12 of 64 MiB");
        assert_eq!(progress(12, None, "MiB"), "12 MiB");
    }

    #[test]
    fn one_step_is_no_steps() {
        assert_eq!(steps(1), "1 step");
        assert_eq!(
            run_outcome("up", &RunOutcome::Done { changed: 2, stages: Vec::new() }),
            "2 steps done"
        );
    }

    #[test]
    fn times_are_short() {
        assert_eq!(time(0.42), "0.4 s");
        assert_eq!(time(59.4), "59 s");
        assert_eq!(time(185.0), "3 min 05 s");
    }

    #[test]
    fn a_line_begins_with_the_node_it_is_about() {
        let words = |step: &str| crate::plan::StepId(step.into()).words();
        assert_eq!(words("machines/make/k3s-server"), "k3s-server machines/make");
        assert_eq!(words("network/check"), "network/check");
    }

    #[test]
    fn nothing_to_do_does_not_say_that_all_is_well_where_something_could_not_be_seen() {
        let told = |reservations, in_part| {
            run_outcome("up", &RunOutcome::NothingToDo { in_part, reservations })
        };
        assert_eq!(told(0, false), "nothing to do: everything is as the inventory says");
        assert_eq!(told(1, false), "nothing to do, with a reservation: see the warning above");
        assert_eq!(
            told(2, true),
            "nothing to do in the part that was asked for, with 2 reservations: see the warnings above"
        );
    }
}
