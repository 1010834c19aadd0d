//! The wire: TLS, HTTP/1.1 as Proxmox' own server speaks it, formats, authentication, routing.
//!
//! The server is written by hand because the real one does what HTTP libraries forbid: two
//! contradicting `Connection` headers on one reply, silence after too many headers, a reply in
//! plain HTTP on the TLS port.

pub(crate) mod authenticate;
pub(crate) mod certificate;
pub(crate) mod connection;
pub(crate) mod dispatch;
pub(crate) mod form;
pub(crate) mod render;
pub(crate) mod upload;
pub(crate) mod wire;
