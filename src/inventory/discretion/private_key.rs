//! Private keys in PEM, whose lines are many.

use std::borrow::Cow;

use super::REDACTED;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// No label is longer.
const LABEL: usize = 64;

/// The text with private keys redacted; one without an end goes on to the end of the text.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = text[at..].find(BEGIN).map(|start| at + start) {
        at = start + BEGIN.len();
        let Some(length) = label(&text[at..]).filter(|label| label.contains("PRIVATE KEY")) else {
            continue;
        };
        at += length.len() + DASHES.len();
        at = match text[at..].find(END) {
            Some(end) => {
                let end = at + end + END.len();
                end + label(&text[end..]).map_or(0, |label| label.len() + DASHES.len())
            }
            None => text.len(),
        };
        shown.push_str(&text[copied..start]);
        shown.push_str(REDACTED);
        copied = at;
    }
    if copied == 0 {
        return text.into();
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

/// `RSA PRIVATE KEY`, of a text that goes on behind `-----BEGIN `.
fn label(text: &str) -> Option<&str> {
    let end = text.bytes().take(LABEL + DASHES.len()).collect::<Vec<_>>();
    let end = end.windows(DASHES.len()).position(|window| window == DASHES.as_bytes())?;
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_redacted_with_all_its_lines_and_a_certificate_is_not() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        for (text, shown) in [
            (
                "a -----BEGIN OPENSSH PRIVATE KEY-----\nhunter\n2\n-----END OPENSSH PRIVATE KEY-----\nb",
                "a [redacted]\nb",
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\\nhunter2\\n-----END RSA PRIV", "[redacted]RSA PRIV"),
            ("-----BEGIN PRIVATE KEY----- hunter2", "[redacted]"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nhunter2", "[redacted]"),
            (certificate, certificate),
            ("-----BEGIN ", "-----BEGIN "),
        ] {
            assert_eq!(redacted(text), shown);
        }
        let key = "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----";
        assert_eq!(
            redacted(&format!("{key}\n{certificate}\n{key}")),
            format!("[redacted]\n{certificate}\n[redacted]")
        );
    }
}
