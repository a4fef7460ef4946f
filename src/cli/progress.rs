//! Progress bars on stderr: only on a terminal, never beside JSON log lines, gone when their step is done. Log lines go above them.
//! Where nothing is counted, and it takes more than a second, a line says what goes on and for how long.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::progress::Progress;

use super::terminal;

static SHOWN: Mutex<Shown> = Mutex::new(Shown { wanted: false, bar: None, doing: "", line: None });

struct Shown {
    wanted: bool,
    bar: Option<Bar>,
    /// What goes on beside the bars.
    doing: &'static str,
    /// The line that says so, where no bar is shown.
    line: Option<ProgressBar>,
}

/// The bar of one step.
struct Bar {
    drawn: ProgressBar,
    of: &'static str,
    items: (u64, u64),
    rows: u64,
    has_bytes: bool,
}

/// Shows bars from now on, where there is somebody to see them.
pub(super) fn want() {
    if let Ok(mut shown) = SHOWN.lock() {
        shown.wanted = std::io::stderr().is_terminal() && terminal::can_move();
    }
}

pub(super) fn show(progress: Progress) {
    let Ok(mut shown) = SHOWN.lock() else { return };
    if !shown.wanted {
        return;
    }
    match progress {
        Progress::Begin { step, of, items, bytes } => {
            let size = if bytes > 0 { " {bytes} of {total_bytes}," } else { "" };
            let template = format!("{{prefix:9}} [{{bar:30}}] {{msg}},{size} {{eta}} left");
            let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let length = if bytes > 0 { bytes } else { items };
            let drawn = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            let drawn = drawn.with_style(style.progress_chars("=> ")).with_prefix(step);
            shown.clear();
            shown.bar = Some(Bar { drawn, of, items: (0, items), rows: 0, has_bytes: bytes > 0 });
        }
        Progress::Done { rows, bytes } => {
            if let Some(bar) = &mut shown.bar {
                bar.items.0 += 1;
                bar.rows += rows;
                bar.drawn.inc(if bar.has_bytes { bytes } else { 1 });
                bar.say();
            }
        }
        Progress::End => shown.clear(),
        Progress::Doing(what) => shown.doing = what,
    }
}

/// How long nothing is said, and how often it is said then.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);

/// Does something that may take long, and says so while it does.
pub(super) fn waiting<T>(doing: &'static str, work: impl FnOnce() -> T) -> T {
    let is_wanted = SHOWN.lock().is_ok_and(|mut shown| {
        shown.doing = doing;
        shown.wanted
    });
    if !is_wanted {
        return work();
    }
    let (until, has_ended) = mpsc::channel::<()>();
    let done = thread::scope(|scope| {
        scope.spawn(move || {
            let mut waited = PATIENCE;
            let mut goes_on = has_ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            while goes_on {
                tick(waited);
                waited += TICK;
                goes_on = has_ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout);
            }
        });
        let done = work();
        // Its end is the word that it has ended, a panic's too.
        drop(until);
        done
    });
    clear();
    done
}

/// Says what goes on, where no bar does.
fn tick(waited: Duration) {
    let Ok(mut shown) = SHOWN.lock() else { return };
    if shown.bar.is_some() {
        return;
    }
    let text = format!("{}, {} s", shown.doing, waited.as_secs());
    let line = shown.line.get_or_insert_with(|| {
        let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style.tick_chars("-\\|/ "))
    });
    line.set_message(text);
    line.tick();
}

/// Writes above the bar, where there is one.
pub(super) fn above<T>(write: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock();
    let drawn = shown.as_ref().ok().and_then(|shown| shown.bar.as_ref().map(|bar| &bar.drawn).or(shown.line.as_ref()));
    match drawn {
        Some(drawn) => drawn.suspend(write),
        None => write(),
    }
}

/// Takes away a bar whose step did not come to its end.
pub(super) fn clear() {
    if let Ok(mut shown) = SHOWN.lock() {
        shown.clear();
    }
}

impl Shown {
    fn clear(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
        if let Some(bar) = self.bar.take() {
            bar.drawn.finish_and_clear();
        }
    }
}

impl Bar {
    fn say(&self) {
        let number = |count: u64| terminal::numerals().write(&count.to_string());
        let (done, items) = (number(self.items.0), number(self.items.1));
        self.drawn.set_message(format!("{done} of {items} {}, {} rows", self.of, number(self.rows)));
    }
}

/// Stderr for log lines.
pub(super) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        above(|| std::io::stderr().lock().write_all(line).map(|()| line.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
