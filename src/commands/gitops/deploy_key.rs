//! `homelab gitops deploy-key`: the key with which Flux reads the repository, made here and registered there.

use camino::Utf8Path;
use serde_json::json;

use super::DeployKeyArgs;
use crate::{
    adapter::git_host::{Dialect, GitHost, Registered, Repository},
    cli::Global,
    commands::session::{load, wants_json},
    error::{Effect, Failure, Kind, Result},
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
    Already {
        /// Older ones of this cluster that were taken away.
        replaced: usize,
        /// And that were left.
        older: usize,
    },
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
    is_private(file)?;
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
            Outcome::Already { .. } => "already_registered",
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
        Outcome::Already { replaced: 0, older: 0 } => format!("It was registered at {url} before."),
        Outcome::Already { replaced: 0, older } => format!(
            "It was registered at {url} before, beside {older} older of this cluster: `--replace` takes them away."
        ),
        Outcome::Already { replaced, .. } => {
            format!(
                "It was registered at {url} before; {replaced} older of this cluster are gone now."
            )
        }
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

/// As ssh has it: a private key that others may read is none.
fn is_private(file: &Utf8Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // What cannot be looked at is told by whoever reads it.
    let Ok(found) = fs_err::metadata(file) else { return Ok(()) };
    let mode = found.permissions().mode() & 0o777;
    if !found.is_file() || mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::new(Kind::Inventory, format!("others may read the deploy key (mode {mode:04o})"))
        .at(file)
        .hint(format!("chmod 600 {file}; whoever may have read it can read the repository")))
}

async fn register(
    host: &GitHost,
    desired: &Desired,
    key: &DeployKey,
    replace: bool,
) -> Result<Outcome> {
    let title = format!("homelab {} ({})", desired.cluster, desired.id.short());
    let keys = host.keys().await?;
    let ours = keys.iter().find(|known| key.is(&known.key));
    if let Some(known) = ours {
        reads_only(known, Effect::None)?;
    }
    // Ours by the cluster's id in the title: the name of a cluster is nobody's alone.
    let older: Vec<&Registered> =
        keys.iter().filter(|known| known.title == title && !key.is(&known.key)).collect();
    if ours.is_none() {
        if !older.is_empty() && !replace {
            return Err(Failure::new(
                Kind::Refused,
                format!("another key of this cluster is registered there as `{title}`"),
            )
            .hint("put its file back where the inventory names it; or `--replace`: Flux gets the new one by `homelab up`"));
        }
        // First the new one: between the two Flux can still read.
        let registered = host.add(&title, &key.public).await?;
        if !key.is(&registered.key) {
            return Err(another(&registered));
        }
        reads_only(&registered, Effect::Partial)?;
    }
    // Also where ours was there before: a run may have been broken off between the two.
    let removed = if replace { older.len() } else { 0 };
    for old in older.iter().take(removed) {
        host.remove(old.id).await?;
    }
    Ok(match ours {
        None => Outcome::Registered { replaced: removed },
        Some(_) => Outcome::Already { replaced: removed, older: older.len() - removed },
    })
}

/// What the host says that it registered is not what it was given.
fn another(key: &Registered) -> Failure {
    let why = format!(
        "the host says that it registered another key (number {}, `{}`)",
        key.id, key.title
    );
    Failure::new(Kind::Git, why)
        .effect(Effect::Unknown)
        .hint("look at the repository's keys there, delete what is not yours, and run this again")
}

fn reads_only(key: &Registered, effect: Effect) -> Result<()> {
    if !key.may_write {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!("the host lets this key write, as `{}`: reading is all that Flux needs", key.title),
    )
    .effect(effect)
    .hint("delete it there and run this again, or keep it: `homelab up` works with it"))
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
