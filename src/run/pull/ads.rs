//! Ads that an account's report leaves out, asked for by their ids: known from touches, and without a row where they should have
//! one. Their rows are landed among those of their account; what Meta answered is kept, so that it is not asked every night.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema::Raw;
use crate::insights::client::AdAnswer;
use crate::insights::due::{self, TouchedAd};
use crate::insights::landing::fingerprint;
use crate::insights::ledger::{Answered, At, FetchedDay};
use crate::insights::{InsightRow, InsightsIndex};
use crate::known::job::Places;
use crate::known::survey::{Lost, Survey};

use super::{Fail, Pull, ends_the_run};

/// How many ads are asked for before their rows are landed.
const ADS_PER_BATCH: usize = 50;

/// The rows of one account, by day.
type RowsOfAccount = BTreeMap<Day, Vec<InsightRow>>;

/// The ads that were touched, with the days on which they have rows. A post is no ad. An engine that keeps no rows tells none.
pub(crate) fn touched_ads(places: &Places<'_>, survey: &Survey, insights: &InsightsIndex) -> Result<BTreeMap<String, TouchedAd>> {
    let (settings, mut ads) = (places.settings, BTreeMap::<String, TouchedAd>::new());
    let Some(kept) = places.engine.rows() else { return Ok(ads) };
    let mut partitions = survey.extracted(Lost::Allowed);
    partitions.retain(|partition| partition.table == Raw::Messages);
    for touch in kept.load(settings, &partitions, None)?.each_touch().filter(|touch| touch.ad_type != Some("post")) {
        let Some(ad) = touch.ad else { continue };
        let bot = &settings.bots[touch.bot as usize];
        if !ads.contains_key(ad) {
            ads.insert(ad.to_string(), TouchedAd::default());
        }
        let Some(known) = ads.get_mut(ad) else { continue };
        if known.days.insert(bot.zone.local_day(touch.sent_at)) {
            known.accounts.extend(bot.ad_accounts.iter().cloned());
        }
    }
    for (day, rows) in &insights.days {
        for row in rows {
            if let Some(known) = ads.get_mut(&row.ad) {
                known.rows.insert(*day);
                known.accounts = BTreeSet::from([row.account.clone()]);
            }
        }
    }
    Ok(ads)
}

impl Pull<'_> {
    /// Asks for the ads that reports leave out; says whether any rows came in.
    pub(crate) fn left_out_ads(&mut self, touched: &BTreeMap<String, TouchedAd>, fail: Fail<'_>) -> Result<bool> {
        if self.has_given_up {
            return Ok(false);
        }
        let Some((days, ads)) = due::ads_due(&self.ledgers, touched, self.now()) else { return Ok(false) };
        self.log(&format!("asking Meta for {} ads that the accounts' reports leave out", ads.len()));
        let mut has_rows = false;
        for batch in ads.chunks(ADS_PER_BATCH) {
            let mut found: BTreeMap<String, RowsOfAccount> = BTreeMap::new();
            let mut failed = None;
            for ad in batch {
                (self.job.stopped)()?;
                match self.client.daily_of_ads(std::slice::from_ref(ad), days) {
                    Ok(answers) => answers.into_iter().for_each(|answer| self.take(answer, days, &mut found)),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            has_rows |= !found.is_empty();
            for (account, rows) in found {
                self.land_beside(&account, rows)?;
            }
            self.write_ads()?;
            if let Some(error) = failed {
                return self.tell(error, fail).map(|()| has_rows);
            }
        }
        Ok(has_rows)
    }

    fn take(&mut self, answer: AdAnswer, days: DayRange, found: &mut BTreeMap<String, RowsOfAccount>) {
        let (ad, answered) = match answer {
            AdAnswer::Found { ad, rows } if self.ledgers.accounts.contains_key(&ad.account) => {
                self.pulled(&ad.account).ads_asked += 1;
                for row in rows {
                    found.entry(ad.account.clone()).or_default().entry(row.day).or_default().push(row.row);
                }
                (ad.ad, Answered::Found)
            }
            AdAnswer::Found { ad, .. } => (ad.ad, Answered::Unlisted),
            AdAnswer::Foreign { ad } => (ad, Answered::Foreign),
            AdAnswer::Refused { ad, error } => {
                self.warn(format!("Meta refuses to answer for ad {ad}, so its cost is not known: {error}"));
                (ad, Answered::Refused)
            }
        };
        self.note_ad(&ad, days, answered);
    }

    /// Lands rows beside those of the account's other ads. Whether the day is whole stays as it was.
    fn land_beside(&mut self, account: &str, rows: RowsOfAccount) -> Result<()> {
        for (day, more) in rows {
            let mut all = match self.landed(account, day) {
                Ok(landed) => landed,
                // They are asked for again once the day is whole.
                Err(error) if error.kind() == ErrorKind::Data => {
                    self.warn(format!("ads found by their ids are not landed on {day}: {error}"));
                    self.ledgers.forget(account, day);
                    self.write_ads()?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            all.retain(|row| more.iter().all(|new| new.ad != row.ad));
            all.extend(more);
            all.sort_unstable_by(|a, b| a.ad.cmp(&b.ad));
            let known = self.ledgers.accounts[account].ledger.days.get(&day).cloned();
            let (at, complete) = known.as_ref().map_or((At(0), false), |known| (known.at, known.complete));
            let fetched = FetchedDay { at, complete, rows: all.len() as u64, fingerprint: fingerprint(&all), object: None };
            let fetched = self.land(account, day, &all, fetched)?;
            if known.is_some() {
                self.note_day(account, day, fetched);
            }
        }
        self.write_ledger(account)
    }

    /// Tells what failed, unless it ends the run.
    pub(super) fn tell(&self, error: Error, fail: Fail<'_>) -> Result<()> {
        if ends_the_run(&error) {
            return Err(error);
        }
        fail(error);
        Ok(())
    }
}
