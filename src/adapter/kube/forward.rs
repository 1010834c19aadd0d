//! A port of our own on loopback that leads to the Kubernetes API of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{net::TcpListener, task::JoinHandle};

use super::connection::{API_ADDRESS, API_PORT};
use crate::{
    error::{Failure, Kind},
    ports::Host,
};

/// The port stays open as long as this is kept.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    trouble: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Forward {
    /// Listens on a free port of 127.0.0.1; a server that does not forward is told at once.
    pub async fn open<H: Host>(host: H) -> Result<Self, Failure> {
        Self::to(host, SocketAddr::new(API_ADDRESS, API_PORT)).await
    }

    /// The same for another address as the host sees it.
    pub async fn to<H: Host>(host: H, target: SocketAddr) -> Result<Self, Failure> {
        drop(host.tunnel(target.ip(), target.port()).await?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| {
            Failure::new(Kind::Runtime, format!("cannot listen on 127.0.0.1: {error}"))
        })?;
        let address = listener.local_addr()?;
        let trouble = Arc::new(Mutex::new(None));
        let task = tokio::spawn(carry(host, target, listener, Arc::clone(&trouble)));
        Ok(Self { address, trouble, task })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What last went wrong with carrying a connection: its client saw no more than its end.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok()?.clone()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry<H: Host>(
    host: H,
    target: SocketAddr,
    listener: TcpListener,
    trouble: Arc<Mutex<Option<String>>>,
) {
    // Connections end with the listener: dropping the set aborts them.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let mut client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                note(&trouble, error.to_string());
                // Out of file descriptors, most likely: others must end first.
                connections.join_next().await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let (host, trouble) = (host.clone(), Arc::clone(&trouble));
        connections.spawn(async move {
            match host.tunnel(target.ip(), target.port()).await {
                Ok(mut stream) => {
                    // That one side hangs up is how connections end.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut stream).await;
                }
                Err(error) => note(&trouble, error.to_string()),
            }
        });
    }
}

fn note(trouble: &Mutex<Option<String>>, text: String) {
    tracing::warn!("{text}");
    if let Ok(mut trouble) = trouble.lock() {
        *trouble = Some(text);
    }
}
