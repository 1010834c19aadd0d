//! `homelab gitops deploy-key`: the key with which Flux reads the repository, made here and registered there.

use camino::Utf8Path;
use serde_json::json;

use super::DeployKeyArgs;
use crate::{
    adapter::git_host::{Dialect, GitHost, Registered, Repository},
    cli::Global,
    commands::session::{load, wants_json},
    error::{Failure, Kind, Result},
    gitops::deploy_key::DeployKey,
    inventory::{
        Desired, Pins,
        desired::{Flux, GitAccess, SecretSource},
    },
    render,
};

/// The variable with the token for the host's API.
const TOKEN: &str = "HOMELAB_GIT_TOKEN";

/// What became of the key at the host.
enum Outcome {
    Registered {
        replaced: usize,
    },
    Already,
    /// No token: a person has to do it.
    ByHand {
        page: Option<String>,
    },
}

pub(super) async fn run(global: &Global, args: DeployKeyArgs) -> Result<()> {
    let desired = load(global, Pins::Optional)?;
    let flux = desired.flux.as_ref().ok_or_else(|| {
        Failure::new(Kind::Inventory, "the inventory has no `flux` section")
            .hint("write `flux` with `url`, `path` and `credentials: {deploy_key: {file: ...}}`")
    })?;
    let file = place(flux)?;
    let site = Site::of(&flux.url, &args)?;
    // A token that is none is told before anything is made.
    let token = match std::env::var_os(TOKEN) {
        Some(_) => Some(SecretSource::Env(TOKEN.into()).resolve_like("TOKEN").await?),
        None => None,
    };
    let host = match (token, site.dialect) {
        (None, _) => None,
        (Some(_), None) => return Err(site.unknown()),
        (Some(token), Some(dialect)) => {
            Some(GitHost::new(dialect, site.repository(dialect, &args), token)?)
        }
    };
    let (key, made) = match DeployKey::read(file)? {
        Some(key) => (key, false),
        None => (DeployKey::make(file)?, true),
    };
    let outcome = match host {
        None => Outcome::ByHand { page: site.page() },
        Some(host) => register(&host, &desired, &key, args.replace).await?,
    };
    if !global.quiet {
        let what = if made { "A new deploy key" } else { "The deploy key" };
        anstream::eprintln!("{what} is in {file}; it is for Flux, and reads only.");
        anstream::eprintln!("{}", told(&outcome, &flux.url));
    }
    if wants_json(global) {
        let state = match outcome {
            Outcome::Registered { .. } => "registered",
            Outcome::Already => "already_registered",
            Outcome::ByHand { .. } => "to_be_registered",
        };
        return render::document(
            &json!({ "file": file, "public": key.public, "made": made, "state": state }),
        );
    }
    render::output::line(format_args!("{}", key.public))?;
    Ok(())
}

fn told(outcome: &Outcome, url: &str) -> String {
    match outcome {
        Outcome::Registered { replaced: 0 } => format!("It is registered at {url} now."),
        Outcome::Registered { replaced } => {
            format!("It is registered at {url} now, in place of {replaced} older of this cluster.")
        }
        Outcome::Already => format!("It was registered at {url} before."),
        Outcome::ByHand { page } => {
            let page = page.as_deref().unwrap_or("the repository's settings");
            format!(
                "Register the line below at {page}, without write access; or set {TOKEN}, and it is done for you."
            )
        }
    }
}

/// The file that the inventory names for it.
fn place(flux: &Flux) -> Result<&Utf8Path> {
    let write = "write `flux.credentials: {deploy_key: {file: ~/.config/homelab/deploy-key}}`";
    match &flux.credentials {
        Some(GitAccess::DeployKey(SecretSource::File(file))) => Ok(file),
        Some(GitAccess::DeployKey(_)) => Err(Failure::new(
            Kind::Inventory,
            "the deploy key comes from elsewhere, so that it cannot be made here",
        )
        .at("flux.credentials.deploy_key")
        .hint(write)),
        Some(GitAccess::Token(_)) => {
            Err(Failure::new(Kind::Inventory, "the repository is opened by a token, not by a key")
                .at("flux.credentials.token")
                .hint("a deploy key is for an `ssh://` URL"))
        }
        None => Err(Failure::new(Kind::Inventory, "the inventory names no deploy key")
            .at("flux")
            .hint(write)),
    }
}

async fn register(
    host: &GitHost,
    desired: &Desired,
    key: &DeployKey,
    replace: bool,
) -> Result<Outcome> {
    let title = format!("homelab {} ({})", desired.cluster, desired.id.short());
    let keys = host.keys().await?;
    if let Some(known) = keys.iter().find(|known| key.is(&known.key)) {
        return if known.may_write {
            Err(Failure::new(
                Kind::Refused,
                format!(
                    "the host lets this key write, as `{}`: reading is all that Flux needs",
                    known.title
                ),
            )
            .hint("delete it there and run this again, or keep it: `homelab up` works with it"))
        } else {
            Ok(Outcome::Already)
        };
    }
    // Ours by the cluster's id in the title: the name of a cluster is nobody's alone.
    let older: Vec<&Registered> = keys.iter().filter(|known| known.title == title).collect();
    if !older.is_empty() && !replace {
        return Err(Failure::new(
            Kind::Refused,
            format!("another key of this cluster is registered there as `{title}`"),
        )
        .hint("put its file back where the inventory names it; or `--replace`: Flux gets the new one by `homelab up`"));
    }
    // First the new one: between the two Flux can still read.
    host.add(&title, &key.public).await?;
    for old in &older {
        host.remove(old.id).await?;
    }
    Ok(Outcome::Registered { replaced: older.len() })
}

/// The repository, as its URL names it.
struct Site {
    /// Without a port: the API has another one.
    host: String,
    path: String,
    dialect: Option<Dialect>,
}

impl Site {
    fn of(url: &str, args: &DeployKeyArgs) -> Result<Self> {
        let unfit = || {
            Failure::new(
                Kind::Inventory,
                format!("{url} has no deploy keys: it is no `ssh://` URL"),
            )
            .at("flux.url")
        };
        let rest = url.strip_prefix("ssh://").ok_or_else(unfit)?;
        let (authority, path) = rest.split_once('/').ok_or_else(unfit)?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let parsed: http::uri::Authority = authority.parse().map_err(|_| unfit())?;
        let host = parsed.host().to_lowercase();
        let path = path.trim_matches('/').trim_end_matches(".git").to_owned();
        let dialect = args.host.or_else(|| Dialect::at(&host));
        Ok(Self { host, path, dialect })
    }

    fn repository(&self, dialect: Dialect, args: &DeployKeyArgs) -> Repository {
        let api = match &args.api {
            Some(api) => api.trim_end_matches('/').to_owned(),
            None => dialect.api(&self.host),
        };
        Repository { api, path: self.path.clone() }
    }

    fn page(&self) -> Option<String> {
        Some(self.dialect?.page_of_keys(&self.host, &self.path))
    }

    fn unknown(&self) -> Failure {
        let why = format!("it is not known whose API {} speaks", self.host);
        Failure::new(Kind::Usage, why)
            .hint("say it: `--host gitea` (or forgejo, gitlab, github), and `--api URL` where it is elsewhere")
    }
}
