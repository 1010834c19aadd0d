use super::*;

fn route(guarded: bool) -> Route {
    Route { hostname: "jellyfin.example.org".into(), service: String::new(), guarded }
}

fn answer(status: u16, location: &str, body: &str) -> Result<Answer, OutsideError> {
    let location = (!location.is_empty()).then(|| location.to_owned());
    Ok(Answer { status, location, body: body.into() })
}

fn cause(finding: Finding) -> String {
    finding.expect_err("it should not pass").0
}

#[test]
fn a_guarded_name_passes_only_when_authentik_asks_who_it_is() {
    let guarded = route(true);
    for place in [
        "https://auth.example.org/application/o/authorize/?client_id=x&state=y",
        "https://jellyfin.example.org/outpost.goauthentik.io/start?rd=https%3A%2F%2Fx",
        "/outpost.goauthentik.io/start?rd=x",
    ] {
        let seen = judge_public(&guarded, answer(302, place, "")).unwrap();
        assert!(!seen.contains("rd="), "a query may hold who knows what: {seen}");
    }
    let said = cause(judge_public(&guarded, answer(200, "", "<html>")));
    assert_eq!(said, "it answered 200 without asking Authentik who it is");
    let said = cause(judge_public(&guarded, answer(302, "/web/index.html", "")));
    assert_eq!(said, "it answered 302 without asking Authentik who it is");
    // A path that only has the words in it is no outpost.
    let sly = "https://example.org/web/?next=/outpost.goauthentik.io/";
    cause(judge_public(&guarded, answer(302, sly, "")));
}

#[test]
fn a_name_of_its_own_word_may_answer_as_it_likes_but_not_lead_back_to_http() {
    let open = route(false);
    for (status, location) in [(200, ""), (401, ""), (302, "/web/"), (302, "https://x.org/")] {
        judge_public(&open, answer(status, location, "")).unwrap();
    }
    let said = cause(judge_public(&open, answer(302, "http://jellyfin.example.org/web/", "")));
    assert!(said.contains("was not told that the request came by HTTPS"), "{said}");
}

#[test]
fn each_broken_link_of_the_public_path_is_told_apart() {
    let open = route(false);
    let told = [
        (530, "error code: 1033", "no tunnel that is connected"),
        (502, "<center>cloudflare</center>", "the tunnel cannot reach Traefik"),
        (522, "", "cannot reach its origin (522)"),
        (524, "", "cannot reach its origin (524)"),
        (404, "404 page not found\n", "Traefik has no way in"),
        (502, "Bad Gateway", "does not answer (502)"),
        (503, "no available server\n", "does not answer (503)"),
    ];
    for (status, body, expected) in told {
        let said = cause(judge_public(&open, answer(status, "", body)));
        assert!(said.contains(expected), "{status}: {said}");
    }
    // The app's own.
    judge_public(&open, answer(404, "", "<html>not here</html>")).unwrap();
    let unknown = OutsideError::Name { host: "jellyfin.example.org".into(), reason: "no".into() };
    assert!(cause(judge_public(&open, Err(unknown))).contains("is not known"));
}

