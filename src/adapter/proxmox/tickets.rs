//! TLS sessions to be taken up again.
//!
//! Each write has a connection of its own, and hundreds of nodes write at the same time. A ticket serves one
//! connection; rustls keeps eight of them for a server, so that most connections of a crowd had to verify the
//! certificate's chain and the server's signature anew. A session that is taken up was verified when it began.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::{
    NamedGroup,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue,
        Tls13ClientSessionValue,
    },
    pki_types::ServerName,
};

/// A ticket that was not used for long is refused, and costs what having none costs.
const MOST: usize = 128;

/// The tickets of one server, since one Proxmox is all that a transport asks.
#[derive(Debug)]
pub(super) struct Tickets {
    /// All that is kept once for a server.
    single: ClientSessionMemoryCache,
    /// The latest last.
    tickets: Mutex<Vec<Tls13ClientSessionValue>>,
}

impl Tickets {
    pub(super) fn new() -> Self {
        Self { single: ClientSessionMemoryCache::new(1), tickets: Mutex::default() }
    }

    fn tickets(&self) -> MutexGuard<'_, Vec<Tls13ClientSessionValue>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.single.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.single.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.single.set_tls12_session(server, value);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.single.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.single.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut tickets = self.tickets();
        if tickets.len() == MOST {
            tickets.remove(0);
        }
        tickets.push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tickets().pop()
    }
}
