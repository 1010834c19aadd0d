//! `accounts/{account}/cfd_tunnel`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    access::{Permission, Token},
    answer::{Answer, Error, Outcome, error, page},
    request::Request,
    state::{Connection, Data, Tunnel},
};

/// A connector that is well keeps so many connections to the edge.
const WHOLE: usize = 4;

/// Everything below `cfd_tunnel`: nothing, an id, or an id and what is asked of it.
pub(crate) fn route(
    data: &mut Data,
    token: &Token,
    request: &Request,
    account: &str,
    rest: &[&str],
) -> Outcome {
    let method = request.method.as_str();
    // The token of a tunnel is worth the tunnel: reading is not enough for it.
    let reading = method == "GET" && rest.get(1) != Some(&"token");
    token.require(if reading { Permission::TunnelRead } else { Permission::TunnelEdit })?;
    if account != data.account {
        return Err(error(StatusCode::FORBIDDEN, 10000, "Authentication error"));
    }
    match (method, rest) {
        ("GET", []) => list(data, request),
        ("POST", []) => create(data, request),
        ("GET", [id]) => Ok(Answer::of(shown(data, find(data, id)?))),
        ("PATCH", [id]) => rename(data, request, id),
        ("DELETE", [id]) => delete(data, id),
        ("GET", [id, "token"]) => {
            let tunnel = find(data, id)?;
            let parts = json!({ "a": data.account, "t": tunnel.id, "s": tunnel.secret });
            Ok(Answer::of(STANDARD.encode(parts.to_string()).into()))
        }
        ("GET", [id, "configurations"]) => Ok(Answer::of(configuration(data, find(data, id)?))),
        ("PUT", [id, "configurations"]) => configure(data, request, id),
        ("GET", [id, "connections"]) => Ok(Answer::of(clients(find(data, id)?))),
        ("DELETE", [id, "connections"]) => {
            let tunnel = living(data, id)?;
            connect(tunnel, Vec::new());
            Ok(Answer::of(Value::Null))
        }
        _ => Err(error(StatusCode::METHOD_NOT_ALLOWED, 10405, "Method not allowed")),
    }
}

fn missing() -> Error {
    error(StatusCode::NOT_FOUND, 1003, "Tunnel not found")
}

/// A tunnel by its id, deleted ones too.
fn find<'a>(data: &'a Data, id: &str) -> Result<&'a Tunnel, Error> {
    data.tunnels.iter().find(|tunnel| tunnel.id == id).ok_or_else(missing)
}

pub(crate) fn living<'a>(data: &'a mut Data, id: &str) -> Result<&'a mut Tunnel, Error> {
    let found = data.tunnels.iter_mut().find(|tunnel| tunnel.id == id);
    found.filter(|tunnel| tunnel.deleted.is_none()).ok_or_else(missing)
}

fn list(data: &Data, request: &Request) -> Outcome {
    let by = |name: &str, value: &str| request.query(name).is_none_or(|asked| asked == value);
    let prefix = |name: &str| request.query(name).map(str::to_owned);
    let seen = data
        .tunnels
        .iter()
        .filter(|tunnel| by("is_deleted", &tunnel.deleted.is_some().to_string()))
        .filter(|tunnel| by("name", &tunnel.name))
        .filter(|tunnel| by("uuid", &tunnel.id))
        .filter(|tunnel| by("status", status(tunnel)))
        .filter(|tunnel| {
            prefix("include_prefix").is_none_or(|start| tunnel.name.starts_with(&start))
        })
        .filter(|tunnel| {
            prefix("exclude_prefix").is_none_or(|start| !tunnel.name.starts_with(&start))
        })
        .map(|tunnel| shown(data, tunnel))
        .collect();
    page(request, seen, 20, 1000)
}

fn taken(data: &Data, name: &str, but: Option<&str>) -> Result<(), Error> {
    let twin = data.tunnels.iter().any(|tunnel| {
        tunnel.deleted.is_none() && tunnel.name == name && Some(tunnel.id.as_str()) != but
    });
    match twin {
        true => Err(error(
            StatusCode::CONFLICT,
            1013,
            "You already have a tunnel with this name. Please choose another name.",
        )),
        false => Ok(()),
    }
}

fn create(data: &mut Data, request: &Request) -> Outcome {
    let sent = request.object()?;
    let name = sent["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(error(StatusCode::BAD_REQUEST, 1004, "Tunnel name is required"));
    }
    taken(data, &name, None)?;
    let secret = match sent["tunnel_secret"].as_str() {
        None => STANDARD.encode(rand::random::<[u8; 32]>()),
        Some(secret) => match STANDARD.decode(secret) {
            Ok(bytes) if bytes.len() >= 32 => secret.to_owned(),
            _ => {
                return Err(error(
                    StatusCode::BAD_REQUEST,
                    1004,
                    "Tunnel secret must be at least 32 bytes in Base64",
                ));
            }
        },
    };
    let tunnel = Tunnel {
        id: uuid::Uuid::new_v4().to_string(),
        name,
        secret,
        remote: sent["config_src"] == "cloudflare",
        created: Timestamp::now(),
        deleted: None,
        active_since: None,
        inactive_since: None,
        connections: Vec::new(),
        configuration: None,
        version: 0,
    };
    let answer = shown(data, &tunnel);
    data.tunnels.push(tunnel);
    Ok(Answer::of(answer))
}

