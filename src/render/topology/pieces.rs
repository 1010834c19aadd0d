//! A text with commands in backticks, piece by piece, so that a page can tell them apart from words.

use serde::Serialize;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) is_code: bool,
}

/// Words and commands in turn; a backtick that none closes is a letter like others.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
    {
        pieces.push(Piece { text: before, is_code: false });
        pieces.push(Piece { text: code, is_code: true });
        rest = after;
    }
    pieces.push(Piece { text: rest, is_code: false });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_backticks_is_a_command() {
        let told = |text| -> Vec<(&str, bool)> {
            pieces(text).into_iter().map(|piece| (piece.text, piece.is_code)).collect()
        };
        assert_eq!(
            told("next: `homelab up`; or `x`"),
            [("next: ", false), ("homelab up", true), ("; or ", false), ("x", true)]
        );
        assert_eq!(told("an open ` one"), [("an open ` one", false)]);
        assert_eq!(told(""), []);
    }
}
