//! Guests as real Debian machines under systemd-nspawn.
