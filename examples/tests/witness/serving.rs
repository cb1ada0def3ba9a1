//! Witnesses as processes that do not outlive the test.

use std::{
    io::{BufRead as _, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use crate::common::Scratch;

/// How long a test waits for a line before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process has printed so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    over: bool,
}

impl Lines {
    fn follow(&self, source: impl Read + Send + 'static) {
        let shared = self.0.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                shared.0.lock().unwrap().lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().over = true;
            shared.1.notify_all();
        });
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// Waits until a line has these words.
    pub(crate) fn until(&self, words: &str) {
        let (printed, changed) = &*self.0;
        let has = |printed: &Printed| printed.lines.iter().any(|line| line.contains(words));
        let waits = |printed: &mut Printed| !has(printed) && !printed.over;
        let (printed, _) =
            changed.wait_timeout_while(printed.lock().unwrap(), PATIENCE, waits).unwrap();
        assert!(has(&printed), "{words:?} does not come: {:#?}", printed.lines);
    }
}

/// A running process, killed and reaped when this is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    /// Starts the program, its arguments separated by spaces.
    pub(crate) fn start(scratch: &Scratch, arguments: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_witness"))
            .args(arguments.split_whitespace())
            .current_dir(scratch.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (Lines::default(), Lines::default());
        out.follow(child.stdout.take().unwrap());
        err.follow(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Starts a witness, and waits until it listens.
    pub(crate) fn serve(scratch: &Scratch, name: &str) -> Self {
        let line = format!("serve --roster roster.json --key {name}.key");
        let serving = Self::start(scratch, &line);
        serving.out.until(&format!("{name} serves at "));
        serving
    }

    /// Sends a signal by name. `KILL` is the one that nothing survives.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code, once it has ended by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        for _ in 0..6000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end: {:#?} {:#?}", self.out.all(), self.err.all());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first of so many ports in a row that nobody has. They lie below those that systems give to
/// outgoing connections, and other tests of this process get others.
pub(crate) fn ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 300).unwrap() * 40;
    for _ in 0..300 {
        let port = 20_000 + (start + NEXT.fetch_add(count, Ordering::Relaxed)) % 12_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + count).all(is_free) {
            return port;
        }
    }
    panic!("no ports are free");
}