/// As Cloudflare writes them: short for programs, a page for browsers.
#[test]
fn what_cloudflare_answers_itself_is_never_taken_for_the_app() {
    let page = |title: &str, code: u16| {
        format!(
            "<!DOCTYPE html>\n<html><head><title>{title} | x.org | Cloudflare</title></head><body>\
             <div id=\"cf-error-details\"><h1><span data-translate=\"error\">Error</span>\n <span>{code}</span>\
             </h1><span>Ray ID: 8f00 &bull;</span></div></body></html>"
        )
    };
    let json = r#"{"type":"x","status":403,"error_code":1020,"cloudflare_error":true}"#.to_owned();
    let short = |code: u16| format!("error code: {code}\n");
    let told = [
        (409, short(1001), "its DNS record is gone or points elsewhere", "must be proxied"),
        (409, page("DNS resolution error", 1001), "(1001)", "must be proxied"),
        (530, short(1016), "cannot resolve what its DNS record leads to (1016)", "must be proxied"),
        (530, page("Cloudflare Tunnel error", 1033), "no tunnel that is connected", "cloudflared"),
        (403, short(1020), "a rule of Cloudflare's firewall stopped the request (1020)", "Events"),
        (403, json, "a rule of Cloudflare's firewall stopped the request (1020)", "Events"),
        (403, page("Attention Required!", 0), "stopped the request (403)", "Events"),
        (403, "<title>Just a moment...</title>".into(), "prove to be human", "Events"),
        (429, short(1015), "a limit of requests", "rate limiting"),
        (500, short(1101), "a Worker at Cloudflare", "Workers"),
        (403, short(1999), "an error of its own (1999)", "1xxx"),
        (526, String::new(), "leads to an address, not to the tunnel", "must be proxied"),
        (502, page("502: Bad gateway", 502), "the tunnel cannot reach Traefik", "cloudflared"),
        (503, page("503", 503), "an error of its own (503)", "cloudflarestatus"),
    ];
    for guarded in [true, false] {
        for (status, body, cause, next) in &told {
            let judged = judge_public(&route(guarded), answer(*status, "", body)).unwrap_err();
            assert!(judged.0.contains(cause) && judged.1.contains(next), "{status}: {judged:?}");
        }
    }
    // The app's own words about Cloudflare.
    for (status, body) in [
        (200, "error code: 1001"),
        (404, "<p>What does Cloudflare's Error 1001 mean?</p>"),
        (409, "it failed with error code: 1001, says Cloudflare"),
    ] {
        judge_public(&route(false), answer(status, "", body)).unwrap();
    }
}

fn device(name: &str, hostname: &str, online: Option<bool>) -> Device {
    Device {
        id: "1".into(),
        node_id: String::new(),
        hostname: hostname.into(),
        name: name.into(),
        ipv4: Some([100, 64, 0, 9].into()),
        ipv6: None,
        tags: vec!["tag:k8s".into()],
        online,
        last_seen: None,
        key_expiry: None,
        ephemeral: false,
        auth_key: None,
    }
}

#[test]
fn a_private_name_leads_to_the_device_that_has_it_and_is_there() {
    let way = PrivateWay {
        device: "jellyfin".into(),
        hostname: "jellyfin.tail1234.ts.net".into(),
        ingress: "jellyfin",
    };
    let found = address(&way, &[device("jellyfin", "jellyfin", Some(true))]).unwrap();
    assert_eq!(found.to_string(), "100.64.0.9");
    let missing = |devices: &[Device]| address(&way, devices).unwrap_err().0;
    assert_eq!(missing(&[]), "no device of the tailnet is called jellyfin");
    assert!(missing(&[device("jellyfin-1", "jellyfin", None)]).contains("is called jellyfin-1"));
    let away = device("jellyfin", "jellyfin", Some(false));
    assert_eq!(missing(&[away]), "the device jellyfin is offline");
}

#[test]
fn a_private_name_is_red_when_nobody_or_a_proxy_without_its_app_answers() {
    let node = "k3s-server".parse::<NodeName>().unwrap();
    let way = PrivateWay {
        device: "longhorn".into(),
        hostname: "longhorn.tail1234.ts.net".into(),
        ingress: "longhorn-ui",
    };
    judge_private(&way, &node, answer(200, "", "")).unwrap();
    let (said, next) = judge_private(&way, &node, answer(502, "", "")).unwrap_err();
    assert!(said.contains("the app behind it does not (502)"), "{said}");
    assert!(next.contains("Ingress longhorn-ui-private"), "no command to run again: {next}");
    let silent = OutsideError::Connect { address: "100.64.0.9".into(), reason: "timeout".into() };
    let (said, next) = judge_private(&way, &node, Err(silent)).unwrap_err();
    assert_eq!(said, "asked from k3s-server: nobody answers at 100.64.0.9: timeout");
    assert!(next.contains("the nodes' tag reach the proxies'"), "{next}");
}
