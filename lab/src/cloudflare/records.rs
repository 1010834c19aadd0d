//! `zones/{zone}/dns_records`.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    access::{Permission, Token},
    answer::{Answer, Error, Outcome, error, page},
    request::Request,
    state::{Data, Record, Zone, new_id},
    zones,
};

/// A comment may be as long as this on a free plan.
const COMMENT: usize = 100;

/// Everything below `dns_records`; `rest` is the record's id, if one is named.
pub(crate) fn route(
    data: &mut Data,
    token: &Token,
    request: &Request,
    zone: &str,
    rest: Option<&str>,
) -> Outcome {
    let right = match request.method == Method::GET {
        true => Permission::DnsRead,
        false => Permission::DnsEdit,
    };
    token.require(right)?;
    let at = zones::place(data, zone)?;
    let zone = &mut data.zones[at];
    match (request.method.as_str(), rest) {
        ("GET", None) => list(zone, request),
        ("POST", None) => create(zone, request),
        ("GET", Some(id)) => Ok(Answer::of(shown(known(zone, id)?))),
        ("PATCH", Some(id)) => change(zone, request, id, false),
        ("PUT", Some(id)) => change(zone, request, id, true),
        ("DELETE", Some(id)) => {
            known(zone, id)?;
            zone.records.shift_remove(id);
            Ok(Answer::of(json!({ "id": id })))
        }
        _ => Err(error(StatusCode::METHOD_NOT_ALLOWED, 10405, "Method not allowed")),
    }
}

fn known<'a>(zone: &'a Zone, id: &str) -> Result<&'a Record, Error> {
    let missing = || error(StatusCode::NOT_FOUND, 81044, "Record does not exist.");
    zone.records.get(id).ok_or_else(missing)
}

fn list(zone: &Zone, request: &Request) -> Outcome {
    let seen = zone.records.values().filter(|record| asked_for(record, request)).map(shown);
    page(request, seen.collect(), 100, 5_000_000)
}

/// Both the plain filters and those of the newer clients (`name.exact`, `comment.contains`).
fn asked_for(record: &Record, request: &Request) -> bool {
    let comment = record.comment.as_deref().unwrap_or_default();
    let fields =
        [("name", record.name.as_str()), ("content", &record.content), ("comment", comment)];
    let proxied = request.query("proxied");
    let form = request.query("type");
    form.is_none_or(|form| form == record.form)
        && proxied.is_none_or(|proxied| proxied == record.proxied.to_string())
        && fields.iter().all(|(field, value)| {
            let value = value.to_lowercase();
            let matches = |name: String, by: &dyn Fn(&str, &str) -> bool| {
                request.query(&name).is_none_or(|asked| by(&value, &asked.to_lowercase()))
            };
            matches((*field).to_owned(), &|value, asked| value == asked)
                && matches(format!("{field}.exact"), &|value, asked| value == asked)
                && matches(format!("{field}.contains"), &|value, asked| value.contains(asked))
                && matches(format!("{field}.startswith"), &|value, asked| value.starts_with(asked))
                && matches(format!("{field}.endswith"), &|value, asked| value.ends_with(asked))
        })
}

fn create(zone: &mut Zone, request: &Request) -> Outcome {
    let now = Timestamp::now();
    let fresh = Record {
        id: new_id(),
        name: String::new(),
        form: String::new(),
        content: String::new(),
        proxied: false,
        ttl: 1,
        comment: None,
        tags: Vec::new(),
        created: now,
        modified: now,
    };
    let record = written(zone, fresh, &request.object()?)?;
    admit(zone, &record)?;
    let answer = shown(&record);
    zone.records.insert(record.id.clone(), record);
    Ok(Answer::of(answer))
}

fn change(zone: &mut Zone, request: &Request, id: &str, whole: bool) -> Outcome {
    let old = known(zone, id)?.clone();
    let from = match whole {
        // What a PUT does not name goes back to its default.
        true => Record {
            name: String::new(),
            form: String::new(),
            content: String::new(),
            proxied: false,
            ttl: 1,
            comment: None,
            tags: Vec::new(),
            ..old
        },
        false => old,
    };
    let mut record = written(zone, from, &request.object()?)?;
    record.modified = Timestamp::now();
    admit(zone, &record)?;
    let answer = shown(&record);
    zone.records.insert(id.to_owned(), record);
    Ok(Answer::of(answer))
}

