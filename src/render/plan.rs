//! A plan as a person reads it: each step with its reason and its price. Both may repeat what others said.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::{
    program::completed,
    words::{reservation, steps},
};
use crate::{
    error::Result,
    inventory::discretion::{without_secrets, without_secrets_in},
    plan::{Impact, Plan},
};

/// The plan as text, stage by stage.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        let reservation = reservation(plan.notes.len(), "note", "below");
        let _ = match (plan.in_part, reservation.as_str()) {
            (false, "") => writeln!(text, "Nothing to do: everything is as the inventory says."),
            (false, _) => writeln!(text, "Nothing to do{reservation}."),
            (true, _) => {
                writeln!(text, "Nothing to do in the part that was asked for{reservation}.")
            }
        };
    }
    let mut stage = None;
    for step in &plan.steps {
        if stage != Some(step.stage()) {
            stage = Some(step.stage());
            let _ = writeln!(text, "{}", step.stage().bold());
        }
        let node = step.change.node().map(ToString::to_string).unwrap_or_default();
        let price = format!("[{}]", step.impact.name());
        let price = match step.impact {
            Impact::Check => price.dimmed().to_string(),
            Impact::Create | Impact::InPlace => price.green().to_string(),
            Impact::Restart => price.yellow().to_string(),
            Impact::Reboot | Impact::Downtime | Impact::DataLoss => price.red().to_string(),
        };
        let separator = if node.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  {}{separator}{} {price}", node.bold(), step.change.title());
        let reasons: Vec<&str> =
            step.reasons.iter().map(String::as_str).filter(|reason| !reason.is_empty()).collect();
        if !reasons.is_empty() {
            let _ = writeln!(text, "      {}", reasons.join("; ").dimmed());
        }
    }
    if !plan.is_empty() {
        let worst = plan.steps.iter().map(|step| step.impact).max().unwrap_or(Impact::Check);
        let _ =
            writeln!(text, "{}; the highest price is {}.", steps(plan.steps.len()), worst.name());
    }
    for note in &plan.notes {
        let _ = writeln!(text, "{} {}", "note:".yellow(), completed(note));
    }
    without_secrets(&text)
}

/// The plan as programs read it.
///
/// # Errors
/// [`Kind::Runtime`](crate::error::Kind::Runtime) when stdout cannot take it.
pub fn document(plan: &Plan) -> Result<()> {
    let value = serde_json::to_value(plan).map_err(std::io::Error::from)?;
    super::document(&without_secrets_in(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_repeats_no_secret_that_others_told_of() {
        let told = "Flux says: password=hunter2".to_owned();
        let shown = plan(&Plan { notes: vec![told], ..Plan::default() });
        assert!(shown.contains("Flux says: password=[redacted]\n"), "{shown}");
    }
}
