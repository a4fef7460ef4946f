//! The client of Meta's Marketing API: what is asked of it, in the project's words.
//!
//! In: accounts, ads, days in the account's time zone, both ends included. Out: typed rows, complete or an error: every page was
//! read, every row belongs to what was asked, no key comes twice. A question goes out synchronously, as a report run where that is
//! too large, and in smaller pieces where that is too large too; the same question never goes out twice for its size.
//!
//! Nothing is stored here. How long to wait for limits and faults is in `graph`, what an error means in `graph_error`.

use std::collections::HashMap;

use serde_json::Value;

use crate::base::day::DayRange;
use crate::base::error::{Error, ErrorKind, Result};
use crate::config::ClientSettings;
use crate::insights::graph::{Graph, Late, Trouble, Waiting};
use crate::insights::graph_error::ErrorClass;
use crate::insights::http::{GraphRequest, Http};
use crate::insights::report_run::{self, NextStep, ReportRunState};
use crate::insights::rows::{self, DailyRow, ReachRow};
use crate::insights::split::{self, Ask, ObjectLevel, Selection, Smaller, Span, smaller};
use crate::insights::wire::{self, AdAccount, AdObject, JsonObject, Until};

/// How often the same report run is submitted in all.
const SUBMISSIONS: u32 = 3;
/// A run that failed without a reason so often is taken for too large.
const SILENT_FAILURES: u32 = 2;

/// A token that Meta accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The permissions that were granted, sorted.
    pub scopes: Vec<String>,
    pub expires_at: Until,
    pub data_access_expires_at: Until,
}

/// What Meta knows of an ad that was asked by its id.
#[derive(Debug)]
pub enum AdAnswer {
    Found {
        ad: AdObject,
        rows: Vec<DailyRow>,
    },
    /// It is not there, or another's: for this token there is no difference.
    Foreign {
        ad: String,
    },
    /// Meta refuses to answer for this ad alone: kind Denied without the permission, kind Usage where the id is no ad's, as a post's.
    Refused {
        ad: String,
        error: Error,
    },
}

pub struct Client<'a> {
    graph: Graph<'a>,
}

/// The answer to a question, if it was not too large.
enum Attempt {
    Rows(Vec<JsonObject>),
    TooLarge(Error),
}

/// Why a run is submitted again.
enum Again {
    Silent,
    For(Error),
}

