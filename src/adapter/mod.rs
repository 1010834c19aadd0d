//! The real outside world behind the ports.

pub mod ssh;
