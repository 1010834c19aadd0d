//! Who harms a run at one of its effects.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use homelab_lab::sim::gate::{Effect, Moment, Ruling, Verdict, Warden};
use tokio::{process::Child, sync::Notify};

use crate::points::Point;

/// Kills a process at an effect's moment.
pub(crate) struct Killer {
    point: Point,
    /// Effects like that one which were there already.
    met: AtomicUsize,
    /// 0 until it is known.
    process: AtomicU32,
    done: AtomicBool,
}

impl Killer {
    pub(crate) fn new(point: Point) -> Self {
        Self {
            point,
            met: AtomicUsize::new(0),
            process: AtomicU32::new(0),
            done: AtomicBool::new(false),
        }
    }

    /// Whom to kill: before it asks for anything.
    pub(crate) fn watch(&self, child: &Child) {
        self.process.store(child.id().expect("it runs"), Ordering::SeqCst);
    }

    /// Whether the moment came.
    pub(crate) fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    fn kill(&self) {
        let process = self.process.load(Ordering::SeqCst);
        let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.expect("the warden is told of the process before its first effect");
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    }
}

impl Warden for Killer {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        Box::pin(async move {
            if self.done() {
                // What was under way beside it: an effect that had begun ends, its answer goes nowhere.
                return match moment {
                    Moment::Before => Verdict::Drop,
                    Moment::After => Verdict::Pass,
                };
            }
            let like = moment == self.point.moment && *effect == self.point.effect;
            if !like || self.met.fetch_add(1, Ordering::SeqCst) + 1 != self.point.nth {
                return Verdict::Pass;
            }
            self.done.store(true, Ordering::SeqCst);
            self.kill();
            Verdict::Drop
        })
    }
}

/// Harms an effect that is like one of an undisturbed run: the first, or each.
pub(crate) struct Harmer {
    wanted: Effect,
    moment: Moment,
    verdict: Verdict,
    lasting: bool,
    done: AtomicBool,
}

impl Harmer {
    pub(crate) fn once(wanted: Effect, moment: Moment, verdict: Verdict) -> Self {
        Self { wanted, moment, verdict, lasting: false, done: AtomicBool::new(false) }
    }

    pub(crate) fn always(wanted: Effect, verdict: Verdict) -> Self {
        Self { lasting: true, ..Self::once(wanted, Moment::Before, verdict) }
    }

    /// Whether there was anything to harm.
    pub(crate) fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }
}

impl Warden for Harmer {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        let like = effect.system == self.wanted.system && effect.kind == self.wanted.kind;
        let fits = like && moment == self.moment;
        let harmed = fits && (!self.done.swap(true, Ordering::SeqCst) || self.lasting);
        let verdict = if harmed { self.verdict.clone() } else { Verdict::Pass };
        Box::pin(async move { verdict })
    }
}

/// Holds the run at a moment of an effect until it may go on.
pub(crate) struct Pause {
    at: fn(&Effect) -> bool,
    moment: Moment,
    pub(crate) reached: Notify,
    pub(crate) over: Notify,
}

impl Pause {
    pub(crate) fn new(moment: Moment, at: fn(&Effect) -> bool) -> Self {
        Self { at, moment, reached: Notify::new(), over: Notify::new() }
    }
}

impl Warden for Pause {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        let here = moment == self.moment && (self.at)(effect);
        Box::pin(async move {
            if here {
                self.reached.notify_one();
                self.over.notified().await;
            }
            Verdict::Pass
        })
    }
}
