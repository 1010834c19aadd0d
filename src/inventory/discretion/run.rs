//! How far a secret reaches in a text, and what may stand around it.

use std::ops::Range;

use super::REDACTED;

/// A value as it stands at the beginning of a text.
pub(super) struct Value {
    /// Empty where there is none.
    pub(super) place: Range<usize>,
    /// What it is quoted with, if it is.
    pub(super) quote: Option<char>,
}

/// What may stand between a name's `=` and its value.
const OPENERS: &str = "\"'`([{<\\";

/// What closes a sentence or a bracket around a secret, where nothing more of the secret follows.
const CLOSERS: &str = ")]},;.:!\\";

/// Whether a character ends every secret.
pub(super) fn ends_a_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>".contains(c)
}

/// How much at the beginning of a text is a secret, if all that stands here is one: up to a blank, a
/// quote, or one of `stops`. Colours in between belong to it, punctuation behind it does not.
pub(super) fn secret_length(text: &str, stops: &str) -> usize {
    let (mut at, mut end) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        if let Some(length) = colour_length(&text[at..]) {
            at += length;
            continue;
        }
        if ends_a_word(c) || stops.contains(c) {
            break;
        }
        at += c.len_utf8();
        if !CLOSERS.contains(c) {
            end = at;
        }
    }
    end
}

/// How much stands before a value: quotes, brackets, colours.
pub(super) fn opening_length(text: &str) -> usize {
    let mut at = 0;
    while !text[at..].starts_with(REDACTED) {
        at += match (colour_length(&text[at..]), text[at..].chars().next()) {
            (Some(length), _) => length,
            (None, Some(c)) if OPENERS.contains(c) => c.len_utf8(),
            _ => break,
        };
    }
    at
}

/// What stands at the beginning of a text: up to its closing quote, with quotes in it that are escaped,
/// or else up to the end of the word.
pub(super) fn value(text: &str) -> Value {
    let start = opening_length(text);
    let quote = text[..start].chars().next_back().filter(|c| "\"'`".contains(*c));
    if let Some(quote) = quote {
        let before = text[..start].trim_end_matches(quote);
        let closes =
            (start - before.len()).is_multiple_of(2) || closes_what_went_before(&text[start..]);
        let depth = before.len() - before.trim_end_matches('\\').len();
        let length = if closes { Some(0) } else { quoted_length(&text[start..], quote, depth) };
        if let Some(length) = length {
            return Value { place: start..start + length, quote: Some(quote) };
        }
    }
    Value { place: start..start + word_length(&text[start..]), quote }
}

/// Whether a quote in front of a text is a closing one: as in "give `a=` or `b=`."
fn closes_what_went_before(text: &str) -> bool {
    let rest = text.trim_start_matches(|c| CLOSERS.contains(c));
    rest.starts_with(char::is_whitespace) || rest.is_empty()
}

/// How much stands before the closing quote on this line; `depth` backslashes stand before the opening one.
fn quoted_length(text: &str, quote: char, depth: usize) -> Option<usize> {
    let mut backslashes = 0;
    for (at, c) in text.char_indices() {
        match c {
            '\\' => backslashes += 1,
            '\n' => return None,
            // Twice as many and one more escape a quote, and twice as many a backslash.
            c if c == quote && (backslashes < depth || backslashes % (2 * depth + 2) == depth) => {
                return Some(at - backslashes.min(depth));
            }
            _ => backslashes = 0,
        }
    }
    None
}

/// The length of a word that is a secret; a quote within it belongs to it.
fn word_length(text: &str) -> usize {
    let mut at = secret_length(text, "");
    loop {
        let quote = text[at..].trim_start_matches('\\');
        let Some(rest) = quote.strip_prefix(['"', '\'', '`']) else { return at };
        let more = secret_length(rest, "");
        if at == 0 || more == 0 || !rest.starts_with(char::is_alphanumeric) {
            return at;
        }
        at = text.len() - rest.len() + more;
    }
}

/// The length of an escape sequence such as `ESC [ 3 3 m` that a text begins with.
fn colour_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    // None is longer: a text of nothing but openings is not read over and over.
    let end = parameters.bytes().take(32).position(|byte| (0x40..=0x7e).contains(&byte))?;
    let is_parameter = |byte: u8| (0x20..=0x3f).contains(&byte);
    parameters.bytes().take(end).all(is_parameter).then_some(end + 3)
}

/// The length of a mark that a text begins with, plain or as in a URL: `@` or `%40`.
pub(super) fn mark_length(text: &str, plain: char, encoded: &str) -> Option<usize> {
    if text.starts_with(plain) {
        return Some(plain.len_utf8());
    }
    let found = text.get(..encoded.len())?.eq_ignore_ascii_case(encoded);
    found.then_some(encoded.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_with_its_word_and_before_what_closes_the_sentence() {
        for (text, length) in
            [("abc", 3), ("abc), d", 3), ("a(b;c' d", 5), ("...", 0), ("a\u{1b}[1mb\u{1b}[0m.", 6)]
        {
            assert_eq!(secret_length(text, ""), length, "{text:?}");
        }
        assert_eq!(secret_length("a;b&c", "&"), 3);
    }

    #[test]
    fn a_value_reaches_to_its_own_closing_quote_or_to_the_end_of_its_word() {
        for (text, found) in [
            ("abc def", "abc"),
            ("ab\"cd, e", "ab\"cd"),
            ("ab\", \"c", "ab"),
            ("\"ab cd\" e", "ab cd"),
            (r#""ab\"c d" e"#, r#"ab\"c d"#),
            (r#""ab\\" "e""#, r"ab\\"),
            (r#"\"ab\\\"c d\" e"#, r#"ab\\\"c d"#),
            ("'ab\"c d' e", "ab\"c d"),
            ("\"ab cd", "ab"),
            ("\"\" ab\"", ""),
            ("` or `ab`", ""),
            ("\"), ab\"", ""),
            ("\";ab\"", ";ab"),
        ] {
            assert_eq!(&text[value(text).place], found, "{text}");
        }
    }

    #[test]
    fn quotes_brackets_and_colours_stand_before_a_value() {
        for (text, length) in
            [("abc", 0), ("\"(x", 2), ("\u{1b}[1;33m'x", 8), ("[[redacted]]", 1), ("\u{1b}x", 0)]
        {
            assert_eq!(opening_length(text), length, "{text:?}");
        }
    }
}
