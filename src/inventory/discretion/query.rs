//! What is behind the `?` or `#` of a URL: a signed address is a secret.

use std::{borrow::Cow, ops::Range};

use super::{
    REDACTED,
    run::{ends_a_word, opening_length, secret_length},
    word::is_random,
};

/// What parts the parameters of a query or fragment.
const PARTS: &str = "&;?#";
/// A value without a name that is as long and has a digit in it is a secret.
const LONG: usize = 16;

/// The text with the values in the queries and fragments of its URLs redacted.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = text[at..].find("://").map(|start| at + start + 3) {
        let ends = |c: char| ends_a_word(c) && c != '\'' || "?#".contains(c);
        at = text[start..].find(ends).map_or(text.len(), |length| start + length);
        // A name and its value at a time.
        while text[at..].starts_with(|c| PARTS.contains(c)) {
            let secret = parameter(&text[at..]);
            let (begin, end) = (at + secret.start, at + secret.end);
            at = end;
            if begin == end {
                continue;
            }
            if !text[begin..].starts_with(REDACTED) {
                shown.push_str(&text[copied..begin]);
                shown.push_str(REDACTED);
                copied = end;
            }
            // What closes the value may stand before the next part.
            let rest = text[at..].find(|c| ends_a_word(c) || PARTS.contains(c));
            at = rest.map_or(text.len(), |rest| at + rest);
        }
    }
    if copied == 0 {
        return text.into();
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

/// Where the secret stands in a parameter, in a text that begins with what parts it from others; where there
/// is none, an empty place at its end.
fn parameter(text: &str) -> Range<usize> {
    let end = text[1..].find(|c| c == '=' || ends_a_word(c) || PARTS.contains(c));
    let end = end.map_or(text.len(), |end| 1 + end);
    let name = &text[1..end];
    // In a fragment most are none: `#v1:0:=qemu%2F102:4` says what Proxmox's page shows.
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.%[]".contains(c);
    let is_of_a_fragment = text.starts_with('#') && (name.is_empty() || !name.chars().all(is_name));
    if text[end..].starts_with('=') && !is_of_a_fragment {
        let begin = end + 1 + opening_length(&text[end + 1..]);
        let known = text[begin..].starts_with(REDACTED);
        let length = if known { REDACTED.len() } else { secret_length(&text[begin..], PARTS) };
        return begin..begin + length;
    }
    // A value without a name.
    let length = 1 + secret_length(name, "");
    if !text[end..].starts_with('=') && is_long(&text[1..length]) {
        return 1..length;
    }
    end..end
}

/// Whether a word is a secret by its length and its digits.
fn is_long(word: &str) -> bool {
    is_random(word) || word.len() >= LONG && word.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_query_are_redacted_and_the_names_stay() {
        for (text, shown) in [
            ("https://pve:8006/?token=hunter2&x", "https://pve:8006/?token=[redacted]&x"),
            ("https://a?b=c;d=e&f=", "https://a?b=[redacted];d=[redacted]&f="),
            ("https://a/b#access_token=c&d=e", "https://a/b#access_token=[redacted]&d=[redacted]"),
            ("https://a/#/b?c=d", "https://a/#/b?c=[redacted]"),
            ("('https://a?b=c'), d=e", "('https://a?b=[redacted]'), d=e"),
            ("https://a?b=\"c\" d", "https://a?b=\"[redacted]\" d"),
            ("https://a?b=\u{1b}[1mc\u{1b}[0m d", "https://a?b=\u{1b}[1m[redacted]\u{1b}[0m d"),
            ("https://a'b?c=d", "https://a'b?c=[redacted]"),
            ("https://a?b=c), https://d?e=f.", "https://a?b=[redacted]), https://d?e=[redacted]."),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn addresses_without_values_stay() {
        for text in ["https://a/b#section: c=d", "https://a/b?c", "is it? a=b", "https://a? b=c"] {
            assert_eq!(redacted(text), text);
        }
    }
}
