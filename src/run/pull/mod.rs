//! Pull: what is due of Meta's figures goes into the lake. Nothing is joined here, and nothing is fetched anywhere else.
//!
//! In: the ledgers, and what Meta's Marketing API answers. Out: rows under `<insights>/date=YYYY-MM-DD/act_<id>.parquet`, the
//! ledgers beside them, and the table `reach`. Days are asked for in chunks, newest first; each chunk is landed, then noted in the
//! ledger, so that whatever stops a pull, the next one goes on where it was. An object is replaced only when its rows are others.
//!
//! A row that was there and is gone from the account's report is asked for by its ad's id: only Meta's answer that the ad had no
//! figures that day takes it away. Where Meta no longer knows the ad, or does not show it, the row stays as it was last reported.
//!
//! An account that fails is told and the others go on. To be called by who holds the output's lock.

pub(crate) mod ads;
mod reach;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tracing::{info, warn};

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::TableMapping;
use crate::base::object::Object;
use crate::base::schema;
use crate::config::MarketingApi;
use crate::insights::client::{AdAnswer, Client};
use crate::insights::due::{self, Due};
use crate::insights::graph::Waiting;
use crate::insights::graph_error::ErrorClass;
use crate::insights::landing::{fingerprint, insights_table};
use crate::insights::ledger::{Answered, AskedAd, At, FetchedDay, Ledgers};
use crate::insights::{self, InsightRow, ledger};
use crate::known::job::Job;
use crate::known::survey::Survey;
use crate::lake::{Lake, Lock, encode, write_json};
use crate::lake::{Listing, Partition, readable};
use crate::plan::Planner;

/// What a pull did for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    pub days_fetched: u64,
    /// Days whose rows are others than before.
    pub days_changed: u64,
    pub rows: u64,
    /// Ads asked for by their ids, and how many of them Meta does not show.
    pub ads_asked: u64,
    pub ads_not_found: u64,
    /// Ranges whose exact reach was fetched.
    pub reach_ranges: u64,
}

/// What is due of Meta's figures, where we fetch them.
pub(crate) fn due(job: &Job<'_>, survey: &Survey, planner: &Planner<'_>) -> Vec<Due> {
    let fetched = job.settings.fetched_insights().zip(survey.ledgers.as_ref());
    let now = || (job.clock)().timestamp_micros();
    let due = fetched.map(|((api, _), known)| due::due(job.settings, api, known, now(), planner.first_conversation_day()));
    due.unwrap_or_default()
}

/// A pull that holds the lock.
pub(crate) struct Pull<'a> {
    job: &'a Job<'a>,
    lock: &'a Lock,
    api: &'a MarketingApi,
    folder: &'a str,
    /// The lake, staging beside the insights.
    lake: Lake,
    client: Client<'a>,
    ledgers: Ledgers,
    /// The landed objects by path.
    objects: BTreeMap<String, Object>,
    pub pulled: BTreeMap<String, Pulled>,
    /// Accounts that failed are not asked about again.
    failed: BTreeSet<String>,
    /// Whether Meta is not asked any more, because it would refuse every account.
    has_given_up: bool,
    pub warnings: BTreeSet<String>,
}

/// Takes what failed and did not end the pull.
type Fail<'f> = &'f mut dyn FnMut(Error);