impl<'a> Client<'a> {
    pub fn new(settings: ClientSettings, waiting: Waiting<'a>) -> Result<Client<'a>> {
        Ok(Client { graph: Graph::new(Http::new(settings)?, waiting) })
    }

    /// The token's permissions and its end; a token that Meta does not accept is an error of kind Denied.
    pub fn token(&self) -> Result<Token> {
        let granted = self.graph.pages(&GraphRequest::get("me/permissions", Vec::new()), None, Late::Again);
        let scopes = granted.map_err(|trouble| self.graph.error(trouble, None)).and_then(|rows| wire::scopes(&rows))?;
        let known = self.graph.debug_token()?.unwrap_or(Value::Null);
        let (expires_at, data_access_expires_at) = wire::expiry(&known);
        Ok(Token { scopes, expires_at, data_access_expires_at })
    }

    /// The ad accounts that the token sees, by id.
    pub fn ad_accounts(&self) -> Result<Vec<AdAccount>> {
        let request = GraphRequest::get("me/adaccounts", vec![("fields", wire::ACCOUNT_FIELDS.to_string())]);
        let rows = self.graph.pages(&request, None, Late::Again).map_err(|trouble| self.graph.error(trouble, None))?;
        let mut accounts = rows.iter().map(wire::account).collect::<Result<Vec<_>>>()?;
        accounts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(accounts)
    }

    pub fn account(&self, account: &str) -> Result<AdAccount> {
        checked_account(account)?;
        let request = GraphRequest::get(account, vec![("fields", wire::ACCOUNT_FIELDS.to_string())]);
        let answer = self.graph.ask(&request, Some(account), Late::Again);
        let answer = answer.map_err(|trouble| self.graph.error(trouble, Some(account)))?;
        let found =
            wire::account(answer.as_object().unwrap_or(&JsonObject::new())).map_err(|error| error.with("account", account))?;
        if found.id != account {
            return Err(Error::data(format!("Meta answered with account {}", found.id)).with("account", account));
        }
        Ok(found)
    }

    /// The account's figures per ad and day, by day and ad; a row only where the ad was delivered.
    pub fn daily(&self, account: &str, days: DayRange) -> Result<Vec<DailyRow>> {
        checked_account(account)?;
        self.daily_of(account, account, days)
    }

    /// The figures of ads by their ids, also where the account's report leaves them out. In the order of `ads`.
    pub fn daily_of_ads(&self, ads: &[String], days: DayRange) -> Result<Vec<AdAnswer>> {
        ads.iter().map(|ad| self.daily_of_ad(ad, days)).collect()
    }

    /// Reach and what goes with it of each range as a whole, per ad; of some ads, or of all.
    pub fn reach(&self, account: &str, ranges: &[DayRange], ads: Option<&[String]>) -> Result<Vec<ReachRow>> {
        checked_account(account)?;
        let whole = Ask {
            node: account.to_string(),
            span: Span::Ranges(ranges.to_vec()),
            selection: Selection::All,
            fields: rows::REACH_FIELDS.to_vec(),
        };
        let asks = match ads {
            None => vec![whole],
            Some(ads) => ads
                .chunks(split::MOST_IDS)
                .map(|ads| Ask { selection: Selection::Of(ObjectLevel::Ad, ads.to_vec()), ..whole.clone() })
                .collect(),
        };
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let mut sent = Vec::new();
        for ask in &asks {
            sent.extend(self.fetch(ask, account)?);
        }
        let mut rows = once(sent)?.iter().map(|row| rows::reach(row, account, ranges)).collect::<Result<Vec<_>>>()?;
        rows.sort_unstable_by(|a, b| (a.days.first, a.days.last, &a.ad).cmp(&(b.days.first, b.days.last, &b.ad)));
        Ok(rows)
    }

    fn daily_of_ad(&self, ad: &str, days: DayRange) -> Result<AdAnswer> {
        let refused = |error: Error| AdAnswer::Refused { ad: ad.to_string(), error: error.with("ad", ad) };
        if !wire::is_id(ad) {
            return Ok(refused(Error::usage("this is not the id of an ad")));
        }
        let request = GraphRequest::get(ad, vec![("fields", wire::AD_FIELDS.to_string())]);
        let answer = match self.graph.ask(&request, None, Late::Again) {
            Ok(answer) => answer,
            Err(Trouble::Meta(error)) if error.class() == ErrorClass::Missing => {
                return Ok(AdAnswer::Foreign { ad: ad.to_string() });
            }
            Err(Trouble::Meta(error)) if matches!(error.class(), ErrorClass::Permission | ErrorClass::Refused) => {
                return Ok(refused(self.graph.error(Trouble::Meta(error), None)));
            }
            Err(trouble) => return Err(self.graph.error(trouble, None).with("ad", ad)),
        };
        let found = wire::ad(ad, answer.as_object().unwrap_or(&JsonObject::new()))?;
        let rows = self.daily_of(ad, &found.account, days)?;
        if let Some(other) = rows.iter().find(|row| row.row.account != found.account) {
            return Err(Error::data(format!("an ad of account {} has figures in {}", found.account, other.row.account))
                .with("ad", ad)
                .with("day", other.day));
        }
        Ok(AdAnswer::Found { ad: found, rows })
    }

    fn daily_of(&self, node: &str, account: &str, days: DayRange) -> Result<Vec<DailyRow>> {
        let ask = Ask {
            node: node.to_string(),
            span: Span::Daily(days),
            selection: Selection::All,
            fields: rows::DAILY_FIELDS.to_vec(),
        };
        let sent = once(self.fetch(&ask, account)?)?;
        let mut rows = sent.iter().map(|row| rows::daily(row, node, days)).collect::<Result<Vec<_>>>()?;
        rows.sort_unstable_by(|a, b| (a.day, &a.row.ad).cmp(&(b.day, &b.row.ad)));
        Ok(rows)
    }

    fn fetch(&self, ask: &Ask, account: &str) -> Result<Vec<JsonObject>> {
        match self.attempt(&ask.node, ask.parameters(), account)? {
            Attempt::Rows(rows) => Ok(rows),
            Attempt::TooLarge(why) => self.fetch_smaller(ask, account, why),
        }
    }

    fn fetch_smaller(&self, ask: &Ask, account: &str, why: Error) -> Result<Vec<JsonObject>> {
        let all = |pieces: &[Ask]| -> Result<Vec<JsonObject>> {
            let mut rows = Vec::new();
            for piece in pieces {
                rows.extend(self.fetch(piece, account)?);
            }
            Ok(rows)
        };
        match smaller(ask) {
            Smaller::Pieces(pieces) => all(&pieces),
            Smaller::Below(level) => {
                let objects = match self.attempt(&ask.node, ask.ids(level), account)? {
                    Attempt::Rows(rows) => rows,
                    Attempt::TooLarge(still) => return Err(still),
                };
                let ids = wire::ids(&objects, level.id_field()).map_err(|error| error.with("account", account))?;
                match (ids.len(), ask.of_ids(level, &ids).as_slice()) {
                    // Of one object alone it is the same again.
                    (1, [only]) => self.fetch_smaller(only, account, why),
                    (_, pieces) => all(pieces),
                }
            }
            Smaller::Fields(halves) => {
                let [left, right] = *halves;
                joined(self.fetch(&left, account)?, self.fetch(&right, account)?)
            }
            Smaller::Nothing => Err(why.with("days", &ask.span)),
        }
    }

    /// Asks synchronously, and with a report run where that is too large.
    fn attempt(&self, node: &str, parameters: Vec<(&'static str, String)>, account: &str) -> Result<Attempt> {
        let path = format!("{node}/insights");
        match self.graph.pages(&GraphRequest::get(&path, parameters.clone()), Some(account), Late::Told) {
            Ok(rows) => Ok(Attempt::Rows(rows)),
            Err(Trouble::TimedOut(_)) => self.report(&GraphRequest::post(&path, parameters), account),
            Err(Trouble::Meta(error)) if error.class() == ErrorClass::TooLarge => {
                self.report(&GraphRequest::post(&path, parameters), account)
            }
            Err(trouble) => Err(self.graph.error(trouble, Some(account))),
        }
    }

    /// Submits a report run until one is read, or is too large.
    fn report(&self, request: &GraphRequest, account: &str) -> Result<Attempt> {
        let mut silent = 0;
        let mut last = None;
        for _ in 0..SUBMISSIONS {
            match self.run(request, account)? {
                Ok(attempt) => return Ok(attempt),
                Err(Again::Silent) => {
                    silent += 1;
                    let error = failed_run("a report run failed without a reason", account);
                    if silent == SILENT_FAILURES {
                        return Ok(Attempt::TooLarge(error));
                    }
                    last = Some(error);
                }
                Err(Again::For(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| failed_run("a report run was not submitted", account)))
    }

    /// One report run, from its submission to its rows.
    fn run(&self, request: &GraphRequest, account: &str) -> Result<Result<Attempt, Again>> {
        let submitted = match self.graph.ask(request, Some(account), Late::Again) {
            Ok(answer) => answer,
            Err(trouble) => return self.trouble(trouble, account),
        };
        let run = report_run::run_id(&submitted).map_err(|error| error.with("account", account))?;
        let poll = GraphRequest::get(&run, vec![("fields", report_run::FIELDS.to_string())]);
        let (mut polls, mut waited) = (0, 0);
        loop {
            let answer = match self.graph.ask(&poll, Some(account), Late::Again) {
                Ok(answer) => answer,
                Err(trouble) => return self.trouble_of_run(trouble, account),
            };
            match ReportRunState::read(&answer).map_err(|error| error.with("account", account))?.step(polls, waited) {
                NextStep::Poll { after_seconds } => {
                    self.graph.pause(after_seconds)?;
                    polls += 1;
                    waited += after_seconds;
                }
                NextStep::Read => {
                    let rows = GraphRequest::get(format!("{run}/insights"), Vec::new());
                    return match self.graph.pages(&rows, Some(account), Late::Again) {
                        Ok(rows) => Ok(Ok(Attempt::Rows(rows))),
                        Err(trouble) => self.trouble_of_run(trouble, account),
                    };
                }
                NextStep::Failed(error) => return self.trouble(Trouble::Meta(error), account),
                NextStep::FailedSilently => return Ok(Err(Again::Silent)),
                NextStep::Skipped => return Ok(Err(Again::For(failed_run("Meta skips the report run", account)))),
                NextStep::Endless => return Ok(Ok(Attempt::TooLarge(failed_run("a report run never finished", account)))),
            }
        }
    }

    /// A run that is no longer there has expired.
    fn trouble_of_run(&self, trouble: Trouble, account: &str) -> Result<Result<Attempt, Again>> {
        match trouble {
            Trouble::Meta(error) if error.class() == ErrorClass::Missing => {
                Ok(Err(Again::For(failed_run("a report run expired before it was read", account).source(error))))
            }
            trouble => self.trouble(trouble, account),
        }
    }

    fn trouble(&self, trouble: Trouble, account: &str) -> Result<Result<Attempt, Again>> {
        let class = match &trouble {
            Trouble::Meta(error) => Some(error.class()),
            _ => None,
        };
        let error = self.graph.error(trouble, Some(account));
        match class {
            Some(ErrorClass::TooLarge) => Ok(Ok(Attempt::TooLarge(error))),
            Some(ErrorClass::Transient) => Ok(Err(Again::For(error))),
            Some(ErrorClass::Throttled(whom)) => {
                self.graph.throttled(account, whom);
                Ok(Err(Again::For(error)))
            }
            _ => Err(error),
        }
    }
}

fn failed_run(message: &str, account: &str) -> Error {
    Error::new(ErrorKind::Unavailable, message).with("account", account).mend("run again later")
}

fn checked_account(account: &str) -> Result<()> {
    if account.strip_prefix("act_").is_some_and(wire::is_id) {
        return Ok(());
    }
    Err(Error::usage(format!("{account:?} is not an ad account")).mend("write it as act_<digits>"))
}

/// The rows, if no key comes twice.
fn once(rows: Vec<JsonObject>) -> Result<Vec<JsonObject>> {
    let mut keys = std::collections::HashSet::new();
    for row in &rows {
        let key = rows::key(row)?;
        if let Some([account, ad, first, last]) = keys.replace(key) {
            return Err(Error::data("Meta sent two rows for one ad and day")
                .with("account", format!("act_{account}"))
                .with("ad", ad)
                .with("day", if first == last { first } else { format!("{first}..{last}") })
                .mend("run again, and report it if it stays: figures are neither added nor chosen"));
        }
    }
    Ok(rows)
}

/// Rows that came in two parts.
fn joined(left: Vec<JsonObject>, right: Vec<JsonObject>) -> Result<Vec<JsonObject>> {
    let mut rows = once(left)?;
    let mut places = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        places.insert(rows::key(row)?, i);
    }
    for part in once(right)? {
        match places.get(&rows::key(&part)?) {
            Some(i) => rows[*i].extend(part),
            None => rows.push(part),
        }
    }
    Ok(rows)
}
