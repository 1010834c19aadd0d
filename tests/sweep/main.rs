//! The promise that a run may die anywhere: the program itself in the simulated world, killed at each of its
//! effects, and what the next run makes of it.
//!
//! Nothing is taken from a list of places: the world's servers show each effect to a warden twice, before it
//! is done and before it is answered. `scripts/sweep` tries them all; what takes seconds is in every `cargo test`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod canaries;
mod judge;
mod operator;
mod points;
mod recorder;
mod shot;
mod stage;
mod story;
mod tally;
mod warden;

mod counts;
mod early;
mod faults;
mod foreign;
mod hosts;
mod joining;
mod journal;
mod kills;
mod kinds;
mod lasting;
mod misplaced;
mod moments;
mod own;
mod rivals;
mod secrets;
mod twice;
mod undisturbed;
mod vocabulary;
mod walks;
