//! One look for all who ask at once.
//!
//! Many steps want the same list: of five hundred nodes that join at the same time each asks whether the
//! tailnet has its device. A list for each of them takes the square of the time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Mutex;

/// Whoever asks gets what a look says that began after the question: a look under way is waited for, and the
/// next one serves all who waited.
#[derive(Debug)]
pub(super) struct Together<T> {
    begun: AtomicU64,
    last: Mutex<Option<Taken<T>>>,
}

#[derive(Debug)]
struct Taken<T> {
    number: u64,
    /// `None`: it failed.
    seen: Option<Arc<T>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T> Together<T> {
    pub(super) async fn look<E>(
        &self,
        look: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let asked = self.begun.load(Ordering::SeqCst);
        let (mut last, waited) = match self.last.try_lock() {
            Ok(last) => (last, false),
            Err(_) => (self.last.lock().await, true),
        };
        match last.as_ref() {
            Some(Taken { number, seen: Some(seen) }) if *number > asked => {
                return Ok(Arc::clone(seen));
            }
            // What was waited for failed. Each finds out for itself why, and none waits for the patience of another
            // once more.
            Some(Taken { seen: None, .. }) if waited => {
                drop(last);
                return look.await.map(Arc::new);
            }
            _ => {}
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = look.await.map(Arc::new);
        *last = Some(Taken { number, seen: outcome.as_ref().ok().cloned() });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, task::Poll};

    use futures::{
        future::{join, join_all},
        poll,
    };
    use tokio::sync::Semaphore;

    use super::*;

    /// Looks, and how many began. Each ends when it is let.
    struct Looks {
        begun: Cell<u64>,
        ends: Semaphore,
        work: bool,
    }

    impl Looks {
        fn new(work: bool) -> Self {
            Self { begun: Cell::new(0), ends: Semaphore::new(0), work }
        }

        async fn look(&self) -> Result<u64, &'static str> {
            let number = self.begun.get() + 1;
            self.begun.set(number);
            self.ends.acquire().await.unwrap().forget();
            if self.work { Ok(number) } else { Err("broken") }
        }
    }

    #[tokio::test]
    async fn all_who_ask_while_a_look_is_under_way_share_the_next_one() {
        let (together, looks) = (Together::default(), Looks::new(true));
        let mut first = Box::pin(together.look(looks.look()));
        assert!(matches!(poll!(&mut first), Poll::Pending));
        let mut others = Box::pin(join_all((0..100).map(|_| together.look(looks.look()))));
        assert!(matches!(poll!(&mut others), Poll::Pending));
        assert_eq!(looks.begun.get(), 1);
        looks.ends.add_permits(2);
        let (first, others) = join(first, others).await;
        assert_eq!(first.as_deref(), Ok(&1));
        assert!(others.iter().all(|seen| seen.as_deref() == Ok(&2)), "{others:?}");
        assert_eq!(looks.begun.get(), 2);
    }

    #[tokio::test]
    async fn who_asks_later_gets_a_later_look() {
        let (together, looks) = (Together::default(), Looks::new(true));
        looks.ends.add_permits(3);
        for number in 1..4 {
            assert_eq!(together.look(looks.look()).await.as_deref(), Ok(&number));
        }
    }

    #[tokio::test]
    async fn a_look_that_failed_serves_nobody_and_those_who_waited_look_at_the_same_time() {
        let (together, looks) = (Together::default(), Looks::new(false));
        let mut all = Box::pin(join_all((0..100).map(|_| together.look(looks.look()))));
        for _ in 0..2 {
            assert!(matches!(poll!(&mut all), Poll::Pending));
            looks.ends.add_permits(1);
        }
        assert!(matches!(poll!(&mut all), Poll::Pending));
        assert_eq!(looks.begun.get(), 100);
        looks.ends.add_permits(98);
        assert!(all.await.iter().all(Result::is_err));
    }

    #[tokio::test]
    async fn one_who_gives_up_in_the_middle_of_a_look_leaves_it_to_the_next() {
        let (together, looks) = (Together::default(), Looks::new(true));
        let mut gives_up = Box::pin(together.look(looks.look()));
        assert!(matches!(poll!(&mut gives_up), Poll::Pending));
        drop(gives_up);
        looks.ends.add_permits(1);
        assert_eq!(together.look(looks.look()).await.as_deref(), Ok(&2));
    }
}