fn rename(data: &mut Data, request: &Request, id: &str) -> Outcome {
    let sent = request.object()?;
    if let Some(name) = sent["name"].as_str() {
        taken(data, name, Some(id))?;
        living(data, id)?.name = name.to_owned();
    }
    Ok(Answer::of(shown(data, find(data, id)?)))
}

fn delete(data: &mut Data, id: &str) -> Outcome {
    let tunnel = living(data, id)?;
    if !tunnel.connections.is_empty() {
        return Err(error(
            StatusCode::BAD_REQUEST,
            1022,
            "Cannot delete tunnel because it has active connections",
        ));
    }
    tunnel.deleted = Some(Timestamp::now());
    Ok(Answer::of(shown(data, find(data, id)?)))
}

fn configure(data: &mut Data, request: &Request, id: &str) -> Outcome {
    let sent = request.object()?;
    let tunnel = living(data, id)?;
    if !tunnel.remote {
        return Err(error(StatusCode::BAD_REQUEST, 1055, "The tunnel is locally configured"));
    }
    let config = sent["config"].clone();
    if let Some(problem) = unsound(&config) {
        return Err(error(StatusCode::BAD_REQUEST, 1056, &format!("Bad Configuration: {problem}")));
    }
    tunnel.configuration = Some(config);
    tunnel.version += 1;
    Ok(Answer::of(configuration(data, find(data, id)?)))
}

/// What cloudflared itself would refuse of ingress rules.
fn unsound(config: &Value) -> Option<String> {
    let rules = config["ingress"].as_array()?;
    let (last, rules) = rules.split_last()?;
    let matches_all = |rule: &Value| {
        let hostname = rule["hostname"].as_str().unwrap_or_default();
        matches!(hostname, "" | "*") && rule["path"].as_str().unwrap_or_default().is_empty()
    };
    let without_service = |rule: &&Value| rule["service"].as_str().is_none_or(str::is_empty);
    if rules.iter().chain([last]).any(|rule| without_service(&rule)) {
        return Some("an ingress rule has no service".to_owned());
    }
    if !matches_all(last) {
        return Some("The last ingress rule must match all URLs".to_owned());
    }
    let early = rules.iter().position(matches_all)?;
    Some(format!("Rule #{} is matching the hostname '', but isn't the last", early + 1))
}

fn configuration(data: &Data, tunnel: &Tunnel) -> Value {
    json!({
        "account_id": data.account,
        "tunnel_id": tunnel.id,
        "version": tunnel.version,
        "config": tunnel.configuration,
        "source": if tunnel.remote { "cloudflare" } else { "local" },
        "created_at": tunnel.created.to_string(),
    })
}

/// Replaces the connections of a tunnel.
pub(crate) fn connect(tunnel: &mut Tunnel, connections: Vec<Connection>) {
    let now = Timestamp::now();
    match (tunnel.connections.is_empty(), connections.is_empty()) {
        (true, false) => (tunnel.active_since, tunnel.inactive_since) = (Some(now), None),
        (false, true) => (tunnel.active_since, tunnel.inactive_since) = (None, Some(now)),
        _ => {}
    }
    tunnel.connections = connections;
}

/// Never connected: inactive; no connection any more: down; fewer than a whole connector's: degraded.
fn status(tunnel: &Tunnel) -> &'static str {
    match tunnel.connections.len() {
        0 if tunnel.inactive_since.is_none() => "inactive",
        0 => "down",
        some if some < WHOLE => "degraded",
        _ => "healthy",
    }
}

fn shown(data: &Data, tunnel: &Tunnel) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": tunnel.id,
        "account_tag": data.account,
        "created_at": tunnel.created.to_string(),
        "deleted_at": time(tunnel.deleted),
        "name": tunnel.name,
        "connections": tunnel.connections.iter().map(connection).collect::<Vec<_>>(),
        "conns_active_at": time(tunnel.active_since),
        "conns_inactive_at": time(tunnel.inactive_since),
        "tun_type": "cfd_tunnel",
        "metadata": {},
        "status": status(tunnel),
        "remote_config": tunnel.remote,
        "config_src": if tunnel.remote { "cloudflare" } else { "local" },
    })
}

/// The connections, by connector.
fn clients(tunnel: &Tunnel) -> Value {
    let mut clients: IndexMap<&str, Vec<&Connection>> = IndexMap::new();
    for connection in &tunnel.connections {
        clients.entry(connection.client.as_str()).or_default().push(connection);
    }
    let client = |(id, connections): (&str, Vec<&Connection>)| {
        let first = connections[0];
        json!({
            "id": id,
            "features": ["allow_remote_config"],
            "version": first.client_version,
            "arch": first.architecture,
            "run_at": first.opened,
            "config_version": first.config_version,
            "conns": connections.into_iter().map(connection).collect::<Vec<_>>(),
        })
    };
    clients.into_iter().map(client).collect()
}

fn connection(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "uuid": connection.id,
        "client_id": connection.client,
        "client_version": connection.client_version,
        "colo_name": connection.place,
        "is_pending_reconnect": connection.pending,
        "opened_at": connection.opened,
        "origin_ip": connection.origin,
    })
}
