//! A terminal, and who sits in front of it.

use std::{
    fs::File,
    io::{Read, Write},
    process::Stdio,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::{Child, Command};

/// A program that runs in a terminal.
pub(crate) struct Terminal {
    keys: File,
    seen: Arc<Mutex<String>>,
    /// How much of it was looked at.
    known: usize,
    program: Child,
    /// Ends with the program, whose end of the terminal is the last one.
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let end = File::options().read(true).write(true).open(name).unwrap();
        let program = command
            .stdin(Stdio::from(end.try_clone().unwrap()))
            .stdout(Stdio::from(end.try_clone().unwrap()))
            .stderr(Stdio::from(end))
            .spawn()
            .unwrap();
        // What is left of the other end is the program's.
        drop(command);
        let keys = File::from(controller);
        let mut screen = keys.try_clone().unwrap();
        let seen = Arc::new(Mutex::new(String::new()));
        let shown = seen.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { keys, seen, known: 0, program, reader: Some(reader) }
    }

    /// Waits until the terminal shows a text that was not there before, then types.
    pub(crate) async fn answer(&mut self, question: &str, keys: &str) {
        let begun = Instant::now();
        loop {
            let seen = self.seen();
            if let Some(at) = seen[self.known..].find(question) {
                self.known += at + question.len();
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no `{question}` in:\n{seen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) async fn code(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.program.wait()).await;
        let code = ended.expect("the program does not end").unwrap().code();
        self.reader.take().expect("it ends once").join().unwrap();
        code
    }
}
