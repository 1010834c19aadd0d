//! The LAN, the nodes in it, and the tailnet.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::number;
use crate::{
    commands::init::{self, Facts, conversation::Conversation, default_server},
    error::{Failure, Kind, Result},
    model::NodeName,
};

/// The LAN, and who stands in it.
pub(super) fn nodes(talk: &Conversation, facts: &mut Facts) -> Result<()> {
    let network = |text: &str| init::network(text).err();
    let text = talk.line("LAN", &facts.network.to_string(), network)?;
    facts.network = init::network(&text).map_err(|why| Failure::new(Kind::Usage, why))?;
    let first = facts.gateway.filter(|gateway| facts.network.contains(gateway));
    let first = first.or_else(|| facts.network.hosts().next()).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let host = |text: &str| is_in(facts.network, text);
    let gateway = talk.line("Gateway", &first.to_string(), host)?;
    facts.gateway = gateway.parse().ok();
    if !facts.servers.is_empty() {
        return Ok(());
    }
    let servers = ["1 server", "3 servers, any one of which may fail"].map(str::to_owned);
    let servers = [1, 3][talk.choice("Control plane", &servers)?];
    let agents = number(talk, "Agents", 2)?;
    let offered = default_server(facts.network, facts.gateway).unwrap_or(first);
    let question = format!("First of {} addresses in a row, which nobody has", servers + agents);
    let at = talk.line(&question, &offered.to_string(), |text| {
        is_in(facts.network, text).or_else(|| {
            let last = following(text.parse().ok()?, servers + agents - 1);
            let fits = last.is_some_and(|last| facts.network.contains(&last));
            (!fits).then(|| format!("{} has no room for so many from there", facts.network))
        })
    })?;
    let begin: Ipv4Addr = at.parse().unwrap_or(offered);
    let named = |kind: &str, of: u32, from: u32| {
        (0..of)
            .filter_map(|index| {
                let name = if kind == "server" && of == 1 {
                    "k3s-server".to_owned()
                } else {
                    format!("k3s-{kind}-{}", index + 1)
                };
                Some((name.parse::<NodeName>().ok()?, following(begin, from + index)?))
            })
            .collect()
    };
    facts.servers = named("server", servers, 0);
    facts.agents = named("agent", agents, servers);
    Ok(())
}

/// Who controls the tailnet.
pub(super) fn tailnet(talk: &Conversation, facts: &mut Facts) -> Result<()> {
    if facts.headscale.is_some() || facts.oauth_client.is_some() {
        return Ok(());
    }
    let offers = [
        "Tailscale, with an OAuth client (does not expire)",
        "Tailscale, with an API key (expires)",
        "Headscale",
    ];
    match talk.choice("Tailnet", &offers.map(str::to_owned))? {
        0 => {
            let id = talk.line("Id of the OAuth client", "CLIENT-ID", |_| None)?;
            facts.oauth_client = Some(id);
        }
        1 => {}
        _ => {
            let url =
                talk.line("Headscale's address", "https://headscale.example.org", |text| {
                    (!text.starts_with("https://") && !text.starts_with("http://")).then(|| {
                        "an address such as https://headscale.example.org is wanted".into()
                    })
                })?;
            facts.headscale = Some(url);
        }
    }
    Ok(())
}

fn is_in(network: Ipv4Net, text: &str) -> Option<String> {
    let inside = text.parse().is_ok_and(|address: Ipv4Addr| network.contains(&address));
    (!inside).then(|| format!("an address in {network} is wanted"))
}

fn following(address: Ipv4Addr, by: u32) -> Option<Ipv4Addr> {
    u32::from(address).checked_add(by).map(Ipv4Addr::from)
}
