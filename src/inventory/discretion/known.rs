//! Secrets that this process holds itself, which are known by their value whatever their form.

use std::borrow::Cow;

use super::{REDACTED, form, run::secret_length};
use crate::secret::known;

/// The text without what is a secret of this process.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    let places = known::places(text);
    if places.is_empty() {
        return text.into();
    }
    let mut shown = String::new();
    let mut copied = 0;
    for place in places {
        if place.end <= copied {
            continue;
        }
        let start = place.start.max(copied);
        shown.push_str(&text[copied..start]);
        shown.push_str(REDACTED);
        // One that has a form may be the beginning of another, which would have it no longer.
        let whole = form::redacted(&text[place.clone()]) == REDACTED;
        let more = if whole { secret_length(&text[place.end..], "") } else { 0 };
        copied = place.end + more;
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

#[cfg(test)]
mod tests {
    use crate::{
        inventory::discretion::{shown_line, shown_value, without_secrets},
        secret::Secret,
    };

    #[test]
    fn what_the_process_holds_is_redacted_by_its_value_wherever_others_repeat_it() {
        Secret::new("root@pam!up=6b1d3c52-95d3-4f0a-8c07-known00token");
        Secret::new(" Deploy/Tok\"en+of=1\n");
        Secret::new("K10ab::server:knownclusterpassword");
        for (text, shown) in [
            (
                "no such token 6b1d3c52-95d3-4f0a-8c07-known00token: denied",
                "no such token [redacted]: denied",
            ),
            ("root@pam!up is refused", "root@pam!up is refused"),
            (
                "user root@pam!up=6b1d3c52-95d3-4f0a-8c07-known00token",
                "user root@pam!up=[redacted]",
            ),
            ("said Deploy/Tok\"en+of=1.", "said [redacted]."),
            (r#"{"said": "Deploy/Tok\"en+of=1"}"#, r#"{"said": "[redacted]"}"#),
            ("to /Deploy%2FTok%22en%2Bof%3D1/x", "to /[redacted]/x"),
            ("to /Deploy%2fTok%22en%2bof%3d1/x", "to /[redacted]/x"),
            ("password knownclusterpassword is wrong", "password [redacted] is wrong"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
        assert_eq!(shown_line("note: it is knownclusterpassword"), None);
        assert_eq!(shown_value("knownclusterpassword"), "[redacted]");
    }

    #[test]
    fn what_the_process_holds_is_redacted_in_base64_behind_whatever_it_was_joined_to() {
        use base64::prelude::*;
        let secret = "known~secret~behind~a~name?>";
        Secret::new(secret);
        for before in ["", "a", "ab", "me:", "user:"] {
            for engine in [BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD] {
                let encoded = engine.encode(format!("{before}{secret}"));
                let shown = without_secrets(&format!("it said {encoded} to me"));
                let left = shown.replace("[redacted]", "");
                assert!(left.len() < "it said  to me".len() + 12, "{shown}");
            }
        }
    }

    #[test]
    fn each_line_of_a_private_key_is_known_and_what_is_said_of_it_is_not() {
        let line = "knownb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";
        Secret::new(format!(
            "# public key: known-public-half\n-----BEGIN OPENSSH PRIVATE KEY-----\n{line}\nknownshort\n"
        ));
        assert_eq!(without_secrets(&format!("bad line {line}")), "bad line [redacted]");
        for text in ["knownshort", "# public key: known-public-half", "-----BEGIN OPENSSH"] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn short_secrets_and_documents_are_not_known_by_their_value() {
        Secret::new("knownab");
        Secret::new("redacted");
        Secret::document("a known document of many words");
        for text in ["knownab", "[redacted] was redacted", "a known document of many words"] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn one_that_another_begins_with_gives_nothing_of_it_away() {
        Secret::new("tskey-known-1");
        assert_eq!(without_secrets("key tskey-known-12-x, y"), "key [redacted], y");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_of_either() {
        Secret::new("overlapping-first-middle");
        Secret::new("middle-second-overlapping");
        Secret::new("overlapping-first-middle-second-overlapping-longest");
        for (text, shown) in [
            ("x overlapping-first-middle-second-overlapping y", "x [redacted] y"),
            ("overlapping-first-middle-second-overlapping-longest", "[redacted]"),
            ("overlapping-first-middleoverlapping-first-middle", "[redacted][redacted]"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
