//! The emulator as a running server.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

use super::{
    config::Config,
    control::{faults::Faults, log::Log},
    http::{
        certificate::{self, CertificateError, Identity},
        connection,
        dispatch::Router,
    },
    state::{State, lock},
};

/// The real server closes connections that were silent for so long.
const IDLE: Duration = Duration::from_secs(5);
/// pvedaemon's workers: each does one call at a time.
const DAEMON_WORKERS: usize = 3;

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source} (is another emulator running there?)")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("an emulated cluster needs at least one node")]
    NoNode,
}

/// What the connections share.
pub struct Server {
    pub(crate) state: Arc<State>,
    pub(crate) router: Router,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) workers: Arc<Semaphore>,
    daemon_down: AtomicBool,
    idle: Mutex<Duration>,
    identity: Mutex<Identity>,
    address: SocketAddr,
}

/// A running emulator; dropping it ends it.
pub struct Running {
    server: Arc<Server>,
    accept: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Server {
    /// Starts an emulator. Its files are below the data directory, its tasks on this runtime.
    ///
    /// # Errors
    /// When the address is taken or the certificate can't be kept.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let first = config.nodes.first().ok_or(StartError::NoNode)?;
        let names = subject_names(&config);
        let identity = certificate::load(&config.data_dir, &first.name, &names)?;
        let wanted = config.listen;
        let listen = |source| StartError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let state = State::new(config);
        *lock(&state.fingerprint) = identity.fingerprint.clone();
        let server = Arc::new(Self {
            router: Router::new(super::endpoints(state.config.era)),
            log: Log::default(),
            faults: Faults::default(),
            workers: Arc::new(Semaphore::new(DAEMON_WORKERS)),
            state,
            daemon_down: AtomicBool::new(false),
            idle: Mutex::new(IDLE),
            identity: Mutex::new(identity),
            address,
        });
        let accept = tokio::spawn(accept(Arc::clone(&server), listener));
        Ok(Running { server, accept })
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&lock(&self.identity).server)
    }

    /// How long a connection may be silent.
    pub(crate) fn idle(&self) -> Duration {
        *lock(&self.idle)
    }

    /// Changes that time; `None` is the real server's.
    pub(crate) fn set_idle(&self, idle: Option<Duration>) {
        *lock(&self.idle) = idle.unwrap_or(IDLE);
    }

    pub(crate) fn daemon_is_down(&self) -> bool {
        self.daemon_down.load(Ordering::Relaxed)
    }

    pub(crate) fn set_daemon(&self, up: bool) {
        self.daemon_down.store(!up, Ordering::Relaxed);
    }

    /// Serves a new node certificate from the next connection on.
    pub(crate) fn renew_certificate(&self, authority_too: bool) -> Result<(), CertificateError> {
        let config = &self.state.config;
        let node = self.state.local_node();
        let renewed =
            certificate::renew(&config.data_dir, node, &subject_names(config), authority_too)?;
        *lock(&self.state.fingerprint) = renewed.fingerprint.clone();
        *lock(&self.identity) = renewed;
        Ok(())
    }

    /// What a client needs to reach this server.
    pub(crate) fn describe(&self) -> Value {
        let identity = lock(&self.identity);
        json!({
            "endpoint": format!("https://{}", self.address),
            "control": format!("http://{}/lab", self.address),
            "ca": identity.authority,
            "fingerprint": identity.fingerprint,
        })
    }
}

impl Running {
    /// `https://192.0.2.1:8006`.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.server.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The laboratory's door (see [`super::control`]): `http://192.0.2.1:8006/lab`.
    pub fn control(&self) -> String {
        format!("http://{}/lab", self.server.address)
    }

    /// The certificate authority's certificate, PEM.
    pub fn ca_file(&self) -> Utf8PathBuf {
        lock(&self.server.identity).authority.clone()
    }

    /// SHA-256 of the node certificate: upper-case hex pairs joined by colons.
    pub fn fingerprint(&self) -> String {
        lock(&self.server.identity).fingerprint.clone()
    }

    /// All of these as JSON, as `GET /lab/server` gives them.
    pub fn describe(&self) -> Value {
        self.server.describe()
    }

    /// Runs until the process ends.
    pub async fn wait(mut self) {
        (&mut self.accept).await.ok();
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                stream.set_nodelay(true).ok();
                tokio::spawn(connection::serve(Arc::clone(&server), stream));
            }
            Err(error) => {
                tracing::warn!(%error, "the emulator could not accept a connection");
                // Out of file descriptors: others must close theirs first.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The names in the node certificate: those of the node, of `localhost`, and what was asked for.
fn subject_names(config: &Config) -> Vec<String> {
    let mut names = vec!["127.0.0.1".to_owned(), "::1".to_owned(), "localhost".to_owned()];
    if let Some(node) = config.nodes.first() {
        names.push(node.address.clone());
        names.push(node.name.clone());
        names.push(format!("{}.localdomain", node.name));
    }
    if !config.listen.ip().is_unspecified() {
        names.push(config.listen.ip().to_string());
    }
    names.extend(config.subject_names.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