impl<'a> Pull<'a> {
    /// Reads the token; an error where there is none.
    pub(crate) fn start(job: &'a Job<'a>, lock: &'a Lock, ledgers: Ledgers, listing: &Listing) -> Result<Option<Pull<'a>>> {
        let Some((api, folder)) = job.settings.fetched_insights() else { return Ok(None) };
        let waiting = Waiting { stopped: job.stopped, pause: job.pause, at_most: None };
        let client = Client::new(api.client_settings()?, waiting)?;
        let objects = listing.partitions.values().flat_map(|partition| &partition.objects);
        Ok(Some(Pull {
            job,
            lock,
            api,
            folder,
            lake: job.lake.landing(folder)?,
            client,
            ledgers,
            objects: objects.map(|object| (object.path.clone(), object.clone())).collect(),
            pulled: BTreeMap::new(),
            failed: BTreeSet::new(),
            has_given_up: false,
            warnings: BTreeSet::new(),
        }))
    }

    fn now(&self) -> i64 {
        (self.job.clock)().timestamp_micros()
    }

    /// Pulls the accounts' days that are due, as seen from the first conversation day.
    pub(crate) fn days(&mut self, first: Option<Day>, fail: Fail<'_>) -> Result<()> {
        let due: Vec<Due> = due::due(self.job.settings, self.api, &self.ledgers, self.now(), first);
        let accounts = due.into_iter().filter(|due| !due.chunks.is_empty()).map(|due| due.account);
        self.each(accounts.collect(), fail, &mut |pull, account| {
            let days = due::days_due(pull.api, &pull.ledgers.accounts[account], pull.now(), first);
            pull.chunks(account, &due::chunks(&days))
        })
    }

    /// Pulls these days of all accounts, whenever they were fetched last.
    pub(crate) fn all_days(&mut self, days: DayRange, fail: Fail<'_>) -> Result<()> {
        let accounts = self.ledgers.accounts.keys().cloned().collect();
        self.each(accounts, fail, &mut |pull, account| {
            let fetchable = due::fetchable(&pull.ledgers.accounts[account], pull.now());
            match days.intersection(fetchable) {
                Some(days) => pull.chunks(account, &due::chunks(&days.iter().rev().collect::<Vec<Day>>())),
                None => Err(Error::usage(format!("Meta has figures for {fetchable} only")).with("account", account)),
            }
        })
    }

    /// Does something for each account, after asking for its zone. An account that fails is told; two that cannot be reached, or a
    /// token that is not accepted, end it.
    fn each(&mut self, accounts: Vec<String>, fail: Fail<'_>, work: &mut dyn FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        let mut unreachable = 0;
        for account in accounts {
            if self.has_given_up || self.failed.contains(&account) {
                continue;
            }
            (self.job.stopped)()?;
            let Err(error) = self.ask_zone(&account).and_then(|()| work(self, &account)) else { continue };
            let class = ErrorClass::of(&error);
            unreachable += u32::from(error.kind() == ErrorKind::Unavailable);
            if ends_the_run(&error) {
                return Err(error);
            }
            fail(error.with("account", &account));
            let is_for_all =
                matches!(class, Some(ErrorClass::Token | ErrorClass::Blocked | ErrorClass::Version | ErrorClass::Abuse));
            self.has_given_up = is_for_all || unreachable == 2;
            self.failed.insert(account);
        }
        Ok(())
    }

    /// Asks for an account's zone. Where Meta does not tell it, the one known before is taken, or that of the bot that lists the account.
    fn ask_zone(&mut self, account: &str) -> Result<()> {
        if self.pulled.contains_key(account) {
            return Ok(());
        }
        let zone = match self.client.account(account).and_then(|found| Ok((found.zone()?, found.timezone_name))) {
            Ok(zone) => zone,
            Err(error) => match (ErrorClass::of(&error), error.kind()) {
                (Some(ErrorClass::Permission | ErrorClass::Refused), _) | (None, ErrorKind::Data) => {
                    let zone = self.ledgers.accounts[account].zone;
                    self.warn(format!(
                        "Meta does not tell the time zone of account {account}, so {} is used: {error}",
                        zone.name()
                    ));
                    self.pulled.insert(account.to_string(), Pulled::default());
                    return Ok(());
                }
                _ => return Err(error),
            },
        };
        self.pulled.insert(account.to_string(), Pulled::default());
        let Some(known) = self.ledgers.accounts.get_mut(account) else { return Ok(()) };
        if let Some(before) = known.ledger.zone.replace(zone.1.clone()).filter(|before| *before != zone.1) {
            self.warnings.insert(format!("account {account} moved from zone {before} to {}: older days stay as fetched", zone.1));
        }
        known.zone = zone.0;
        for bot in self.job.settings.bots.iter().filter(|bot| bot.ad_accounts.iter().any(|listed| listed == account)) {
            if bot.zone != zone.0 {
                let (bot, own, theirs) = (&bot.id, bot.zone.name(), &zone.1);
                self.warn(format!(
                    "account {account} has its days in {theirs} and bot {bot} in {own}: cost and counts use different days"
                ));
            }
        }
        Ok(())
    }

    fn warn(&mut self, warning: String) {
        warn!("{warning}");
        self.warnings.insert(warning);
    }

    fn log(&self, text: &str) {
        info!("{text}");
    }

    fn pulled(&mut self, account: &str) -> &mut Pulled {
        self.pulled.entry(account.to_string()).or_default()
    }

    fn chunks(&mut self, account: &str, chunks: &[DayRange]) -> Result<()> {
        let mut left: usize = chunks.iter().map(|days| days.len()).sum();
        for days in chunks {
            (self.job.stopped)()?;
            self.chunk(account, *days)?;
            left -= days.len();
            info!(account, %days, days_left = left, "fetched from Meta");
        }
        Ok(())
    }

    fn chunk(&mut self, account: &str, days: DayRange) -> Result<()> {
        let at = self.now();
        let mut report: BTreeMap<Day, Vec<InsightRow>> = days.iter().map(|day| (day, Vec::new())).collect();
        for row in self.client.daily(account, days)? {
            report.entry(row.day).or_default().push(row.row);
        }
        let gone = self.gone(account, &report)?;
        let ads_gone: BTreeSet<&str> = gone.iter().map(|(_, row)| row.ad.as_str()).collect();
        let ads = ads_gone.into_iter().filter(|ad| due::may_be_asked(&self.ledgers, ad, at)).map(str::to_string).collect();
        let found = self.ask_ads(account, ads, days)?;
        for (day, row) in gone.into_iter().filter(|(_, row)| !found.contains_key(&row.ad)) {
            report.entry(day).or_default().push(row);
        }
        for (day, row) in found.into_values().flatten() {
            let rows = report.entry(day).or_default();
            if rows.iter().all(|known| known.ad != row.ad) {
                rows.push(row);
            }
        }
        let today = self.ledgers.accounts[account].zone.local_day(at);
        for (day, mut rows) in report {
            rows.sort_unstable_by(|a, b| a.ad.cmp(&b.ad));
            let fetched = self.land(
                account,
                day,
                &rows,
                FetchedDay {
                    at: At(at),
                    complete: day < today,
                    rows: rows.len() as u64,
                    fingerprint: fingerprint(&rows),
                    object: None,
                },
            )?;
            self.note_day(account, day, fetched);
            let pulled = self.pulled(account);
            pulled.days_fetched += 1;
            pulled.rows += rows.len() as u64;
        }
        self.write_ledger(account)
    }

    fn note_day(&mut self, account: &str, day: Day, fetched: FetchedDay) {
        if let Some(known) = self.ledgers.accounts.get_mut(account) {
            known.ledger.days.insert(day, fetched);
        }
    }

    /// The landed rows that a report does not have. What is not landed otherwise than the report has it is not read.
    fn gone(&self, account: &str, report: &BTreeMap<Day, Vec<InsightRow>>) -> Result<Vec<(Day, InsightRow)>> {
        let mut gone = Vec::new();
        for (day, rows) in report {
            let known = self.ledgers.accounts[account].ledger.days.get(day);
            let mut sorted = rows.clone();
            sorted.sort_unstable_by(|a, b| a.ad.cmp(&b.ad));
            if known.is_some_and(|known| known.fingerprint == fingerprint(&sorted)) {
                continue;
            }
            let is_gone = |row: &InsightRow| rows.iter().all(|fetched_now| fetched_now.ad != row.ad);
            gone.extend(self.readable_rows(account, *day)?.into_iter().filter(is_gone).map(|row| (*day, row)));
        }
        Ok(gone)
    }

    /// The rows that are landed. What cannot be read is fetched again, and is no row that Meta would have to take away.
    fn readable_rows(&self, account: &str, day: Day) -> Result<Vec<InsightRow>> {
        match self.landed(account, day) {
            Err(error) if error.kind() == ErrorKind::Data => Ok(Vec::new()),
            rows => rows,
        }
    }

    fn landed(&self, account: &str, day: Day) -> Result<Vec<InsightRow>> {
        let path = ledger::day_object(self.folder, account, day);
        let Some(object) = self.objects.get(&path) else { return Ok(Vec::new()) };
        let columns = TableMapping::identity(&schema::INSIGHTS);
        let partition = Partition::of(day, vec![object.clone()]);
        readable(|| insights::read_partition(&self.lake, &columns, &partition)).map(|landed| landed.rows)
    }

    /// Replaces an account's rows of a day where they are others; gives the entry with the object's version.
    fn land(&mut self, account: &str, day: Day, rows: &[InsightRow], fetched: FetchedDay) -> Result<FetchedDay> {
        let path = ledger::day_object(self.folder, account, day);
        let known = self.ledgers.accounts[account].ledger.days.get(&day);
        let landed = self.objects.get(&path).map(|object| object.version.clone());
        let is_same = known.is_some_and(|known| known.fingerprint == fetched.fingerprint && known.object == landed);
        if is_same || (rows.is_empty() && landed.is_none()) {
            return Ok(FetchedDay { object: landed, ..fetched });
        }
        let bytes = encode(&schema::insights().schema, &[insights_table(rows)?])?;
        if self.lake.get(&path)?.as_ref() == Some(&bytes) {
            return Ok(FetchedDay { object: landed, ..fetched });
        }
        self.lock.check()?;
        let size = bytes.len() as u64;
        let version = self.lake.publish(&path, bytes)?;
        self.objects.insert(path.clone(), Object::plain(path, size, version.clone()));
        self.pulled(account).days_changed += 1;
        Ok(FetchedDay { object: Some(version), ..fetched })
    }

    fn write_ledger(&self, account: &str) -> Result<()> {
        self.lock.check()?;
        write_json(&self.lake, &ledger::account_object(self.folder, account), &self.ledgers.accounts[account].ledger)
    }

    /// The rows of an account's ads by their ids, of those that Meta knows. What it answered is noted.
    fn ask_ads(
        &mut self,
        account: &str,
        ads: Vec<String>,
        days: DayRange,
    ) -> Result<BTreeMap<String, BTreeMap<Day, InsightRow>>> {
        let mut found = BTreeMap::new();
        let mut has_news = false;
        for answer in self.client.daily_of_ads(&ads, days)? {
            self.pulled(account).ads_asked += 1;
            match answer {
                AdAnswer::Found { ad, rows } if ad.account == account => {
                    found.insert(ad.ad, rows.into_iter().map(|row| (row.day, row.row)).collect());
                }
                AdAnswer::Found { ad, .. } => {
                    return Err(
                        Error::data(format!("an ad of account {account} now belongs to {}", ad.account)).with("ad", ad.ad)
                    );
                }
                AdAnswer::Foreign { ad } => {
                    has_news = true;
                    self.note_ad(&ad, days, Answered::Foreign);
                    self.pulled(account).ads_not_found += 1;
                }
                AdAnswer::Refused { ad, error } => {
                    has_news = true;
                    self.note_ad(&ad, days, Answered::Refused);
                    self.pulled(account).ads_not_found += 1;
                    self.warn(format!("Meta refuses to answer for ad {ad}, so its figures stay as they were: {error}"));
                }
            }
        }
        if has_news { self.write_ads().map(|()| found) } else { Ok(found) }
    }

    fn note_ad(&mut self, ad: &str, days: DayRange, answered: Answered) {
        let asked = AskedAd { at: At(self.now()), since: days.first, until: days.last, answered };
        self.ledgers.ads.insert(ad.to_string(), asked);
    }

    fn write_ads(&self) -> Result<()> {
        self.lock.check()?;
        write_json(&self.lake, &ledger::ads_object(self.folder), &self.ledgers.ads)
    }
}

/// Whether it is not Meta that fails, or somebody wants the run to stop.
fn ends_the_run(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Terminated | ErrorKind::Conflict | ErrorKind::Bug)
}