fn invalid(code: u32, message: &str) -> Error {
    error(StatusCode::BAD_REQUEST, 1004, "DNS Validation Error").because(code, message)
}

/// Lays what was sent over a record, and checks it.
fn written(zone: &Zone, mut record: Record, sent: &Value) -> Result<Record, Error> {
    let text = |name: &str| sent[name].as_str().map(str::to_owned);
    if let Some(form) = text("type") {
        record.form = form;
    }
    if let Some(name) = text("name") {
        record.name = complete(&name, &zone.name);
    }
    if let Some(content) = text("content") {
        record.content = content.trim_end_matches('.').to_lowercase();
    }
    if let Some(proxied) = sent["proxied"].as_bool() {
        record.proxied = proxied;
    }
    if let Some(ttl) = sent["ttl"].as_f64() {
        record.ttl = ttl as u64;
    }
    if let Some(comment) = text("comment") {
        record.comment = Some(comment).filter(|comment| !comment.is_empty());
    }
    if let Some(tags) = sent["tags"].as_array() {
        record.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if record.name.is_empty() {
        return Err(invalid(9000, "DNS name is invalid."));
    }
    match record.form.as_str() {
        "A" | "AAAA" => {
            let address = record.content.parse::<std::net::IpAddr>().ok();
            let fits = address.is_some_and(|address| address.is_ipv4() == (record.form == "A"));
            if !fits {
                let text = format!("Content for {} record must be a valid address.", record.form);
                return Err(invalid(9005, &text));
            }
        }
        "CNAME" if record.content.is_empty() || record.content == record.name => {
            return Err(invalid(9007, "Content for CNAME record is invalid."));
        }
        "CNAME" | "TXT" | "MX" | "NS" | "CAA" | "SRV" => {}
        _ => return Err(invalid(9004, "DNS record type is invalid.")),
    }
    let proxiable = matches!(record.form.as_str(), "A" | "AAAA" | "CNAME");
    if record.proxied && !proxiable {
        return Err(error(StatusCode::BAD_REQUEST, 9004, "This record type cannot be proxied."));
    }
    if record.ttl != 1 && !(60..=86400).contains(&record.ttl) {
        return Err(invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1."));
    }
    if record.proxied {
        record.ttl = 1;
    }
    if record.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT) {
        return Err(invalid(9208, "The comment is longer than this plan allows."));
    }
    Ok(record)
}

/// A name outside the zone is taken as one below it, as the API does.
fn complete(name: &str, zone: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    match name == "@" || name == zone {
        true => zone.to_owned(),
        false if name.is_empty() => name,
        false if name.ends_with(&format!(".{zone}")) => name,
        false => format!("{name}.{zone}"),
    }
}

/// Refuses what cannot stand beside the zone's other records.
fn admit(zone: &Zone, record: &Record) -> Result<(), Error> {
    let host = |form: &str| matches!(form, "A" | "AAAA" | "CNAME");
    let refused = |code, text: &str| Err(error(StatusCode::BAD_REQUEST, code, text));
    let others =
        zone.records.values().filter(|other| other.id != record.id && other.name == record.name);
    for other in others {
        if other.form == record.form && other.content == record.content {
            return refused(81058, "An identical record already exists.");
        }
        if record.form == "CNAME" && host(&other.form) {
            return refused(81053, "An A, AAAA, or CNAME record with that host already exists.");
        }
        if other.form == "CNAME" && host(&record.form) {
            return refused(81054, "A CNAME record with that host already exists.");
        }
    }
    Ok(())
}

fn shown(record: &Record) -> Value {
    json!({
        "id": record.id,
        "name": record.name,
        "type": record.form,
        "content": record.content,
        "proxiable": matches!(record.form.as_str(), "A" | "AAAA" | "CNAME"),
        "proxied": record.proxied,
        "ttl": record.ttl,
        "settings": {},
        "meta": {},
        "comment": record.comment,
        "tags": record.tags,
        "created_on": record.created.to_string(),
        "modified_on": record.modified.to_string(),
    })
}
