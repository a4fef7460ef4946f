//! Progress bars on stderr: only on a terminal, never beside JSON log lines, gone when their step is done. Log lines go above them.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::progress::Progress;

use super::terminal;

static SHOWN: Mutex<Shown> = Mutex::new(Shown { wanted: false, bar: None });

struct Shown {
    wanted: bool,
    bar: Option<Bar>,
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
        Progress::Waiting { on } => {
            shown.clear();
            let style = ProgressStyle::with_template("{spinner} waiting for {msg} {elapsed}");
            let drawn = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let drawn = drawn.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())).with_message(on);
            drawn.enable_steady_tick(SPINS_EVERY);
            shown.bar = Some(Bar { drawn, of: "", items: (0, 0), rows: 0, has_bytes: false });
        }
        Progress::End => shown.clear(),
    }
}

const SPINS_EVERY: Duration = Duration::from_millis(120);

/// Writes above the bar, where there is one.
pub(super) fn above<T>(write: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock();
    match shown.as_ref().ok().and_then(|shown| shown.bar.as_ref()) {
        Some(bar) => bar.drawn.suspend(write),
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
