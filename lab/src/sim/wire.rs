//! The way between an operator and the world, which may be long.
//!
//! What an operator sends arrives a whole round trip later, and what is answered at once: a dialogue takes as
//! long as if each way took half of it, and the runtime's timers, whose steps are milliseconds, round once.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

/// The most of it that is on its way, in pieces.
const PIECES: usize = 1024;
/// The most of one piece, in bytes.
const PIECE: usize = 16 << 10;

/// How far an operator is from a world; clones are the same way.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<AtomicU64>);

impl Wire {
    /// Counts for connections from now on.
    pub fn set_round_trip(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn round_trip(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// Carries a connection until both ends have nothing more to say, or one breaks.
    ///
    /// # Errors
    /// When one breaks.
    pub async fn carry<Near, Far>(&self, near: &mut Near, far: &mut Far) -> io::Result<()>
    where
        Near: AsyncRead + AsyncWrite + Send + Unpin,
        Far: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let time = self.round_trip();
        if time.is_zero() {
            return copy_bidirectional(near, far).await.map(drop);
        }
        // TCP's own handshake.
        sleep(time).await;
        let (mut near_out, mut near_in) = tokio::io::split(near);
        let (mut far_out, mut far_in) = tokio::io::split(far);
        let back = async {
            tokio::io::copy(&mut far_out, &mut near_in).await?;
            near_in.shutdown().await
        };
        tokio::try_join!(later(&mut near_out, &mut far_in, time), back).map(drop)
    }
}

/// Passes on what is read, each piece so much later.
async fn later(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    time: Duration,
) -> io::Result<()> {
    let (send, mut receive) = mpsc::channel(PIECES);
    let reading = async move {
        loop {
            let mut piece = vec![0; PIECE];
            let count = from.read(&mut piece).await?;
            piece.truncate(count);
            if send.send((Instant::now() + time, piece)).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = receive.recv().await {
            sleep_until(due).await;
            if piece.is_empty() {
                break;
            }
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(drop)
}

/// A server's address at the operator's end of a wire; dropping it ends its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    accept: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Relay {
    /// # Errors
    /// When no loopback port can be had.
    pub async fn start(target: SocketAddr, wire: Wire) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accept = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                let wire = wire.clone();
                connections.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    near.set_nodelay(true).ok();
                    far.set_nodelay(true).ok();
                    // A connection that broke is no news here.
                    wire.carry(&mut near, &mut far).await.ok();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, accept })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_arrives_in_order_and_its_end_too() {
        let wire = Wire::default();
        wire.set_round_trip(Duration::from_millis(1));
        let (mut operator, mut near) = tokio::io::duplex(64);
        let (mut far, mut server) = tokio::io::duplex(64);
        let carrying = tokio::spawn(async move { wire.carry(&mut near, &mut far).await });
        for word in ["one ", "two ", "three"] {
            operator.write_all(word.as_bytes()).await.unwrap();
        }
        operator.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "one two three");
        server.write_all(b"understood").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        operator.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "understood");
        carrying.await.unwrap().unwrap();
    }
}
