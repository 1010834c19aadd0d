//! The secrets that this process holds, by their value.
//!
//! What others say may repeat a secret that was given to them, and most secrets have no form: the secret
//! of a Proxmox token is a bare UUID, a password is anything. So each [`Secret`](super::Secret) is noted
//! here when it comes to be, and what is shown is searched for all of them at once, in a few passes.
//!
//! A secret of fewer than [`SHORTEST`] characters is not noted: it would be found within words that have
//! nothing to do with it, and a text full of holes both tells nothing and gives the secret away.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::prelude::*;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A secret that is shorter is not looked for.
const SHORTEST: usize = 8;
/// Of a secret of several lines, a line that is shorter is not: most are those of a key, all but its last
/// have 64 or more.
const SHORTEST_LINE: usize = 16;
/// What stays as it is where a URL is written.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Never dropped, since what was sent may come back as long as the process lives.
static KNOWN: RwLock<Known> = RwLock::new(Known::new());

/// Without `Debug`, which would print them.
struct Known {
    values: BTreeSet<Arc<str>>,
    /// What no search looks for yet: they are made when they are first needed.
    fresh: Vec<Arc<str>>,
    /// The largest first; each is larger than the next.
    searches: Vec<Search>,
}

/// Looks for some of the values.
struct Search {
    values: Vec<Arc<str>>,
    /// Quick to build and small; it fails for gigabytes of secrets alone.
    automaton: Option<Arc<AhoCorasick>>,
}

impl Known {
    const fn new() -> Self {
        Self { values: BTreeSet::new(), fresh: Vec::new(), searches: Vec::new() }
    }

    fn add(&mut self, value: String) {
        let value = Arc::<str>::from(value);
        if self.values.insert(value.clone()) {
            self.fresh.push(value);
        }
    }

    /// Looks for fresh values, too. Each machine brings a key, and its lines in several forms: one search
    /// made anew for all of them each time would take its time squared. So those come together that are of
    /// a size: few searches, and each value put into few of them over time.
    fn catch_up(&mut self) {
        let mut values = std::mem::take(&mut self.fresh);
        if values.is_empty() {
            return;
        }
        while let Some(last) = self.searches.pop_if(|last| last.values.len() <= values.len()) {
            values.extend(last.values);
        }
        let mut builder = AhoCorasick::builder();
        builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = builder.build(values.iter().map(|value| value.as_bytes())).ok();
        self.searches.push(Search { values, automaton: automaton.map(Arc::new) });
    }

    fn automata(&self) -> Vec<Arc<AhoCorasick>> {
        self.searches.iter().filter_map(|search| search.automaton.clone()).collect()
    }
}

/// Notes a secret in each form in which it may come back.
pub(super) fn note(secret: &str) {
    let forms: Vec<String> = values(secret.trim()).into_iter().flat_map(forms).collect();
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    forms.into_iter().for_each(|form| known.add(form));
}

/// Where secrets stand in a text, from left to right; those that overlap are one.
pub(crate) fn places(text: &str) -> Vec<Range<usize>> {
    if text.len() < SHORTEST {
        return Vec::new();
    }
    within(&searches(), text)
}

fn within(searches: &[Arc<AhoCorasick>], text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = searches
        .iter()
        .flat_map(|search| search.find_overlapping_iter(text).map(|found| found.range()))
        .collect();
    // By their ends, so that a later one may begin before an earlier one.
    found.sort_by_key(|found| found.end);
    let mut places: Vec<Range<usize>> = Vec::new();
    for found in found {
        let mut start = found.start;
        while let Some(before) = places.pop_if(|before| before.end > start) {
            start = start.min(before.start);
        }
        places.push(start..found.end);
    }
    places
}

fn searches() -> Vec<Arc<AhoCorasick>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if known.fresh.is_empty() {
        return known.automata();
    }
    drop(known);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.catch_up();
    known.automata()
}

/// What of a secret may come back alone.
fn values(secret: &str) -> Vec<&str> {
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim);
        // Headers and comments say what it is.
        let told = |line: &str| line.starts_with("-----") || line.starts_with('#');
        return lines.filter(|line| line.len() >= SHORTEST_LINE && !told(line)).collect();
    }
    let parts = match proxmox_secret(secret) {
        // The token's name is no secret, and messages are of use by it.
        Some(part) => vec![part],
        None => vec![secret, join_password(secret).unwrap_or_default()],
    };
    let mark = super::REDACTED;
    parts.into_iter().filter(|part| part.len() >= SHORTEST && !mark.contains(part)).collect()
}

/// The secret of `user@realm!name=secret`.
fn proxmox_secret(secret: &str) -> Option<&str> {
    let (_, rest) = secret.split_once('@')?;
    let (_, rest) = rest.split_once('!')?;
    rest.split_once('=').map(|(_, secret)| secret)
}

/// The password of `K10<hash>::user:password`, a token of k3s.
fn join_password(secret: &str) -> Option<&str> {
    let (_, rest) = secret.strip_prefix("K10")?.split_once("::")?;
    rest.split_once(':').map(|(_, password)| password)
}

/// A value plain, as in JSON, as in a URL, and in base64.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let quoted = serde_json::Value::from(value).to_string();
    forms.push(quoted[1..quoted.len() - 1].to_owned());
    let encoded = utf8_percent_encode(value, ENCODED).to_string();
    forms.extend([lower_case_escapes(&encoded), encoded]);
    for behind in 0..3 {
        forms.extend([BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD].map(|engine| {
            // Without the characters that hold bits of what stands around it.
            let encoded = engine.encode([&[0; 2][..behind], value.as_bytes()].concat());
            let whole = (behind + value.len()) * 8 / 6;
            encoded[(behind * 8).div_ceil(6)..whole].to_owned()
        }));
    }
    forms
}

/// `%2f` for `%2F`.
fn lower_case_escapes(encoded: &str) -> String {
    let (first, escaped) = encoded.split_once('%').unwrap_or((encoded, ""));
    let escaped = escaped.split('%').filter(|part| !part.is_empty());
    let lower = escaped.map(|part| format!("%{}{}", part[..2].to_ascii_lowercase(), &part[2..]));
    first.to_owned() + &lower.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the keys of many machines come, with something to be shown after each.
    #[test]
    fn each_of_many_values_is_found_and_put_into_few_searches() {
        let mut known = Known::new();
        let mut built = 0;
        for number in 0..1000 {
            known.add(format!("value-{number:04}"));
            known.catch_up();
            built += known.searches.last().unwrap().values.len();
        }
        assert!(built <= 1000 * 10, "{built} values were put into a search");
        assert!(known.searches.len() <= 10, "{} searches", known.searches.len());
        let text = "value-0000 and value-0999value-0500, not value-1000";
        assert_eq!(within(&known.automata(), text), [0..10, 15..25, 25..35]);
    }
}
