//! Waiting from outside for a world to change.

use std::time::{Duration, Instant};

/// How often the world is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until a condition holds; `false` when it did not within `patience`.
///
/// Blocks: the commands that wait so have nothing else to do.
pub(crate) fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() >= patience {
            return false;
        }
        #[expect(clippy::disallowed_methods, reason = "this is what waiting on a condition is")]
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_condition_or_with_patience() {
        let mut looks = 0;
        assert!(until(Duration::from_secs(5), || {
            looks += 1;
            looks == 2
        }));
        assert!(!until(Duration::ZERO, || false));
    }
}
