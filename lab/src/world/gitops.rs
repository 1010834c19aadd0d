//! What GitOps takes: a repository that the operator writes and the cluster reads, a store for backups, a
//! stand-in for Cloudflare's API, and the edge that does what the API was told.

use super::{
    WorldError, edge,
    environment::Environment,
    git_server::GitServer,
    object_store::{self, ObjectStore},
    place::Place,
    public_path::{self, Edge},
    supplies,
};
use crate::cloudflare;

/// All run for as long as this is kept.
#[derive(Debug)]
pub(crate) struct GitOps {
    _git: GitServer,
    _store: ObjectStore,
    _api: cloudflare::Running,
    _public: Edge,
}

/// Starts all of them and tells the commands in the world where they are.
pub(crate) async fn start(
    place: &Place,
    supplies: &supplies::GitOps,
    environment: &mut Environment,
) -> Result<GitOps, WorldError> {
    let operator = environment.get("HOMELAB_SSH_PUBLIC_KEY").to_owned();
    let key = environment.get("HOMELAB_SSH_KEY").to_owned();
    let git = GitServer::start(&operator, &place.folder.join("git")).await?;
    environment.set("HOMELAB_LAB_GIT_URL", GitServer::url());
    // The operator's own key may push.
    environment.set("HOMELAB_LAB_GIT_KEY", key);
    environment.set("HOMELAB_LAB_DEPLOY_KEY", git.deploy_key.as_str());
    environment.set("HOMELAB_LAB_KNOWN_HOSTS", git.known_hosts.as_str());
    tracing::info!("the git server answers");

    let store = ObjectStore::start(&supplies.versitygw, &place.folder.join("s3")).await?;
    environment.set("HOMELAB_LAB_S3_URL", ObjectStore::url());
    environment.set("HOMELAB_LAB_S3_BUCKET", object_store::BUCKET);
    environment.set("AWS_REGION", object_store::REGION);
    environment.set("AWS_ACCESS_KEY_ID", object_store::ACCESS_KEY);
    environment.set_secret("AWS_SECRET_ACCESS_KEY", &store.secret_key)?;
    tracing::info!("the object store answers");

    let api = edge::start(environment).await?;
    tracing::info!("the stand-in for Cloudflare's API answers");
    // Its truth is what the API was told.
    let public = public_path::start(&supplies.edge, place, environment).await?;
    tracing::info!("the edge answers");
    Ok(GitOps { _git: git, _store: store, _api: api, _public: public })
}
