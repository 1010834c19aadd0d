//! The promise that a run may die anywhere: the program itself in the simulated world, killed at each of its
//! effects, and what the next run makes of it.
//!
//! Nothing is taken from a list of places: the world's servers show each effect to a warden twice, before it
//! is done and before it is answered, and each of these moments is tried. `scripts/sweep` tries all of
//! them; by default one of each kind is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod operator;
mod points;
mod story;
mod warden;

mod counts;
mod faults;
mod journal;
mod kills;
mod secrets;
mod undisturbed;
