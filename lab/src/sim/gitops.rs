//! What a world has where Flux runs: the Git host, the controllers, a bucket for backups, and the inventory's part
//! about them.

use std::{net::SocketAddr, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    bucket::{self, Bucket},
    files::Artifact,
    flux::{Controllers, manifests},
    gate::Gate,
    git::{self, BRANCH, GitHost},
    kubernetes::Kubernetes,
    operators::Operators,
    workloads::Workloads,
    world::Options,
};

/// The cluster's entry point in the repository.
const PATH: &str = "clusters/sim";

/// All of it ends when this is dropped.
pub(super) struct Gitops {
    pub(super) git: Arc<GitHost>,
    /// Where homelab keeps the key of the tree's Secrets.
    pub(super) age_key: Utf8PathBuf,
    /// What the tree has as a Secret.
    token: String,
    bucket: Arc<Bucket>,
    _controllers: Controllers,
    _workloads: Workloads,
    _operators: Operators,
}

impl Gitops {
    /// Below `folder`, for a cluster.
    pub(super) async fn start(
        gate: &Gate,
        kubernetes: &Arc<Kubernetes>,
        folder: &Utf8Path,
        options: &Options,
    ) -> std::io::Result<Self> {
        let address = git::address(options.network, options.ssh_port);
        let wire = options.wire.clone().unwrap_or_default();
        let git = GitHost::start(gate.clone(), folder.join("git"), address, wire).await?;
        let git = Arc::new(git);
        // Beside the Git host.
        let address = SocketAddr::new(git::address(options.network, 0).ip(), options.ssh_port + 1);
        let bucket = Arc::new(Bucket::start(gate.clone(), address).await?);
        let pace = options.pace;
        Ok(Self {
            age_key: folder.join("sim.agekey"),
            token: uuid::Uuid::new_v4().simple().to_string(),
            _controllers: Controllers::start(kubernetes.clone(), git.clone(), pace),
            _workloads: Workloads::start(kubernetes.clone(), pace),
            _operators: Operators::start(kubernetes.clone(), bucket.key().clone()),
            bucket,
            git,
        })
    }

    /// By the variables that the inventory names.
    pub(super) fn secrets(&self) -> [(&'static str, &str); 3] {
        let key = self.bucket.key();
        [
            ("CLOUDFLARE_API_TOKEN", &self.token),
            ("AWS_ACCESS_KEY_ID", &key.id),
            ("AWS_SECRET_ACCESS_KEY", &key.secret),
        ]
    }

    /// The sections that a world without it lacks; it begins within `k3s`.
    pub(super) fn inventory(&self, components: &Artifact, agents: u32) -> String {
        format!(
            "  disable: [local-storage]
longhorn:
  version: 1.12.1
  replicas: {replicas}
  backup:
    url: {bucket_url}
    bucket: {bucket}
    region: {region}
    credentials:
      access_key_id: {{env: AWS_ACCESS_KEY_ID}}
      secret_access_key: {{env: AWS_SECRET_ACCESS_KEY}}
  recurring_jobs:
    nightly: {{task: backup, cron: \"0 3 * * *\", retain: 7}}
flux:
  url: {url}
  branch: {BRANCH}
  path: {PATH}
  version: {version}
  components: {components}
  sha256: {sha256}
  known_hosts: [\"{known_host}\"]
  credentials:
    deploy_key: {{file: {deploy_key}}}
gitops:
  domain: sim.example
  email: me@sim.example
  secrets: {{sops: {{identity: {age_key}}}}}
  cert_manager: {{version: v1.21.1, cloudflare_api_token: {{env: CLOUDFLARE_API_TOKEN}}}}
  reloader: {{version: 2.2.16}}
",
            replicas = agents.clamp(1, 2),
            bucket_url = self.bucket.url(),
            bucket = bucket::NAME,
            region = bucket::REGION,
            url = self.git.url(),
            version = manifests::VERSION,
            components = components.url,
            sha256 = components.sha256,
            known_host = self.git.known_host(),
            deploy_key = self.git.deploy_key(),
            age_key = self.age_key,
        )
    }
}
