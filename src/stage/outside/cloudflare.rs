//! What Cloudflare's edge answers itself instead of handing a request on: which error it is, and what usually
//! lies behind it.
//!
//! Its documentation ("Troubleshooting Cloudflare 1xxx errors", "... 5xx errors") has the numbers. A 1xxx error
//! comes with a status of 4xx or 5xx that says little (409 for 1001), and tells its number in the body alone: as
//! `error code: 1001`, as a page of HTML, or as JSON.

use super::TUNNEL;

/// Where a record must lead.
const RECORD: &str = "its record at Cloudflare must be proxied and lead to the tunnel: `homelab plan` shows \
                      whether it does, where the inventory names Cloudflare's API";
const FIREWALL: &str = "Cloudflare's dashboard, Security, Events, shows which rule it was";
/// Only Cloudflare's own pages have these words; an app behind it may speak of Cloudflare, too.
const OWN_PAGE: [&str; 6] = [
    "Cloudflare Ray ID",
    "cf-error-",
    "| Cloudflare</title>",
    "<title>Just a moment...</title>",
    "<center>cloudflare</center>",
    "\"cloudflare_error\":true",
];

/// What the edge says itself and what to try; `None` where somebody behind it answered.
pub(super) fn fault(status: u16, body: &str) -> Option<(String, String)> {
    if status < 400 {
        return None;
    }
    let own = OWN_PAGE.iter().any(|words| body.contains(words));
    let told = match code(body, own) {
        Some(code @ 1000..=1999) => of_code(code),
        _ => of_status(status, own, body)?,
    };
    Some((told.0, told.1.to_owned()))
}

/// The number in a body.
fn code(body: &str, own: bool) -> Option<u16> {
    // All of a short answer: an app's page may quote such words.
    if let Some(number) = body.trim().strip_prefix("error code: ") {
        return number.parse().ok();
    }
    if !own {
        return None;
    }
    let text = without_tags(body);
    ["Error code:", "\"error_code\":", "Error code", "Error"].iter().find_map(|before| {
        text.split(before).skip(1).find_map(|after| {
            let after = after.trim_start();
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            after[..digits].parse().ok().filter(|number| (1000..=1999).contains(number))
        })
    })
}

/// `<span>Error</span> <span>1001</span>` as `Error 1001`.
fn without_tags(page: &str) -> String {
    let mut within = false;
    page.chars()
        .filter_map(|c| match c {
            '<' => {
                within = true;
                Some(' ')
            }
            '>' if within => {
                within = false;
                None
            }
            _ if within => None,
            c => Some(c),
        })
        .collect()
}

fn of_code(code: u16) -> (String, &'static str) {
    match code {
        1033 => ("Cloudflare's edge finds no tunnel that is connected (1033)".into(), TUNNEL),
        1001 | 1004 | 1018 | 1023 => {
            let cause = format!(
                "Cloudflare does not know where it leads ({code}): its DNS record is gone or points elsewhere"
            );
            (cause, RECORD)
        }
        1016 => ("Cloudflare cannot resolve what its DNS record leads to (1016)".into(), RECORD),
        1000 | 1003 | 1014 | 1034 => {
            (format!("Cloudflare forbids what its DNS record leads to ({code})"), RECORD)
        }
        1006..=1012 | 1020 | 1106 => {
            (format!("a rule of Cloudflare's firewall stopped the request ({code})"), FIREWALL)
        }
        1015 => (
            "a limit of requests at Cloudflare stopped the request (1015)".into(),
            "wait, or look at the rate limiting rules in Cloudflare's dashboard, Security",
        ),
        1101..=1104 => (
            format!("a Worker at Cloudflare, before the tunnel, failed ({code})"),
            "Cloudflare's dashboard, Workers, shows its routes and logs",
        ),
        _ => (
            format!("Cloudflare's edge answered with an error of its own ({code})"),
            "Cloudflare's documentation, `Troubleshooting Cloudflare 1xxx errors`, says what it means",
        ),
    }
}

fn of_status(status: u16, own: bool, body: &str) -> Option<(String, &'static str)> {
    Some(match status {
        530 => ("Cloudflare's edge finds no tunnel that is connected (530)".into(), TUNNEL),
        // A tunnel is no address: the edge opens no connection and checks no certificate of its own there.
        521..=523 | 525 | 526 => (
            format!(
                "Cloudflare's edge cannot reach its origin ({status}): its DNS record probably leads to an \
                 address, not to the tunnel"
            ),
            RECORD,
        ),
        520 | 524 | 527 => {
            (format!("Cloudflare's edge cannot reach its origin ({status})"), TUNNEL)
        }
        502 | 504 if own => {
            (format!("the tunnel cannot reach Traefik ({status} of Cloudflare's edge)"), TUNNEL)
        }
        403 | 503 if body.contains("<title>Just a moment...</title>") => (
            format!("Cloudflare asks who comes to prove to be human ({status}): apps cannot"),
            FIREWALL,
        ),
        403 if own => {
            ("a rule of Cloudflare's firewall stopped the request (403)".into(), FIREWALL)
        }
        _ if own => (
            format!("Cloudflare's edge answered with an error of its own ({status})"),
            "https://www.cloudflarestatus.com says whether Cloudflare has a fault",
        ),
        _ => return None,
    })
}
