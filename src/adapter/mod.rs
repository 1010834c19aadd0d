//! The real outside world behind the ports.
