//! `homelab init --ask`: the facts of a new inventory from questions, whose offers are what Proxmox has.

mod network;
mod proxmox;

use self::{
    network::tailnet,
    proxmox::{offered, typed},
};
use super::{Facts, conversation::Conversation};
use crate::{
    adapter::proxmox::{ProxmoxClient, shown_fingerprint},
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::{
        desired::{ProxmoxSite, SecretSource, TlsTrust},
        parse_fingerprint, why_no_https_origin,
    },
    secret::Secret,
};

const TOKEN: &str = "PROXMOX_VE_API_TOKEN";

/// Asks until everything is known. Nothing is changed anywhere.
///
/// # Errors
/// [`Kind::Usage`] without a terminal; [`Kind::Interrupted`] when the person ends it.
pub(super) async fn run(global: &Global, facts: Facts) -> Result<Facts> {
    if global.config.exists() {
        return Err(Failure::new(Kind::Refused, "the file exists and is left as it is")
            .at(&global.config)
            .hint(format!(
                "write elsewhere: homelab -c OTHER.yaml init --ask, or move {} away",
                global.config
            )));
    }
    let talk = Conversation::begin()?;
    let mut facts = facts;
    facts.cluster = talk.line("Name of the cluster", &facts.cluster, |_| None)?;
    facts.endpoint = talk
        .line("Proxmox API", &facts.endpoint, |url| why_no_https_origin(url).map(str::to_owned))?;
    let tls = trust(&talk, global, &mut facts).await?;
    match client(&talk, &facts, tls)? {
        Some(proxmox) => match offered(&talk, &proxmox, &mut facts).await {
            Err(failure) if failure.kind != Kind::Interrupted => {
                talk.say(format_args!("Proxmox does not tell what it has: {failure}"));
                typed(&talk, &mut facts)?;
            }
            other => other?,
        },
        None => typed(&talk, &mut facts)?,
    }
    tailnet(&talk, &mut facts)?;
    Ok(facts)
}

/// Who answers at the endpoint is known before a token is sent there.
async fn trust(talk: &Conversation, global: &Global, facts: &mut Facts) -> Result<TlsTrust> {
    if let Some(file) = &facts.ca_file {
        let found = super::path_of(&global.config, file);
        let path =
            found.try_into().map_err(|_| Failure::new(Kind::Usage, "--ca-file is no UTF-8"))?;
        return Ok(TlsTrust::CaFile(path));
    }
    let shown = match &facts.fingerprint {
        Some(given) => given.clone(),
        None => {
            let shown = shown_fingerprint(&facts.endpoint).await?;
            talk.say(format_args!(
                "{} shows the certificate\n  {shown}\nOn the Proxmox host the same is printed by\n  \
                 openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem\n\
                 (pveproxy-ssl.pem where that file exists).",
                facts.endpoint
            ));
            if !talk.is_so("Are both the same?")? {
                return Err(Failure::new(
                    Kind::Interrupted,
                    "somebody else may answer there; nothing was sent and nothing written",
                )
                .at(&facts.endpoint));
            }
            shown
        }
    };
    let bytes = parse_fingerprint(&shown)
        .ok_or_else(|| Failure::new(Kind::Usage, "--fingerprint takes 32 bytes in hexadecimal"))?;
    facts.fingerprint = Some(shown);
    Ok(TlsTrust::Fingerprints(vec![bytes]))
}

/// `None` where the person has no token yet.
fn client(talk: &Conversation, facts: &Facts, tls: TlsTrust) -> Result<Option<ProxmoxClient>> {
    let token = match std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        Some(token) => {
            talk.say(format_args!("The token is that of {TOKEN}."));
            Secret::new(token)
        }
        None => {
            talk.say(
                "With an API token Proxmox tells what it has. `homelab init proxmox-role` prints how to \
                 make one; the inventory refers to it and never holds it.",
            );
            let question = "Token, user@realm!name=uuid (not shown; Enter to go on without)";
            match talk.secret(question)? {
                Some(token) => token,
                None => return Ok(None),
            }
        }
    };
    let site = ProxmoxSite {
        endpoint: facts.endpoint.clone(),
        tls,
        token: SecretSource::Env(TOKEN.into()),
        pool: None,
        bridge: facts.bridge.clone(),
        vlan: None,
        disk_storage: facts.storage.clone(),
        image_storage: facts.image_storage.clone(),
        seed_storage: facts.seed_storage.clone(),
        parallel_clones: 1,
    };
    Ok(Some(ProxmoxClient::new(&site, token)?))
}

fn number(talk: &Conversation, question: &str, offered: u32) -> Result<u32> {
    let text = talk.line(question, &offered.to_string(), |text| {
        text.parse::<u32>().is_err().then(|| "a number is wanted".to_owned())
    })?;
    Ok(text.parse().unwrap_or(offered))
}
