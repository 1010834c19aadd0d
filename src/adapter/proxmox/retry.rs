//! How patient reads are, and who hears of it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often reads are tried, and how long is waited between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// In all; at least 1.
    pub attempts: u32,
    /// Before the second try; doubled each time, less a random part of up to a half.
    pub first_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first_delay: Duration::from_millis(500) }
    }
}

impl RetryPolicy {
    pub(super) fn delay(self, tried: u32) -> Duration {
        let whole = self.first_delay * 2_u32.pow((tried - 1).min(5));
        whole.mul_f64(1.0 - rand::random::<f64>() / 2.0)
    }
}

/// A read is about to be sent again.
#[derive(Clone, Debug)]
pub struct Retry {
    pub endpoint: String,
    /// Why the last try failed.
    pub error: String,
    /// The try that comes next, from 2.
    pub attempt: u32,
    pub attempts: u32,
    pub pause: Duration,
}

/// Who hears of retries. Many reads wait for one server at once: of what they say together, one is told.
#[derive(Clone, Default)]
pub(super) struct Notices(Option<Arc<Listener>>);

struct Listener {
    notice: Box<dyn Fn(Retry) + Send + Sync>,
    quiet_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for Notices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Notices")
    }
}

impl Notices {
    pub(super) fn to(notice: impl Fn(Retry) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Listener { notice: Box::new(notice), quiet_until: Mutex::default() })))
    }

    /// Tells a retry, unless one that waits just now was told already.
    pub(super) fn tell(&self, retry: Retry) {
        let Some(listener) = &self.0 else { return };
        let now = Instant::now();
        let mut quiet_until = listener.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet_until.is_some_and(|end| now < end) {
            return;
        }
        *quiet_until = Some(now + retry.pause);
        drop(quiet_until);
        (listener.notice)(retry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_keep_at_least_a_half() {
        let policy = RetryPolicy { attempts: 5, first_delay: Duration::from_secs(1) };
        for (tried, whole) in [(1, 1.0), (2, 2.0), (3, 4.0)] {
            let delay = policy.delay(tried).as_secs_f64();
            assert!((whole / 2.0..=whole).contains(&delay), "{delay}");
        }
    }

    #[test]
    fn reads_that_wait_together_are_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let notices = {
            let told = told.clone();
            Notices::to(move |retry| told.lock().unwrap().push(retry.attempt))
        };
        let retry = |attempt| Retry {
            endpoint: "https://pve:8006".into(),
            error: "refused".into(),
            attempt,
            attempts: 5,
            pause: Duration::from_secs(60),
        };
        notices.tell(retry(2));
        notices.tell(retry(2));
        notices.tell(retry(3));
        assert_eq!(*told.lock().unwrap(), [2]);
    }
}
