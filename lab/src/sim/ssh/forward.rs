//! Where TCP connections from a guest lead.

use std::{future::Future, net::IpAddr, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::sim::guest::Guest;

/// A connection that is carried.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The other end of a connection, `None` where nobody answers.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Option<Box<dyn Stream>>> + Send + 'a>>;

/// The networks that guests are in.
pub trait Roads: Send + Sync {
    /// A TCP connection from a guest.
    fn open<'a>(&'a self, from: &'a Guest, address: IpAddr, port: u16) -> Opening<'a>;
}
