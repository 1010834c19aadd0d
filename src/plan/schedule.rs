//! Whether what is done by the clock was done when it was last due.

use croner::parser::CronParser;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};

/// What is to be said of something that is done by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Punctuality {
    /// The age of the last one.
    Young(SignedDuration),
    /// The age of the last one, where there is one, and when the next one should have been there.
    Old(Option<SignedDuration>, Timestamp),
    /// Its schedule is younger than its last turn.
    Awaited,
    /// The schedule has no turn.
    Never,
}

/// Judges at a moment the last one of what is due by `crons`, since they are in force, where that is known.
/// One that is missing is missed once its turn is over by `grace`.
pub fn punctuality<'a>(
    crons: impl Iterator<Item = &'a str>,
    last: Option<Timestamp>,
    since: Option<Timestamp>,
    grace: SignedDuration,
    now: Timestamp,
) -> Punctuality {
    let due = crons.filter_map(|cron| last_turn(cron, now - grace)).max();
    let Some(due) = due else { return Punctuality::Never };
    match last {
        Some(last) if last >= due => Punctuality::Young(now.duration_since(last)),
        _ if since.is_some_and(|since| since > due) => Punctuality::Awaited,
        last => Punctuality::Old(last.map(|last| now.duration_since(last)), due),
    }
}

/// The last moment up to `now` at which a schedule is due, UTC.
fn last_turn(cron: &str, now: Timestamp) -> Option<Timestamp> {
    let schedule = CronParser::new().parse(cron).ok()?;
    let now: Zoned = now.to_zoned(TimeZone::UTC);
    Some(schedule.find_previous_occurrence(&now, true).ok()?.timestamp())
}

/// An age in the largest unit that says enough.
pub fn age(age: SignedDuration) -> String {
    match age.as_hours() {
        0 if age.as_mins() == 0 => format!("{} s", age.as_secs()),
        0 => format!("{} min", age.as_mins()),
        hours if hours < 48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}
