//! Calls of the Graph API, paced and repeated: a request goes out when the limits allow it, comes back as JSON, and what passes by
//! itself is waited for here. Everything else goes up as [`Trouble`], decided by code and subcode alone.
//!
//! Repetition is bounded and without chance: five times for what passes, and up to an hour in all for what limits ask of one
//! request. Pages are walked until there is no link to a next one.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use serde_json::Value;

use crate::base::error::{Error, ErrorKind, Result};
use crate::insights::graph_error::{ErrorClass, GraphError, Whom};
use crate::insights::http::{GraphRequest, Http, NoReply, Reply};
use crate::insights::throttle::{Throttle, Usage};
use crate::insights::wire::{self, JsonObject};

/// Waits before the same request goes out again after a fault that passes.
const TRANSIENT_SECONDS: [u64; 5] = [2, 4, 8, 16, 32];
/// How long one request waits for limits, in all.
const PATIENCE_SECONDS: u64 = 3_600;
/// Rows of a page.
const PAGE_ROWS: &str = "500";
/// How often the pages are walked from the first again.
const WALKS: u32 = 3;
/// Waits that are logged are at least this long.
const TOLD_SECONDS: u64 = 60;

/// How to wait, and when not to.
pub struct Waiting<'a> {
    /// Is asked again and again; an error ends what is under way.
    pub stopped: &'a dyn Fn() -> Result<()>,
    /// Lets seconds pass; none: real ones.
    pub pause: Option<&'a dyn Fn(u64) -> Result<()>>,
    /// As many seconds are paused in all before it is said what is in the way; none: as many as it takes.
    pub at_most: Option<u64>,
}

/// Why a request has no answer.
pub enum Trouble {
    Meta(GraphError),
    /// No answer in time: perhaps too large.
    TimedOut(Error),
    Other(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Other(error)
    }
}

/// What a request without an answer in time means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// That it passes.
    Again,
    /// That it may be too large.
    Told,
}

pub struct Graph<'a> {
    http: Http,
    waiting: Waiting<'a>,
    throttle: RefCell<Throttle>,
    paused: Cell<u64>,
}

