//! What is behind the `?` or `#` of a URL: a signed address is a secret.

use std::borrow::Cow;

use super::{
    REDACTED,
    run::{ends_a_word, opening_length, secret_length},
};

/// What parts the parameters of a query or fragment.
const PARTS: &str = "&;?#";

/// The text with the values in the queries and fragments of its URLs redacted.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = text[at..].find("://").map(|start| at + start + 3) {
        let ends = |c: char| ends_a_word(c) && c != '\'' || "?#".contains(c);
        at = text[start..].find(ends).map_or(text.len(), |length| start + length);
        // A name and its value at a time.
        while let Some(value) = value_start(&text[at..]).map(|length| at + length) {
            let begin = value + opening_length(&text[value..]);
            let known = text[begin..].starts_with(REDACTED);
            let length = if known { REDACTED.len() } else { secret_length(&text[begin..], PARTS) };
            if length > 0 {
                shown.push_str(&text[copied..begin]);
                shown.push_str(REDACTED);
                copied = begin + length;
            }
            at = begin + length;
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

/// Where the next value begins in the rest of a query, behind its `=`.
fn value_start(text: &str) -> Option<usize> {
    if !text.starts_with(|c| PARTS.contains(c)) {
        return None;
    }
    let end = text.find(|c| c == '=' || ends_a_word(c))?;
    text[end..].starts_with('=').then_some(end + 1)
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
