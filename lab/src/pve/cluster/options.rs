//! The datacenter's options.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::pve::{
    access::permission::{Permission, all_of},
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{
        Format, Parameter, boolean, format::split_list, formatted, integer, number, one_of,
        properties, property_string::PropertyString, string,
    },
    state::lock,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/cluster/options").permission(Permission::All).handler(read),
        Endpoint::put("/cluster/options")
            .protected()
            .permission(all_of("/", &["Sys.Modify"]))
            .parameters(settings())
            .parameters([formatted("pve-configid-list").optional().named("delete")])
            .handler(update),
    ]
}

/// Tags separated by semicolons.
const TAGS: &str = "(?:[a-zA-Z0-9_][a-zA-Z0-9_+.-]*;)*[a-zA-Z0-9_][a-zA-Z0-9_+.-]*";
/// Tags with a background colour, and a text colour if wanted, separated by semicolons.
const COLOURS: &str = "(?:[a-zA-Z0-9_][a-zA-Z0-9_+.-]*:[0-9a-fA-F]{6}(?::[0-9a-fA-F]{6})?;?)+";

fn keyboards() -> crate::pve::schema::Schema {
    one_of([
        "de", "de-ch", "da", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu",
        "is", "it", "ja", "lt", "mk", "nl", "no", "pl", "pt", "pt-br", "sv", "sl", "tr",
    ])
}

fn languages() -> crate::pve::schema::Schema {
    one_of([
        "ar", "ca", "da", "de", "en", "es", "eu", "fa", "fr", "hr", "he", "it", "ja", "ka", "kr",
        "nb", "nl", "nn", "pl", "pt_BR", "ru", "sl", "sv", "tr", "ukr", "zh_CN", "zh_TW",
    ])
}

fn traffic() -> PropertyString {
    PropertyString::new()
        .default_key("type", one_of(["secure", "insecure"]))
        .key("network", formatted("CIDR").optional())
}

fn bandwidth() -> PropertyString {
    ["clone", "default", "migration", "move", "restore"]
        .into_iter()
        .fold(PropertyString::new(), |keys, name| keys.key(name, number().minimum(0).optional()))
}

fn scheduling() -> PropertyString {
    const BALANCE: &str = "ha-auto-rebalance";
    let share = || number().minimum(0).maximum(100).requires(BALANCE).optional();
    PropertyString::new()
        .key("ha", one_of(["basic", "static", "dynamic"]).optional())
        .key("ha-rebalance-on-start", boolean().optional())
        .key(BALANCE, boolean().optional())
        .key("ha-auto-rebalance-hold-duration", number().minimum(0).requires(BALANCE).optional())
        .key("ha-auto-rebalance-margin", share())
        .key("ha-auto-rebalance-threshold", share())
        .key(
            "ha-auto-rebalance-method",
            one_of(["bruteforce", "topsis"]).requires(BALANCE).optional(),
        )
}

fn notifications() -> PropertyString {
    let when = || one_of(["always", "never"]).optional();
    PropertyString::new()
        .key("fencing", when())
        .key("package-updates", one_of(["auto", "always", "never"]).optional())
        .key("replication", when())
        .key("target-fencing", string().optional())
        .key("target-package-updates", string().optional())
        .key("target-replication", string().optional())
}

fn texts(names: &[&'static str]) -> PropertyString {
    names.iter().fold(PropertyString::new(), |keys, name| keys.key(name, string().optional()))
}

fn tag_style() -> PropertyString {
    PropertyString::new()
        .key("case-sensitive", boolean().optional())
        .key("color-map", string().pattern(COLOURS).optional())
        .key("ordering", one_of(["config", "alphabetical"]).optional())
        .key("shape", one_of(["full", "circle", "dense", "none"]).optional())
}

fn user_tags() -> PropertyString {
    PropertyString::new()
        .key("user-allow", one_of(["none", "list", "existing", "free"]).optional())
        .key("user-allow-list", string().pattern(TAGS).optional())
}

fn settings() -> Vec<Parameter> {
    let inline = |keys| properties(None, keys).optional();
    let policy = one_of(["freeze", "failover", "conditional", "migrate"]);
    vec![
        inline(bandwidth()).named("bwlimit"),
        string().max_length(65536).optional().named("consent-text"),
        one_of(["applet", "vv", "html5", "xtermjs"]).optional().named("console"),
        inline(scheduling()).named("crs"),
        string().max_length(65536).optional().named("description"),
        formatted("email-opt").optional().named("email_from"),
        one_of(["watchdog", "hardware", "both"]).optional().named("fencing"),
        inline(PropertyString::new().key("shutdown_policy", policy)).named("ha"),
        string().pattern("http://.*").optional().named("http_proxy"),
        keyboards().optional().named("keyboard"),
        languages().optional().named("language"),
        formatted("pve-node-location").optional().named("location"),
        formatted("mac-prefix").optional().named("mac_prefix"),
        integer().minimum(1).optional().named("max_workers"),
        inline(traffic()).named("migration"),
        boolean().optional().named("migration_unsecure"),
        inline(super::status::range_format()).named("next-id"),
        inline(notifications()).named("notify"),
        string().pattern(TAGS).optional().named("registered-tags"),
        inline(traffic()).named("replication"),
        inline(tag_style()).named("tag-style"),
        inline(texts(&["appid", "origin"])).named("u2f"),
        inline(user_tags()).named("user-tag-access"),
        inline(texts(&["id", "origin", "rp"]).key("allow-subdomains", boolean().optional()))
            .named("webauthn"),
    ]
}

/// Options that are lists of properties come back taken apart, except the bandwidth limits.
fn shown(name: &str, text: &str) -> Value {
    let parsed = settings()
        .into_iter()
        .find(|setting| setting.name == name && name != "bwlimit")
        .and_then(|setting| match setting.schema.format {
            Some(Format::Properties(_, keys)) => keys.parse(text, name).ok(),
            _ => None,
        });
    match parsed {
        Some(keys) => keys
            .into_iter()
            .map(|(key, value)| (key, Value::String(value)))
            .collect::<Map<_, _>>()
            .into(),
        None => text.into(),
    }
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let options = lock(&request.state.cluster.options).clone();
    let mut answer = json!({
        "keyboard": "en-us",
        "mac_prefix": "BC:24:11",
        "description": "",
        "allowed-tags": [],
    });
    let see_all = request.may("/", &["Sys.Audit"]);
    const FOR_ALL: &[&str] = &["console", "tag-style", "registered-tags", "user-tag-access"];
    for (name, text) in &options {
        if see_all || FOR_ALL.contains(&name.as_str()) {
            answer[name] = shown(name, text);
        }
    }
    Ok(answer)
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let mut options: IndexMap<String, String> = lock(&request.state.cluster.options).clone();
    for name in split_list(&request.text("delete").unwrap_or_default()) {
        options.shift_remove(name);
    }
    for setting in settings() {
        if let Some(text) = request.text(setting.name) {
            options.insert(setting.name.to_owned(), text);
        }
    }
    *lock(&request.state.cluster.options) = options;
    Ok(Value::Null)
}
