//! The real world: each port with the adapter that talks to the real thing.

use std::time::Duration;

use super::{
    cloudflare::CloudflareApi,
    git::GitProgram,
    kube::KubeAccess,
    outside::Visitor,
    proxmox::ProxmoxClient,
    s3::S3,
    ssh::{Credentials, SshConnector},
    tailnet::AnyTailnet,
};
use crate::{
    error::{Failure, Result},
    event::{Event, Events},
    inventory::Desired,
    plan::edge,
    ports::{Clock, ProxmoxError, World},
};

/// What Proxmox's tokens look like, as one word of a shell.
const TOKEN_EXAMPLE: &str = "'homelab@pve!homelab=SECRET'";

/// Proxmox over HTTPS, hosts over SSH, the tailnet's API, Kubernetes through SSH, and time as it is.
pub struct RealWorld<C = SystemClock> {
    proxmox: ProxmoxClient,
    connector: SshConnector,
    tailnet: AnyTailnet,
    cluster: KubeAccess,
    edge: Option<CloudflareApi>,
    clock: C,
}

impl RealWorld {
    /// Resolves the secrets that a run needs from its first moment; nothing is contacted yet.
    pub async fn new(desired: &Desired, events: &Events) -> Result<Self> {
        let place = format!("proxmox.token ({})", desired.proxmox.token.describe());
        let token = desired.proxmox.token.resolve_like(TOKEN_EXAMPLE).await;
        let token = token.map_err(|failure| match failure.place {
            Some(_) => Failure { place: Some(place.clone()), ..failure },
            // What is said of a variable names it already.
            None => failure.at("proxmox.token"),
        })?;
        let proxmox = ProxmoxClient::new(&desired.proxmox, token).map_err(|error| match error {
            ProxmoxError::Token => Failure::from(error).at(place),
            other => other.into(),
        })?;
        let listeners = events.clone();
        let proxmox = proxmox.telling(move |retry| {
            listeners.send(Event::Reconnecting {
                endpoint: retry.endpoint,
                error: retry.error,
                attempt: retry.attempt,
                attempts: retry.attempts,
                seconds: retry.pause.as_secs_f64(),
            });
        });
        Self::with_clock(desired, proxmox, SystemClock::start())
    }
}

impl<C> RealWorld<C> {
    /// The same with a time of its own, and a Proxmox whose token is known.
    pub fn with_clock(desired: &Desired, proxmox: ProxmoxClient, clock: C) -> Result<Self> {
        let agent = std::env::var_os("SSH_AUTH_SOCK").map(Into::into);
        Ok(Self {
            proxmox,
            connector: SshConnector::new(Credentials::new(&desired.access, agent)),
            tailnet: AnyTailnet::new(&desired.tailnet.control)?,
            cluster: KubeAccess::default(),
            edge: edge::site(desired).map(CloudflareApi::new).transpose()?,
            clock,
        })
    }
}

impl<C: Clock + 'static> World for RealWorld<C> {
    type Proxmox = ProxmoxClient;
    type Connector = SshConnector;
    type Tailnet = AnyTailnet;
    type ClusterAccess = KubeAccess;
    type Git = GitProgram;
    type Outside = Visitor;
    type Buckets = S3;
    type Edge = CloudflareApi;
    type Clock = C;

    fn proxmox(&self) -> &ProxmoxClient {
        &self.proxmox
    }

    fn connector(&self) -> &SshConnector {
        &self.connector
    }

    fn tailnet(&self) -> &AnyTailnet {
        &self.tailnet
    }

    fn cluster(&self) -> &KubeAccess {
        &self.cluster
    }

    fn git(&self) -> &GitProgram {
        &GitProgram
    }

    fn outside(&self) -> &Visitor {
        &Visitor
    }

    fn buckets(&self) -> &S3 {
        &S3
    }

    fn edge(&self) -> Option<&CloudflareApi> {
        self.edge.as_ref()
    }

    fn clock(&self) -> &C {
        &self.clock
    }
}

/// The operating system's clocks.
pub struct SystemClock(Duration);

impl SystemClock {
    fn start() -> Self {
        Self(since_boot())
    }
}

/// With the time that a laptop slept: others' clocks went on, and a lease ran out.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default())
}

/// Elsewhere the clock may stand while a laptop sleeps; what it missed is seen within seconds.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        since_boot().saturating_sub(self.0)
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::RealWorld;
    use crate::{
        engine::{Run, StepContext, run_plan},
        observe::{self, Depth},
        plan::{Change, Plan},
        stage::{self, drift, verify},
    };

    /// The size of the future that a call gives, in bytes.
    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    type TheRun = &'static Arc<Run<RealWorld>>;
    type Context = &'static StepContext<RealWorld>;

    /// Generic futures are not seen by the lint for large ones. Without optimisation each is copied several
    /// times over on a stack of 2 MiB before it lies where it is polled.
    #[test]
    fn no_future_of_the_real_world_is_too_large_for_a_workers_stack() {
        let sizes = [
            ("observe", size(|run: TheRun| observe::observe(run, Depth::All))),
            ("observe::flux", size(|run: TheRun| observe::flux(run))),
            ("observe::longhorn", size(|run: TheRun| observe::longhorn(run))),
            ("verify", size(|run: TheRun| verify::all(run))),
            ("drift", size(|run: TheRun| drift::check(run))),
            (
                "apply",
                size(|(context, change): (Context, &'static Change)| stage::apply(context, change)),
            ),
            ("run_plan", size(|(run, plan): (TheRun, &'static Plan)| run_plan(run, plan))),
        ];
        let large: Vec<_> = sizes.iter().filter(|(_, size)| *size > 16 << 10).collect();
        assert!(large.is_empty(), "{large:?} of {sizes:?}");
    }
}
