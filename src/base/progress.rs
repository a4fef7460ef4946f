//! Progress: how far a long step is, told while it goes on. Nothing here knows a clock or a terminal: whoever starts the work
//! listens, or not.

/// What is told: the start of a step, each item that is done, in whatever order, and its end;
/// between steps, what goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// `items` are to come, called by their plural; `bytes` is their size, 0 where it says nothing.
    Begin {
        step: &'static str,
        of: &'static str,
        items: u64,
        bytes: u64,
    },
    Done {
        rows: u64,
        bytes: u64,
    },
    End,
    /// What is being done from now on where nothing is counted.
    Doing(&'static str),
}

/// What commands do where nothing else is told.
pub const LOOKING: &str = "looking at the lake";

/// What engines do between reading and counting, wherever it is told.
pub const FINDING_SESSIONS: &str = "finding sessions";

/// Who is told, from several threads.
pub type Listener<'a> = &'a (dyn Fn(Progress) + Sync);

pub fn unheard(_: Progress) {}
