//! Values that stand behind a name that says what they are: `password=...`, `"token": "..."`.
//!
//! * Behind `=` a value is redacted whatever it is: no sentence goes on so.
//! * Behind `:` it is redacted where name or value is quoted, as in JSON and YAML. A bare word is redacted
//!   when it is none of a sentence ([`word::is_plain`]) and ends what is said: a blank and a further word
//!   behind it make it one of a sentence, unless it was made up beyond doubt ([`word::is_random`]).
//! * Behind `--name` and a blank, and behind `Bearer` and `Basic`, it is redacted when it is no word of a
//!   sentence.
//!
//! What says where a secret is stays: `{env: NAME}`, a path, a variable, an example. So `token: expired`,
//! `password: is missing` and `--token takes a file` can be read.

use std::{borrow::Cow, ops::Range};

use super::{
    REDACTED, is_reference,
    label::Label,
    run::{Value, mark_length, secret_length, value},
    word::{is_plain, is_random, is_redacted_token, stands_for_another},
};

/// How a header of HTTP says of which kind its secret is.
const SCHEMES: &[&str] = &["bearer ", "basic ", "token ", "digest "];
/// A shorter word behind one of those may be one of a sentence: `Basic IPv4`.
const SHORTEST_CREDENTIAL: usize = 6;
/// How much behind a name is looked at before it is known that something is to be redacted: a text of
/// nothing but names is not read over and over.
const WINDOW: usize = 256;

