//! What is shown while work goes on, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; elsewhere nothing but the lines that are said.
#[derive(Clone, Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// An empty bar, drawn as indicatif's template says.
    pub fn new(template: &str) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// Says a line, above the bar.
    pub fn say(&self, line: &str) {
        if self.0.is_hidden() {
            eprintln!("{line}");
        } else {
            self.0.println(line);
        }
    }

    /// Begins something of this many parts.
    pub fn start(&self, parts: usize, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.set_length(u64::try_from(parts).unwrap_or(u64::MAX));
        self.0.set_position(0);
    }

    /// How many parts are done.
    pub fn set(&self, done: usize) {
        let done = u64::try_from(done).unwrap_or(u64::MAX);
        if self.0.position() != done {
            self.0.set_position(done);
        }
    }

    /// Says beside the bar what is done.
    pub fn message(&self, what: String) {
        self.0.set_message(what);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
