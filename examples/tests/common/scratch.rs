//! A program as its users run it, in directories and processes that end with the test.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{self, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

/// A directory of this test's own, gone when the test ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("examples-{}-{number}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs a program here, which must end by itself.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{program} is needed: {error}"));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let [stdout, stderr] = [gather(stdout), gather(stderr)];
        let line = arguments.join(" ");
        for _ in 0..6000 {
            if let Some(status) = child.try_wait().unwrap() {
                let [stdout, stderr] = [stdout, stderr].map(|all| all.join().unwrap());
                return Ran(Output { status, stdout, stderr }, line);
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|all| all.join().unwrap());
        panic!("{line} does not end: {}", String::from_utf8_lossy(&[stdout, stderr].concat()));
    }
}

/// All that a pipe brings.
fn gather(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        all
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program said when it had run.
pub(crate) struct Ran(Output, String);

impl Ran {
    /// What was printed, once the exit code is as expected.
    pub(crate) fn code(self, expected: i32) -> String {
        let Self(output, arguments) = self;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{arguments}\n{text}");
        let is_harmless = |character: char| character == '\n' || !character.is_control();
        assert!(text.chars().all(is_harmless), "{arguments}\n{text:?}");
        text
    }

    pub(crate) fn ok(self) -> String {
        self.code(0)
    }

    /// Fails with an exit code and an error that says `mend`.
    pub(crate) fn says(self, expected: i32, mend: &str) {
        let text = self.code(expected);
        assert!(text.contains(mend), "{mend:?} is missing in\n{text}");
    }

    /// The JSON on standard output.
    pub(crate) fn json(self, expected: i32) -> Value {
        let stdout = self.0.stdout.clone();
        let text = self.code(expected);
        serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