/// The text with the values redacted whose names are those of secrets.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(mark) = text[at..].find([':', '=', '%', ' ']).map(|mark| at + mark) {
        let equals = mark_length(&text[mark..], '=', "%3d");
        let behind = mark + equals.unwrap_or(1);
        let (before, after) = (&text[..mark], &text[behind..]);
        let found = match text.as_bytes()[mark] {
            b':' => behind_colon(before, after),
            b' ' => behind_blank(before, after),
            _ => equals.and_then(|_| behind_equals(before, after)),
        };
        at = behind;
        if let Some(found) = found {
            shown.push_str(&text[copied..behind + found.start]);
            shown.push_str(REDACTED);
            (copied, at) = (behind + found.end, behind + found.end);
        }
    }
    if copied == 0 {
        return text.into();
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

/// Where a secret stands in the text behind `=`.
fn behind_equals(before: &str, after: &str) -> Option<Range<usize>> {
    let name = Label::before(before.strip_suffix(':').unwrap_or(before));
    // `==` and `=>` too.
    let signs = after.bytes().take(2).take_while(|byte| b"=>".contains(byte)).count();
    if name.is_authorization() {
        return behind_authorization(&name, &after[signs..], signs);
    }
    if !name.is_of_a_secret() {
        return None;
    }
    let found = Found::behind(after, signs);
    if let Some(tail) = found.rest.strip_prefix(REDACTED) {
        // What another rule left of a value that it took for its own.
        let joined = tail.starts_with(|c: char| c.is_alphanumeric() || "+=_-".contains(c));
        let length = if joined { secret_length(tail, "&;") } else { 0 };
        return (length > 0).then_some(found.from..found.from + REDACTED.len() + length);
    }
    // `password= is empty`, but `password = x` and `password= "x"`.
    let is_sentence = found.from > signs && !name.is_apart && found.value.quote.is_none();
    let is_closed = name.is_closed_by(found.value.quote)
        && !found.word().starts_with(|c: char| c.is_alphanumeric());
    let is_secret = !is_closed && (!is_sentence || found.is_said());
    found.place_if(is_secret)
}

/// Where a secret stands in the text behind `:`.
fn behind_colon(before: &str, after: &str) -> Option<Range<usize>> {
    let name = Label::before(before);
    if name.is_authorization() {
        return behind_authorization(&name, after, 0);
    }
    if !name.is_of_a_secret() || after.starts_with([':', '=']) || after.starts_with("//") {
        return None;
    }
    let found = Found::behind(after, 0);
    // `registry/secret:v1` is an image.
    let is_tag = found.from == 0 && name.follows(['/', '@']);
    if is_tag || found.rest.starts_with('{') {
        return None;
    }
    let word = found.word();
    let is_secret = match found.value.quote {
        Some('"' | '\'') if name.is_quoted && !name.is_ambiguous() => true,
        Some('"' | '\'') => word.contains(' ') || !is_plain(word),
        Some(_) => !word.contains(' ') && !is_plain(word),
        None => found.is_said(),
    };
    found.place_if(is_secret)
}

/// Where a secret stands behind `--name` and a blank, or behind `Bearer` and `Basic`.
fn behind_blank(before: &str, after: &str) -> Option<Range<usize>> {
    // Of many blanks the first alone.
    let name =
        Some(before).filter(|before| !before.ends_with([' ', '\t', '"', '\'', '`', '\\', ']']));
    let name = Label::before(name?);
    let is_scheme = ["bearer", "basic"].iter().any(|scheme| name.text.eq_ignore_ascii_case(scheme));
    let is_option = name.text.starts_with("--") && name.is_of_a_secret();
    if !is_scheme && !is_option {
        return None;
    }
    let found = Found::behind(after, 0);
    let word = found.word();
    let is_short = is_scheme && word.len() < SHORTEST_CREDENTIAL;
    found.place_if(!is_short && !found.rest.starts_with(['-', '=', ':']) && !is_plain(word))
}

/// Where the secret stands behind `Authorization:`, with its kind in front or without.
fn behind_authorization(name: &Label<'_>, after: &str, skipped: usize) -> Option<Range<usize>> {
    let after = &after[skipped.min(after.len())..];
    let whole = Found::behind(after, 0);
    let start = whole.from + whole.value.place.start;
    let scheme = SCHEMES.iter().find(|scheme| {
        let begin = after.as_bytes().get(start..start + scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let is_quoted = whole.value.quote.is_some();
    let Some(scheme) = scheme else {
        let is_secret = is_quoted && name.is_quoted || whole.is_said();
        return whole.place_if(is_secret);
    };
    let found = Found::behind(after, start + scheme.len());
    let is_secret = is_quoted || found.ends() || !is_plain(found.word());
    found.place_if(is_secret)
}

/// What stands behind a mark.
struct Found<'a> {
    /// The text from the value on, what opens it included, and where it begins behind the mark.
    rest: &'a str,
    from: usize,
    /// How much of it was looked at, and what stands in that.
    window: &'a str,
    value: Value,
}

impl<'a> Found<'a> {
    /// Behind so much of a text, and the blanks there.
    fn behind(text: &'a str, skipped: usize) -> Self {
        let rest = text[skipped..].trim_start_matches([' ', '\t']);
        let window = &rest[..rest.floor_char_boundary(WINDOW)];
        Self { rest, from: text.len() - rest.len(), window, value: value(window) }
    }

    fn word(&self) -> &'a str {
        &self.window[self.value.place.clone()]
    }

    /// Where the whole of it stands, if it is a secret and nothing stands for it.
    fn place_if(&self, is_secret: bool) -> Option<Range<usize>> {
        let word = self.word();
        let stays = word.is_empty()
            || self.window[self.value.place.start..].starts_with(REDACTED)
            || is_reference(self.window)
            || stands_for_another(
                self.window.split(char::is_whitespace).next().unwrap_or_default(),
            )
            || stands_for_another(word)
            || is_redacted_token(word);
        let place = value(self.rest).place;
        (is_secret && !stays).then_some(self.from + place.start..self.from + place.end)
    }

    /// Whether a bare word is a secret rather than one of a sentence.
    fn is_said(&self) -> bool {
        is_random(self.word()) || !is_plain(self.word()) && self.ends()
    }

    /// Whether what is said ends with the word, or goes on with another name and value.
    fn ends(&self) -> bool {
        let behind = &self.window[self.value.place.end..];
        let next = behind.trim_start_matches([' ', '\t']);
        let word = next.split(char::is_whitespace).next().unwrap_or_default();
        !behind.starts_with([' ', '\t'])
            || !word.starts_with(char::is_alphanumeric)
            || word.contains('=')
            || word.ends_with(':')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_redacted_whose_name_is_that_of_a_secret() {
        for (text, shown) in [
            ("password=hunter", "password=[redacted]"),
            ("user=me password=hun;ter,2 x=y", "user=me password=[redacted] x=y"),
            ("password = hunter", "password = [redacted]"),
            ("password==hunter", "password==[redacted]"),
            ("token := \"a b\"", "token := \"[redacted]\""),
            ("password=\"ab\\\"cd ef\" x", "password=\"[redacted]\" x"),
            ("password=ab\"cd'ef x", "password=[redacted] x"),
            ("said password='hun ter'.", "said password='[redacted]'."),
            ("--api-token=hunter --x=y", "--api-token=[redacted] --x=y"),
            ("--password hunter2 x", "--password [redacted] x"),
            ("to ?token%3Dhunter2", "to ?token%3D[redacted]"),
            ("PVEAuthCookie=PVE:root@pam:65A:c2ln", "PVEAuthCookie=[redacted]"),
            ("Cookie: PVEAuthCookie=PVE:root@pam:65A:c2ln", "Cookie: [redacted]"),
            ("CSRFPreventionToken: 65A0F0F0:c2ln", "CSRFPreventionToken: [redacted]"),
            ("{\"password\":\"hunter\"}", "{\"password\":\"[redacted]\"}"),
            ("{\"Password\" : \"hun ter\", \"a\": 1}", "{\"Password\" : \"[redacted]\", \"a\": 1}"),
            ("{\\\"password\\\":\\\"hun\\\\\\\"ter\\\",", "{\\\"password\\\":\\\"[redacted]\\\","),
            ("{'api_key': 'hunter'}", "{'api_key': '[redacted]'}"),
            ("{password: hunter2, user: me}", "{password: [redacted], user: me}"),
            ("password: hunter2", "password: [redacted]"),
            ("token: hunter2; x", "token: [redacted]; x"),
            ("invalid token: hunter2: not found", "invalid token: [redacted]: not found"),
            ("token: hunter2 user: me", "token: [redacted] user: me"),
            ("password: \"hun ter\"\nx", "password: \"[redacted]\"\nx"),
            (
                "secret: c77a308d-1d4a-48cd-ad3a-e603371d0a40 is no token",
                "secret: [redacted] is no token",
            ),
            ("Authorization: Bearer hunter", "Authorization: Bearer [redacted]"),
            ("authorization: Basic aHVudGVy x", "authorization: Basic [redacted] x"),
            ("{\"Authorization\":\"Bearer hunter\"}", "{\"Authorization\":\"Bearer [redacted]\"}"),
            ("Authorization: hunter2", "Authorization: [redacted]"),
            ("sent Bearer hunTer2 to it", "sent Bearer [redacted] to it"),
        ] {
            assert_eq!(redacted(text), shown);
            assert_eq!(redacted(shown), shown);
        }
    }

    #[test]
    fn sentences_and_what_says_where_a_secret_is_stay() {
        for text in [
            "the token: it has no privilege",
            "password: is missing",
            "token: expired",
            "token: k3s2 is what it says",
            "token: {env: PROXMOX_TOKEN}",
            "token={env: PROXMOX_TOKEN}",
            "{\"token\": {\"env\": \"PROXMOX_TOKEN\"}}",
            "secret_file: /path/a1",
            "token: ~/Keys/1",
            "proxmox.token: the environment variable X1 is not set",
            "proxmox.token: root@pam!up2",
            "give `token=` or `password=`, not both",
            "password= is empty",
            "export TOKEN='homelab@pve!up=SECRET' (is it?)",
            "PVEAPIToken=root@pam!up=[redacted].",
            "export TOKEN=$(pass show x1)",
            "--token <API_TOKEN> is missing",
            "--token takes a file",
            "token_id=up2",
            "ghcr.io/x/external-secrets:v0.9.1",
            "tokens: 3, secrets: 12",
            "Basic IPv4, and the bearer of it",
            "https://pve/?token=[redacted]&x",
            "host key: SHA256:aB3 ssh-ed25519 AAAA",
            "a != b, c == d",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
