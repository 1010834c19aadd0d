//! The lease: which run may change the cluster now, told to operators that share no file system.
//!
//! It stands in a guest's description beside the marker, as an HTML comment of its own, and is written by
//! compare-and-swap on the configuration's digest. Its times are the Proxmox node's, never the
//! operator's: two operators' clocks may differ by more than a lease lasts.

/// How long a lease lasts that is not renewed.
pub const LEASE_SECONDS: i64 = 300;
/// How far the clocks of two Proxmox nodes may be apart, in seconds: either of them may be the one asked.
const CLOCK_SLACK: i64 = 60;

/// What a lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run's name.
    pub run: String,
    /// `user@host`, for people.
    pub holder: String,
    /// Process id and start: `4711@123456`.
    pub process: String,
    /// The machine, its boot and its process namespace: only there does `process` mean anything.
    pub place: String,
    /// Seconds since the epoch, on the Proxmox node's clock.
    pub since: i64,
    /// Until then it holds unless it is renewed.
    pub until: i64,
}

const OPENING: &str = "<!-- homelab-lease:v1 ";
const CLOSING: &str = " -->";

impl Lease {
    /// Finds the first lease in a description; `None` when there is none that is whole.
    pub fn find(description: &str) -> Option<Self> {
        Self::all(description).into_iter().next()
    }

    /// All that are whole: a person who copies notes may leave more than one.
    pub fn all(description: &str) -> Vec<Self> {
        places_in(description)
            .filter_map(|(start, end)| Self::read(&description[start..end]))
            .collect()
    }

    /// Reads one comment.
    fn read(comment: &str) -> Option<Self> {
        let fields = comment.strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
        let value = |name: &str| {
            fields
                .split_ascii_whitespace()
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            run: value("run")?.to_owned(),
            holder: value("holder")?.to_owned(),
            process: value("process")?.to_owned(),
            place: value("place")?.to_owned(),
            since: value("since")?.parse().ok()?,
            until: value("until")?.parse().ok()?,
        })
    }

    /// `description` with this lease in it, everything else kept.
    pub fn written_into(&self, description: &str) -> String {
        let rest = Self::removed_from(description);
        let separator = if rest.is_empty() { "" } else { "\n" };
        format!("{rest}{separator}{self}")
    }

    /// `description` without any lease.
    pub fn removed_from(description: &str) -> String {
        let mut rest = description.trim_end().to_owned();
        while let Some((start, end)) = { places_in(&rest).next() } {
            let (before, after) = (rest[..start].trim_end(), rest[end..].trim());
            let separator = if before.is_empty() || after.is_empty() { "" } else { "\n" };
            rest = format!("{before}{separator}{after}");
        }
        rest
    }

    /// How long it holds yet; below nothing where it is over. People write in notes, numbers of any size, too.
    pub const fn seconds_left(&self, now: i64) -> i64 {
        self.until.saturating_sub(now)
    }

    pub fn is_over(&self, now: i64) -> bool {
        now >= self.until
    }

    /// Whether its end lies further ahead than any lease lasts: the clock that wrote it was set back since.
    pub fn is_implausible(&self, now: i64) -> bool {
        self.seconds_left(now) > LEASE_SECONDS + CLOCK_SLACK
    }

    /// The process id, for people.
    pub fn pid(&self) -> &str {
        self.process.split('@').next().unwrap_or_default()
    }
}

/// Where the whole leases stand. One that was torn ends with its line or where the next comment begins,
/// whose end is not its own: the marker may be that comment.
fn places_in(description: &str) -> impl Iterator<Item = (usize, usize)> {
    description.match_indices(OPENING).filter_map(|(start, _)| {
        let inside = start + OPENING.len();
        let rest = description[inside..].split('\n').next()?;
        let rest = rest.split("<!--").next()?;
        Some((start, inside + rest.find(CLOSING)? + CLOSING.len()))
    })
}

