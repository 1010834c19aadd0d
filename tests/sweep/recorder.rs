//! Takes a picture of everything at each moment of a run.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use camino::Utf8PathBuf;
use homelab_lab::sim::{
    gate::{Effect, Moment, Ruling, Verdict, Warden},
    picture::Picture,
    world::World,
};
use tokio::sync::Mutex;

use crate::{operator::Operator, shot::Shot, story::Story};

/// How long what is being done beside a moment may take to its end. A script may wait for something that is held
/// itself: it is cut off where it waits, as when its session ends.
const PATIENCE: Duration = Duration::from_millis(700);

/// All that a run met.
pub(crate) struct Recording {
    pub(crate) operator: Operator,
    /// What the world is like afterwards.
    pub(crate) whole: Picture,
    pub(crate) frames: Vec<Frame>,
}

/// What everything was like at one or more moments.
pub(crate) struct Frame {
    pub(crate) shot: Shot,
    /// Between which nothing happened: `Before POST ... of 1001`.
    pub(crate) moments: Vec<String>,
}

/// Holds each effect at both of its moments until all others are done or held, too, and keeps what is then.
struct Recorder {
    world: Weak<World>,
    folder: Utf8PathBuf,
    frames: Mutex<Vec<Frame>>,
}

impl Recorder {
    async fn record(&self, moment: Moment, effect: &Effect) {
        let Some(world) = self.world.upgrade() else { return };
        let held = world.gate.hold();
        // Who comes meanwhile waits here: nothing goes on but what was being done already.
        let mut frames = self.frames.lock().await;
        let name = format!("{moment:?} {} of {}", effect.kind, effect.about);
        if !world.settles_within(PATIENCE).await {
            println!("  at {name} something went on");
        }
        let last = frames.last_mut();
        let shot = Shot::take(&world, &self.folder, last.as_ref().map(|frame| &frame.shot)).await;
        match last {
            Some(frame) if frame.shot == shot => frame.moments.push(name),
            _ => frames.push(Frame { shot, moments: vec![name] }),
        }
        // It counts again before the next one looks whether it is quiet.
        drop(held);
        drop(frames);
    }
}

impl Warden for Recorder {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        Box::pin(async move {
            self.record(moment, effect).await;
            Verdict::Pass
        })
    }
}

/// Tells a story, and keeps each of its moments.
pub(crate) async fn record(story: &Story) -> Recording {
    let operator = story.begin().await;
    let beginning =
        Frame { shot: operator.shot().await, moments: vec!["at the beginning".to_owned()] };
    let recorder = Arc::new(Recorder {
        world: Arc::downgrade(&operator.world),
        folder: operator.folder().to_owned(),
        frames: Mutex::new(vec![beginning]),
    });
    operator.world.gate.set_warden(Some(recorder.clone()));
    operator.succeed(story.run).await;
    operator.world.gate.set_warden(None);
    let whole = operator.world.picture().await.unwrap();
    let mut frames = std::mem::take(&mut *recorder.frames.lock().await);
    let shot = Shot::take(&operator.world, operator.folder(), frames.last().map(|last| &last.shot));
    frames.push(Frame { shot: shot.await, moments: vec!["at the end".to_owned()] });
    Recording { operator, whole, frames }
}