impl<'a> Graph<'a> {
    pub fn new(http: Http, waiting: Waiting<'a>) -> Graph<'a> {
        Graph { http, waiting, throttle: RefCell::default(), paused: Cell::new(0) }
    }

    /// The trouble as an error, about an account where there is one.
    pub fn error(&self, trouble: Trouble, account: Option<&str>) -> Error {
        let error = match trouble {
            Trouble::Meta(error) => error.into_error(self.http.settings().token.origin()),
            Trouble::TimedOut(error) | Trouble::Other(error) => error,
        };
        match account {
            Some(account) => error.with("account", account),
            None => error,
        }
    }

    pub fn pause(&self, seconds: u64) -> Result<()> {
        if seconds >= TOLD_SECONDS {
            tracing::info!(seconds, "waiting for Meta");
        }
        (self.waiting.stopped)()?;
        match self.waiting.pause {
            Some(pause) => pause(seconds)?,
            None => self.http.pause(seconds, self.waiting.stopped)?,
        }
        self.throttle.borrow_mut().waited(seconds);
        self.paused.set(self.paused.get() + seconds);
        (self.waiting.stopped)()
    }

    /// Whether so many seconds may still be paused.
    fn may_pause(&self, seconds: u64) -> bool {
        self.waiting.at_most.is_none_or(|most| self.paused.get() + seconds <= most)
    }

    /// A limit was met elsewhere than in an answer: in a report run.
    pub fn throttled(&self, account: &str, whom: Whom) {
        self.throttle.borrow_mut().refused(Some(account), whom, 0);
    }

    /// One request, until it has an answer or waiting for one is over.
    pub fn ask(&self, request: &GraphRequest, account: Option<&str>, late: Late) -> Result<Value, Trouble> {
        let mut transients = TRANSIENT_SECONDS.into_iter();
        let (mut refusals, mut patience) = (0, PATIENCE_SECONDS);
        loop {
            let due = self.throttle.borrow().due(account);
            if due > patience || !self.may_pause(due) {
                return Err(Trouble::Other(self.out_of_patience(due, account)));
            }
            if due > 0 {
                patience -= due;
                self.pause(due)?;
            }
            let trouble = match self.http.send(request, self.waiting.stopped) {
                Ok(reply) => match self.answer(request, &reply, account) {
                    Ok(answer) => return Ok(answer),
                    Err(trouble) => trouble,
                },
                Err(NoReply::Stopped(error)) => return Err(Trouble::Other(error)),
                Err(NoReply::TimedOut(error)) if late == Late::Told => return Err(Trouble::TimedOut(error)),
                Err(NoReply::TimedOut(error) | NoReply::Unreachable(error)) => Trouble::Other(error),
            };
            let class = match &trouble {
                Trouble::Meta(error) => error.class(),
                _ => ErrorClass::Transient,
            };
            match class {
                ErrorClass::Throttled(whom) => {
                    self.throttle.borrow_mut().refused(account, whom, refusals);
                    refusals += 1;
                }
                ErrorClass::Abuse => {
                    tracing::warn!(path = request.path, "Meta suspects abuse of its API: every request waits half an hour");
                    self.throttle.borrow_mut().abused();
                }
                ErrorClass::Transient => match transients.next() {
                    Some(seconds) if self.may_pause(seconds) => self.pause(seconds)?,
                    _ => return Err(trouble),
                },
                _ => return Err(trouble),
            }
        }
    }

    fn out_of_patience(&self, due: u64, account: Option<&str>) -> Error {
        let error =
            Error::new(ErrorKind::Unavailable, format!("Meta's request limit holds for {} more minutes", due.div_ceil(60)))
                .mend("run again after that time");
        account.into_iter().fold(error, |error, account| error.with("account", account))
    }

    fn answer(&self, request: &GraphRequest, reply: &Reply, account: Option<&str>) -> Result<Value, Trouble> {
        let usage = Usage::read(|name| reply.header(name));
        self.throttle.borrow_mut().note(account, &usage);
        let answer: Option<Value> = serde_json::from_str(&reply.text).ok();
        let error = answer.as_ref().and_then(GraphError::of_answer);
        let code = error.as_ref().map(|error| error.code);
        tracing::debug!(method = ?request.method, path = request.path, status = reply.status, code, "asked Meta");
        match (error, answer) {
            (Some(error), _) => Err(Trouble::Meta(error)),
            (None, Some(answer)) if reply.status < 400 => Ok(answer),
            // A proxy's or a gateway's page, or half an answer.
            _ => Err(Trouble::Other(
                Error::new(ErrorKind::Unavailable, "the reply is not one that Meta's API gives")
                    .with("request", &request.path)
                    .with("status", reply.status)
                    .mend("see what answers at base_url; if it is Meta, run again later"),
            )),
        }
    }

    /// The rows of all pages of a list.
    pub fn pages(&self, request: &GraphRequest, account: Option<&str>, late: Late) -> Result<Vec<JsonObject>, Trouble> {
        for _ in 0..WALKS {
            if let Some(rows) = self.walk(request, account, late)? {
                return Ok(rows);
            }
        }
        let error = Error::new(ErrorKind::Unavailable, "Meta's page cursors expired before all pages were read");
        Err(Trouble::Other(error.with("request", &request.path).mend("run again later")))
    }

    /// The rows; none when a cursor expired on the way.
    fn walk(&self, request: &GraphRequest, account: Option<&str>, late: Late) -> Result<Option<Vec<JsonObject>>, Trouble> {
        let mut rows = Vec::new();
        let mut cursors = HashSet::new();
        let mut page_request = request.clone();
        page_request.parameters.push(("limit", PAGE_ROWS.to_string()));
        let own = page_request.parameters.len();
        loop {
            let answer = match self.ask(&page_request, account, late) {
                Err(Trouble::Meta(error)) if error.class() == ErrorClass::Cursor && !cursors.is_empty() => return Ok(None),
                answer => answer?,
            };
            let page = wire::page(&answer).map_err(|error| error.with("request", &request.path))?;
            rows.extend(page.rows);
            let Some(after) = page.after else { return Ok(Some(rows)) };
            if !cursors.insert(after.clone()) {
                let error = Error::data("Meta's pages repeat: the same cursor came twice").with("request", &request.path);
                return Err(Trouble::Other(error.mend("run again, and report it if it stays")));
            }
            page_request.parameters.truncate(own);
            page_request.parameters.push(("after", after));
        }
    }

    /// What Meta knows of the token, where it tells it.
    pub fn debug_token(&self) -> Result<Option<Value>> {
        match self.ask(&GraphRequest::debug_token(), None, Late::Again) {
            Ok(answer) => Ok(wire::batched(&answer)),
            Err(Trouble::Meta(_)) => Ok(None),
            Err(trouble) => Err(self.error(trouble, None)),
        }
    }
}
