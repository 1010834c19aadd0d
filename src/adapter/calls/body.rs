//! What somebody answers, of which never more is taken than makes sense, and less is repeated.

use std::fmt;

/// An answer that is longer is none of those that are asked for.
pub(in crate::adapter) const LONGEST: usize = 4 << 20;
/// How much of a foreign text a message repeats.
const TOLD: usize = 200;

/// Why an answer's body is none.
#[derive(Debug)]
pub(in crate::adapter) enum Unread {
    /// It broke off.
    Lost(reqwest::Error),
    TooLong,
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(error) => formatter.write_str(&super::innermost(error)),
            Self::TooLong => write!(formatter, "it is longer than {} MiB", LONGEST >> 20),
        }
    }
}

/// The body as it comes, up to the limit.
pub(in crate::adapter) async fn body(mut answer: reqwest::Response) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    while let Some(part) =
        answer.chunk().await.map_err(|error| Unread::Lost(error.without_url()))?
    {
        if bytes.len() + part.len() > LONGEST {
            return Err(Unread::TooLong);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The beginning of a foreign text, in one line.
pub(in crate::adapter) fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.trim().chars().take(TOLD).map(plain).collect();
    if text.trim().chars().nth(TOLD).is_some() {
        shown.push('…');
    }
    shown
}