/// A name as one word that can neither end the comment nor part its fields.
pub fn word(text: &str) -> String {
    let sound = |letter: &char| letter.is_ascii_alphanumeric() || "._@:".contains(*letter);
    let word: String =
        text.chars().map(|letter| if letter == '-' { '_' } else { letter }).filter(sound).collect();
    if word.is_empty() { "unknown".to_owned() } else { word }
}

impl std::fmt::Display for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { run, holder, process, place, since, until } = self;
        write!(
            formatter,
            "{OPENING}run={run} holder={holder} process={process} place={place} since={since} until={until}{CLOSING}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            run: "20261122T190000Z-4711".into(),
            holder: "ann@laptop".into(),
            process: "4711@99".into(),
            place: "0123abcd".into(),
            since: 1_000,
            until: 1_300,
        }
    }

    #[test]
    fn a_lease_reads_back_as_it_was_written_and_leaves_nothing_behind() {
        let marker = "notes\n<!-- homelab:v1 cluster=x -->";
        let written = lease().written_into(&format!("{marker}\n"));
        assert_eq!(Lease::find(&written), Some(lease()));
        assert!(written.starts_with(marker), "{written}");
        assert_eq!(Lease::removed_from(&written), marker);
        let renewed = Lease { until: 2_000, ..lease() };
        assert_eq!(Lease::find(&renewed.written_into(&written)), Some(renewed.clone()));
        assert_eq!(renewed.written_into(&written).matches("homelab-lease").count(), 1);
        assert_eq!(Lease::removed_from(&format!("{}\nafter", lease())), "after");
    }

    #[test]
    fn a_torn_lease_is_none() {
        for text in ["", "<!-- homelab-lease:v1 run=x", "<!-- homelab-lease:v1 run=x -->"] {
            assert_eq!(Lease::find(text), None, "{text}");
        }
    }

    #[test]
    fn a_torn_lease_takes_nothing_with_it() {
        let marker = "<!-- homelab:v1 cluster=x -->";
        for torn in ["<!-- homelab-lease:v1 run=x holder=y", "<!-- homelab-lease:v1 run=x "] {
            for between in ["\n", "", "\nprecious notes\n"] {
                let notes = format!("{torn}{between}{marker}\ntail");
                let written = lease().written_into(&notes);
                assert!(written.contains(marker) && written.contains("tail"), "{written}");
                assert!(written.contains(between.trim()), "{written}");
                assert_eq!(Lease::find(&written), Some(lease()), "{written}");
                assert_eq!(Lease::find(&Lease::removed_from(&written)), None);
            }
        }
    }

    #[test]
    fn each_of_several_leases_is_seen_and_all_make_room_for_a_new_one() {
        let marker = "<!-- homelab:v1 cluster=x -->";
        let dead = Lease { run: "dead".into(), ..lease() };
        let notes = format!("{dead} {marker}\n{}\n<!-- homelab-lease:v1 run=y -->tail", lease());
        assert_eq!(Lease::all(&notes), [dead, lease()]);
        let taken = Lease { run: "new".into(), ..lease() };
        let written = taken.written_into(&notes);
        assert_eq!(Lease::all(&written), [taken]);
        assert_eq!(Lease::removed_from(&written), format!("{marker}\ntail"));
    }

    #[test]
    fn one_that_would_last_longer_than_any_is_implausible() {
        assert!(!lease().is_implausible(1_000));
        assert!(!lease().is_implausible(940), "another node's clock");
        assert!(lease().is_implausible(900));
    }

    #[test]
    fn it_holds_until_its_end_and_not_longer() {
        assert!(!lease().is_over(1_299));
        assert!(lease().is_over(1_300));
    }

    #[test]
    fn a_name_cannot_end_the_comment() {
        assert_eq!(word("ann@my-laptop --> x"), "ann@my_laptop__x");
        assert_eq!(word("*"), "unknown");
    }
}
