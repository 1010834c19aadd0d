//! Paths of the API, with names as they must stand in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::{Upid, Vmid};

/// What may stand in one segment of a path as it is; a UPID has `:`, `@` and `!` in it (PVE-03).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// A volume's name goes on over slashes.
const VOLUME: &AsciiSet = &SEGMENT.remove(b'/').remove(b':');

pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

pub(super) fn guest(node: &str, vmid: Vmid, below: &str) -> String {
    format!("/nodes/{}/qemu/{vmid}{below}", segment(node))
}

pub(super) fn storage(node: &str, storage: &str, below: &str) -> String {
    format!("/nodes/{}/storage/{}{below}", segment(node), segment(storage))
}

pub(super) fn task(upid: &Upid, below: &str) -> String {
    format!("/nodes/{}/tasks/{}{below}", segment(upid.node()), segment(upid.as_str()))
}

pub(super) fn volume(text: &str) -> String {
    utf8_percent_encode(text, VOLUME).to_string()
}
