//! Exact reach: how many people each ad reached in a range as a whole, which only Meta can count (rule 15). Goes into the output's
//! table `reach`, an object per last day of ranges. A range that Meta refuses has no rows: it is NULL in a report, with a warning.

use std::collections::BTreeMap;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema;
use crate::insights::due::{self, Due};
use crate::insights::graph_error::ErrorClass;
use crate::insights::landing::{ReachTableRow, reach_rows, reach_table};
use crate::insights::ledger::{At, FetchedReach};
use crate::lake::layout::day_object;
use crate::lake::{Put, decode, encode};
use crate::run::publish;

use super::{Fail, Pull, ends_the_run};

/// The reach of an account: the ranges that were answered, and their rows.
type ReachAnswers = BTreeMap<(String, Day, Day), Vec<ReachTableRow>>;

impl Pull<'_> {
    /// Pulls the reach of the trailing windows and months that are due. What Meta does not answer is a warning.
    pub(crate) fn reach(&mut self, first: Option<Day>, fail: Fail<'_>) -> Result<()> {
        let accounts: Vec<Due> = due::due(self.job.settings, self.api, &self.ledgers, self.now(), first);
        let due: BTreeMap<String, Vec<DayRange>> =
            accounts.into_iter().filter(|due| !due.reach.is_empty()).map(|due| (due.account, due.reach)).collect();
        let mut answered = ReachAnswers::new();
        self.each(due.keys().cloned().collect(), fail, &mut |pull, account| {
            let at = pull.now();
            let ranges = match pull.ledgers.accounts.get(account) {
                // The zone may have been told only now.
                Some(known) => due::reach_ranges(pull.api, due::fetchable(known, at)),
                None => return Ok(()),
            };
            let until = ranges.iter().map(|range| range.last).max();
            for error in pull.ask_reach(account, &ranges, &mut answered)? {
                if error.kind() == ErrorKind::Denied && ErrorClass::of(&error) == Some(ErrorClass::Token) {
                    return Err(error);
                }
                let is_refused = error.kind() != ErrorKind::Unavailable;
                pull.warn(format!("reach is not known: {error}"));
                if !is_refused {
                    return Ok(());
                }
            }
            if let Some((known, until)) = pull.ledgers.accounts.get_mut(account).zip(until) {
                known.ledger.reach = Some(FetchedReach { at: At(at), until });
            }
            Ok(())
        })?;
        self.publish_reach(answered)?;
        due.keys().try_for_each(|account| self.write_ledger(account))
    }

    /// Pulls the reach of one range, now.
    pub(crate) fn reach_of(&mut self, days: DayRange, fail: Fail<'_>) -> Result<()> {
        let accounts: Vec<String> = self.ledgers.accounts.keys().cloned().collect();
        let mut answered = ReachAnswers::new();
        self.each(accounts, fail, &mut |pull, account| {
            let fetchable = due::fetchable(&pull.ledgers.accounts[account], pull.now());
            if days.intersection(fetchable) != Some(days) {
                return Err(Error::usage(format!("Meta has figures for {fetchable} only")).mend("ask for days within these"));
            }
            pull.ask_reach(account, &[days], &mut answered)?.pop().map_or(Ok(()), Err)
        })?;
        self.publish_reach(answered)
    }

    /// Asks for all ranges at once; where that fails, one by one. Returns why ranges are not known.
    fn ask_reach(&mut self, account: &str, ranges: &[DayRange], answered: &mut ReachAnswers) -> Result<Vec<Error>> {
        let rows = match (self.client.reach(account, ranges, None), ranges) {
            (Ok(rows), _) => rows,
            (Err(error), _) if ends_the_run(&error) => return Err(error),
            (Err(error), [range]) => return Ok(vec![error.with("account", account).with("days", range)]),
            (Err(error), _) if error.kind() == ErrorKind::Unavailable || ErrorClass::of(&error) == Some(ErrorClass::Token) => {
                return Ok(vec![error.with("account", account)]);
            }
            (Err(_), _) => {
                let mut errors = Vec::new();
                for range in ranges {
                    errors.extend(self.ask_reach(account, &[*range], answered)?);
                }
                return Ok(errors);
            }
        };
        for range in ranges {
            answered.insert((account.to_string(), range.first, range.last), Vec::new());
        }
        for row in rows {
            let row = ReachTableRow::of(row)?;
            answered.entry((account.to_string(), row.since, row.until)).or_default().push(row);
        }
        self.pulled(account).reach_ranges += ranges.len() as u64;
        Ok(Vec::new())
    }

    fn publish_reach(&mut self, answered: ReachAnswers) -> Result<()> {
        let output = self.job.output;
        let published = output.published_days("reach")?;
        let mut by_last_day: BTreeMap<Day, ReachAnswers> = BTreeMap::new();
        for (key, rows) in answered {
            by_last_day.entry(key.2).or_default().insert(key, rows);
        }
        for (until, ranges) in by_last_day {
            let known = published.get(&until);
            let path = day_object("reach", until);
            let before = if known.is_some() { output.get(&path)? } else { None };
            // What another program put there is not kept.
            let batches = before.clone().and_then(|bytes| decode(bytes).ok()).unwrap_or_default();
            let mut rows: Vec<ReachTableRow> = batches.iter().filter_map(reach_rows).flatten().collect();
            rows.retain(|row| !ranges.contains_key(&(row.account.clone(), row.since, row.until)));
            rows.extend(ranges.into_values().flatten());
            rows.sort_unstable();
            let table = schema::reach();
            let bytes = encode(&table.schema, &[reach_table(&rows)?])?;
            if before.as_ref() == Some(&bytes) || (before.is_none() && rows.is_empty()) {
                continue;
            }
            publish::footer(&table, rows.len(), &bytes)?;
            self.lock.check()?;
            self.lock.publish(output, &Put { path, bytes, surveyed: known.cloned() })?;
        }
        Ok(())
    }
}
