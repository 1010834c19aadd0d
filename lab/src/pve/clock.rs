//! The emulator's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall-clock time, movable by tests, and the pace at which the real server's delays pass.
pub(crate) struct Clock {
    offset: AtomicI64,
    pace: f64,
}

impl Clock {
    /// `pace` scales every delay of the real server: 1.0 is the real thing, 0.1 ten times as fast.
    pub(crate) fn new(pace: f64) -> Self {
        Self { offset: AtomicI64::new(0), pace: pace.clamp(0.0, 1.0) }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        seconds + self.offset.load(Ordering::Relaxed)
    }

    /// Moves the clock by so many seconds: tickets age, tokens expire.
    pub(crate) fn advance(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::Relaxed);
    }

    /// How long a delay of the real server takes here.
    pub(crate) fn scaled(&self, real: Duration) -> Duration {
        real.mul_f64(self.pace)
    }

    /// How long the real server waits for something at most. Where no delay passes, nothing is waited for in
    /// vain: patience is real there, so that a slow computer is no fault of the world.
    pub(crate) fn patience(&self, real: Duration) -> Duration {
        if self.pace == 0.0 { real } else { self.scaled(real) }
    }

    /// Waits for what is no delay but work, and takes as long at every pace; no time where none
    /// passes.
    pub(crate) async fn work(&self, real: Duration) {
        if self.pace > 0.0 {
            tokio::time::sleep(real).await;
        }
    }

    /// Waits as long as the real server would, at the emulator's pace.
    pub(crate) async fn delay(&self, real: Duration) {
        tokio::time::sleep(self.scaled(real)).await;
    }
}
