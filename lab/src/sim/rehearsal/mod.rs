//! A rehearsal: a command in a simulated world in which things go wrong as a script says, and a report of it.
//!
//! * [`script`]: what goes wrong, and where; [`player`]: lets it go wrong.
//! * [`report`]: what happened, and what is there afterwards.

pub mod player;
pub mod report;
pub mod script;
