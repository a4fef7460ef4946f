//! Survey: what is there, by listings and receipts only. Every command that decides something starts with one.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, DayRange};
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::base::parallel::at_once;
use crate::base::schema::{DAY_TABLES, Raw};
use crate::config::Settings;
use crate::engine::Engine;
use crate::engine::request::ExtractedPartition;
use crate::extract::fingerprints::{self, ReadingSettings, insights_settings, raw_settings};
use crate::extract::found::RawContent;
use crate::extract::reading::{Reading, history, history_holds, unnamed_history_holds};
use crate::insights::due::Due;
use crate::insights::ledger::Ledgers;
use crate::known::in_lake::ListedTables;
use crate::known::job::Places;
use crate::known::receipts::Book;
use crate::known::sync_days::KeptSyncDays;
use crate::lake::layout::{ADS_OBJECT, rejected_partition};
use crate::lake::{Lake, Listing, Partition, read_json};
use crate::plan::accepted::{ACCEPTED_OBJECT, Accepted};
use crate::plan::calendar::Calendar;
use crate::plan::receipt::PartitionReceipt;
use crate::plan::stages::{PartitionStep, Seen, Tried};
use crate::plan::wanted::Wanted;
use crate::plan::{PlanInputs, Planner};
use std::sync::Arc;

pub(crate) struct Survey {
    pub messages: Listing,
    pub events: Listing,
    pub insights: Listing,
    /// Why the insights as a whole cannot be read, where they cannot: nothing is told of them then, and nothing forgotten.
    pub insights_away: Option<String>,
    /// The objects of the alias table.
    pub identities: Vec<Object>,
    /// What is said of other files there.
    aliases_left_out: Option<String>,
    /// The published days, by table.
    pub published: BTreeMap<&'static str, BTreeMap<Day, Object>>,
    pub published_ads: Option<Object>,
    /// The versions of what the engine has stored of partitions.
    stored: BTreeMap<(Raw, Day), String>,
    /// The partitions of which something is stored, or rows were set aside.
    leavings: BTreeSet<(Raw, Day)>,
    pub receipts: Book,
    pub accepted: Accepted,
    /// What was fetched from Meta; none where others land the insights.
    pub ledgers: Option<Ledgers>,
    /// Which days the files of a sync have rows of, where the folders are not the figures' days; and as it was kept.
    pub sync_days: KeptSyncDays,
}

/// What to do about rows that have a receipt and are not stored any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Whoever needs them fails.
    Refused,
    /// They are left out: for a look at what is known.
    Allowed,
}

/// A partition is read again, but what is in it is known.
pub(crate) const WORKING_TABLE_LOST: &str = "working table lost";

/// What a command asks, beside what a survey tells.
pub(crate) struct StageInputs<'a> {
    pub(crate) wanted: Wanted,
    /// What is due of Meta's figures.
    pub(crate) due: Vec<Due>,
    pub(crate) tried: &'a Tried,
}

/// A partition that could not be read is tried again.
const REFUSED_BEFORE: &str = "could not be read before";

/// A partition that was accepted under a larger share is read again, and refused.
pub(crate) const TOO_MANY_REJECTED: &str = "more rejected rows than max_rejected_share allows";

/// How partitions of a raw table would be read now.
pub(super) struct ReadNow<'a> {
    pub settings: &'a Settings,
    pub table: Raw,
    pub of: ReadingSettings,
    reading: Reading,
}

impl<'a> ReadNow<'a> {
    pub(super) fn of(settings: &'a Settings, table: Raw) -> ReadNow<'a> {
        ReadNow { settings, table, of: raw_settings(settings, table), reading: Reading::of(settings, table) }
    }
}

/// What is there of the output.
struct InOutput {
    published: BTreeMap<&'static str, BTreeMap<Day, Object>>,
    ads: Vec<Object>,
    rows: BTreeMap<(Raw, Day), String>,
    rejected: Vec<Object>,
    receipts: Book,
    accepted: Accepted,
}

impl InOutput {
    fn take(output: &Lake, settings: &Settings, engine: &dyn Engine) -> Result<InOutput> {
        let listed = || -> Result<_> {
            let days = DAY_TABLES.into_iter().map(|table| Ok((table, output.published_days(table)?)));
            let published = days.collect::<Result<BTreeMap<_, _>>>()?;
            Ok((published, engine.stored()?, output.list("ads")?, output.list("rejected")?))
        };
        let (listed, receipts) = at_once(listed, || Book::read(output))?;
        let (published, rows, ads, rejected) = listed?;
        let accepted = read_json(output, ACCEPTED_OBJECT)?.unwrap_or_default();
        let mut receipts = receipts?;
        for table in Raw::BOTH {
            let (before, now) = (fingerprints::accepted_before(settings, table), raw_settings(settings, table).settings);
            receipts.raw_mut(table).change(|receipt| {
                let is_old = receipt.settings == before;
                if is_old {
                    receipt.settings = now;
                }
                is_old
            });
        }
        Ok(InOutput { published, rows, ads, rejected, receipts, accepted })
    }
}

impl Survey {
    pub(crate) fn take(places: &Places<'_>) -> Result<Survey> {
        let Places { settings, lake, output, engine } = *places;
        let (listed, stored) = at_once(|| ListedTables::list(lake, settings), || InOutput::take(output, settings, engine))?;
        let stored = stored?;
        let landed = listed?.settled(places, &stored.receipts)?;
        let rejected = stored.rejected.iter().filter_map(|object| rejected_partition(&object.path));
        let leavings = stored.rows.keys().copied().chain(rejected).collect();
        let mut survey = Survey {
            leavings,
            insights: landed.insights,
            insights_away: landed.insights_away.map(|error| error.to_string()),
            ledgers: landed.ledgers,
            sync_days: landed.sync_days,
            identities: landed.identities,
            aliases_left_out: landed.aliases_left_out,
            published_ads: stored.ads.into_iter().find(|object| object.path == ADS_OBJECT),
            stored: stored.rows,
            receipts: stored.receipts,
            accepted: stored.accepted,
            messages: landed.messages,
            events: landed.events,
            published: stored.published,
        };
        survey.put_aside(settings);
        Ok(survey)
    }

    pub(crate) fn raw(&self, table: Raw) -> &Listing {
        match table {
            Raw::Messages => &self.messages,
            Raw::Events => &self.events,
        }
    }

    pub(crate) fn calendar(&self, settings: &Settings) -> Calendar {
        let days = |listing: &Listing| listing.partitions.keys().copied().collect::<Vec<Day>>();
        let mut calendar = Calendar::new(settings, days(&self.messages), days(&self.events));
        for table in Raw::BOTH {
            let first = self.raw(table).partitions.keys().next().copied();
            calendar.retire(table, self.accepted.retired(table.table(), first));
        }
        for (table, day) in calendar.retired(DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) }) {
            if self.receipts.raw(table).get(day).is_none() || self.is_lost(table, day) {
                calendar.lose(table, day);
            }
        }
        self.note_away(settings, &mut calendar);
        if self.insights_away.is_some() {
            calendar.note_insights_away();
        }
        calendar
    }

    /// Whether something of this partition is stored, or rows of it were set aside.
    pub(crate) fn has_leavings(&self, table: Raw, day: Day) -> bool {
        self.leavings.contains(&(table, day))
    }

    /// Notes what was stored of a partition after the look.
    pub(crate) fn note_stored(&mut self, table: Raw, day: Day, version: String) {
        self.stored.insert((table, day), version);
    }

    fn stored_version(&self, table: Raw, day: Day) -> Option<&String> {
        self.stored.get(&(table, day))
    }

    /// How many rows count of all partitions that were read.
    pub(crate) fn accepted_rows(&self) -> u64 {
        Raw::BOTH.into_iter().flat_map(|table| self.receipts.raw(table).iter()).map(|(_, receipt)| receipt.content.accepted).sum()
    }

    /// The partitions whose rows count, as an engine is asked for them.
    pub(crate) fn extracted(&self, lost: Lost) -> Vec<ExtractedPartition<'_>> {
        let of_table = |table: Raw| self.receipts.raw(table).iter().map(move |(day, receipt)| (table, day, receipt));
        let all = Raw::BOTH.into_iter().flat_map(of_table);
        let there = all.filter(|(table, day, _)| lost == Lost::Refused || !self.is_lost(*table, *day));
        let partitions = there.map(|(table, day, receipt)| {
            // What is stored of retired partitions is nobody's to write, whatever its receipt says.
            let is_landed = self.raw(table).partitions.contains_key(&day);
            let version = if is_landed { receipt.stored.as_ref() } else { self.stored_version(table, day) };
            let (version, content) = (version.map(String::as_str), &receipt.content);
            ExtractedPartition { table, day, inputs: &receipt.inputs, version, content }
        });
        partitions.collect()
    }

    /// The planner over these receipts.
    pub(crate) fn planner<'a>(&'a self, settings: &'a Settings, calendar: &'a Calendar) -> Planner<'a> {
        Planner::new(self.plan_inputs(settings, calendar), Arc::default())
    }

    /// What the receipts tell a planner.
    pub(crate) fn plan_inputs<'a>(&'a self, settings: &'a Settings, calendar: &'a Calendar) -> PlanInputs<'a> {
        let Book { messages, events, insights, days, ads, identities, .. } = &self.receipts;
        PlanInputs {
            settings,
            calendar,
            messages,
            events,
            insights,
            days,
            published: &self.published,
            fetched: self.ledgers.as_ref(),
            aliases: identities.as_ref().map(|receipt| &receipt.marks),
            places: ads.as_ref().map(|receipt| &receipt.marks),
            setting_changes: self.accepted.changes(settings),
            changes: Vec::new(),
        }
    }

    /// What there is to do, as far as this survey tells; `due` is what is due of Meta's figures.
    pub(crate) fn seen<'a>(&'a self, planner: &'a Planner<'a>, settings: &Settings, asked: StageInputs<'a>) -> Seen<'a> {
        let receipt = self.receipts.identities.as_ref();
        Seen {
            planner,
            wanted: asked.wanted,
            gone: self.gone(planner.calendar()),
            unread: self.unread(settings),
            due: asked.due,
            aliases_are_known: receipt.is_some_and(|receipt| receipt.knows(&self.identities, settings)),
            is_accepted: self.accepted.covers(&self.accepted_now(settings, planner.calendar())),
            ads: self.receipts.ads.as_ref(),
            published_ads: self.published_ads.as_ref().map(|object| &object.version),
            tried: asked.tried,
        }
    }

    /// The partitions of which what is stored, or the receipt, is not of what has landed.
    pub(crate) fn unread(&self, settings: &Settings) -> Vec<PartitionStep> {
        let mut steps = Vec::new();
        for table in Raw::BOTH {
            let of = raw_settings(settings, table);
            let refused = self.refused_of(settings, table);
            for (day, partition) in self.raw(table).partitions.iter().filter(|(day, _)| !refused.contains_key(day)) {
                let reason = self.reason_to_read((table, partition), of, settings);
                steps.extend(reason.map(|reason| PartitionStep {
                    table: table.table(),
                    day: *day,
                    reason,
                    bytes: partition.bytes(),
                }));
            }
        }
        let listed = insights_settings(settings);
        for (day, partition) in &self.insights.partitions {
            let reason = match self.receipts.insights.get(*day) {
                None => Some("new partition"),
                Some(receipt) => receipt.mismatch(&partition.objects, listed),
            };
            steps.extend(reason.map(|reason| PartitionStep { table: "insights", day: *day, reason, bytes: partition.bytes() }));
        }
        steps
    }

    /// Why a landed partition is to be read; none where its receipt is of what has landed.
    pub(super) fn reason_to_read(
        &self,
        (table, partition): (Raw, &Partition),
        of: ReadingSettings,
        settings: &Settings,
    ) -> Option<&'static str> {
        let Some(receipt) = self.receipts.raw(table).get(partition.day) else {
            let is_refused = self.receipts.refused(table).get(partition.day).is_some();
            return Some(if is_refused { REFUSED_BEFORE } else { "new partition" });
        };
        let is_over = || (!receipt.content.is_within(settings.max_rejected_share)).then_some(TOO_MANY_REJECTED);
        let is_lost = || self.is_lost(table, partition.day).then_some(WORKING_TABLE_LOST);
        receipt.mismatch(&partition.objects, of).or_else(is_over).or_else(is_lost)
    }

    /// Receipts of partitions that are gone for good: what was made from them is forgotten. Of the retired ones, which nobody can read
    /// again, only those of which what was stored is lost; those that vanished from among others are waited for, and go on counting.
    pub(crate) fn gone(&self, calendar: &Calendar) -> Vec<(&'static str, Day)> {
        let mut gone = Vec::new();
        for table in Raw::BOTH {
            let present = &self.raw(table).partitions;
            let is_kept = |day: Day, stored: &Option<String>| {
                calendar.is_retired(table, day) && stored.as_ref() == self.stored_version(table, day)
            };
            let receipts = self.receipts.raw(table).iter();
            let is_gone = |day: &Day| !present.contains_key(day) && !calendar.has_vanished(table, *day);
            let forgotten = receipts.filter(|(day, receipt)| is_gone(day) && !is_kept(*day, &receipt.stored));
            let forgotten: BTreeSet<Day> = forgotten.map(|(day, _)| day).collect();
            // What a partition left that was refused before it went.
            let leavings =
                self.leavings.iter().filter(|(of, day)| *of == table && is_gone(day) && !calendar.is_retired(table, *day));
            let days: BTreeSet<Day> = leavings.map(|(_, day)| *day).chain(forgotten).collect();
            gone.extend(days.into_iter().map(|day| (table.table(), day)));
        }
        let days = self.receipts.insights.iter().map(|(day, _)| day).filter(|_| self.insights_away.is_none());
        gone.extend(days.filter(|day| !self.insights.partitions.contains_key(day)).map(|day| ("insights", day)));
        gone
    }

    /// Forgets what was made from partitions, here and not in the output.
    pub(crate) fn forget(&mut self, gone: &[(&'static str, Day)]) {
        for (name, day) in gone {
            let Some(table) = Raw::BOTH.into_iter().find(|table| table.table() == *name) else {
                self.receipts.insights.forget(*day);
                continue;
            };
            self.receipts.raw_mut(table).forget(*day);
            self.receipts.refused_mut(table).forget(*day);
            self.leavings.remove(&(table, *day));
            self.stored.remove(&(table, *day));
        }
    }

    /// Whether what was stored of a partition that was read is not there, or not as it was.
    pub(crate) fn is_lost(&self, table: Raw, day: Day) -> bool {
        let receipt = self.receipts.raw(table).get(day);
        receipt.is_some_and(|receipt| receipt.stored.as_ref() != self.stored_version(table, day))
    }

    /// The state of each published day's aliases.
    pub(crate) fn built_under_aliases(&self) -> impl Iterator<Item = (Day, Digest)> {
        self.receipts.days.iter().map(|(day, receipt)| (day, receipt.aliases))
    }

    /// The state of each published day's places of ads.
    pub(crate) fn built_under_places(&self) -> impl Iterator<Item = (Day, Digest)> {
        self.receipts.days.iter().map(|(day, receipt)| (day, receipt.places))
    }

    /// Which ids count as which bot's.
    pub(crate) fn bots_of_ids(&self, settings: &Settings) -> Digest {
        fingerprints::identities(settings)
    }

    /// What is accepted once these partitions have been built from.
    pub(crate) fn accepted_now(&self, settings: &Settings, calendar: &Calendar) -> Accepted {
        let watermark = calendar.last().map_or(i64::MIN, |last| settings.landed_until(last));
        let read = |table: Raw| {
            let first = *self.raw(table).partitions.keys().next()?;
            let receipts = self.receipts.raw(table);
            let read = receipts.iter().chain(receipts.aside()).map(|(day, _)| day);
            // One that cannot be read now was read once, and its days were published.
            let away = self.raw(table).partitions.keys().copied().chain(self.vanished_of(settings, table));
            let days = read.chain(away.filter(|day| self.accepted.has_read(table.table(), *day))).collect();
            Some((table.table().to_string(), (first, days)))
        };
        let mut accepted = self.accepted.after(settings, watermark, Raw::BOTH.into_iter().filter_map(read).collect());
        let now = Raw::BOTH.map(|table| (raw_settings(settings, table).settings, Reading::of(settings, table)));
        accepted.readings.extend(now);
        accepted.histories.insert(fingerprints::conversion_history(settings), history(settings));
        let receipts = || Raw::BOTH.into_iter().map(|table| self.receipts.raw(table));
        let all = receipts().flat_map(|receipts| receipts.iter().chain(receipts.aside()));
        let (readings, histories): (BTreeSet<Digest>, BTreeSet<Digest>) =
            all.map(|(_, receipt)| (receipt.settings, receipt.history)).unzip();
        accepted.readings.retain(|digest, _| readings.contains(digest));
        accepted.histories.retain(|digest, _| histories.contains(digest));
        accepted
    }

    /// The retired partitions whose rows were read under settings that hold no more, by table.
    pub(crate) fn retired_aside(&self) -> impl Iterator<Item = (Raw, usize)> + '_ {
        let count = |table: Raw| {
            let first = self.raw(table).partitions.keys().next().copied();
            (table, self.receipts.raw(table).aside().filter(|(day, _)| Some(*day) < first).count())
        };
        Raw::BOTH.into_iter().map(count).filter(|(_, count)| *count > 0)
    }

    /// Rows that nobody can read again, of retired partitions and of those that are away, count as long as the settings that made
    /// them hold.
    fn put_aside(&mut self, settings: &Settings) {
        for table in Raw::BOTH {
            let now = ReadNow::of(settings, table);
            let first = self.raw(table).partitions.keys().next().copied();
            let retired = self.accepted.retired(table.table(), first);
            let is_retired = |day: Day| retired.iter().any(|days| days.contains(day));
            let away = self.away_of(settings, table);
            let is_aside = |day: Day, receipt: &PartitionReceipt<RawContent>| {
                (is_retired(day) && !self.holds(&now, day, receipt)) || (away.contains(&day) && !self.counts_on(&now, day))
            };
            let aside = self.receipts.raw(table).iter().filter(|(day, receipt)| is_aside(*day, receipt));
            let aside: Vec<Day> = aside.map(|(day, _)| day).collect();
            let receipts = self.receipts.raw_mut(table);
            aside.into_iter().for_each(|day| receipts.put_aside(day));
        }
    }

    /// Whether rows that were read before would be the same if they were read now, as far as settings tell. What an earlier version
    /// made of them is the best that will ever be known.
    pub(super) fn holds(&self, now: &ReadNow<'_>, day: Day, receipt: &PartitionReceipt<RawContent>) -> bool {
        let is_read_alike = || {
            let then = self.accepted.readings.get(&receipt.settings);
            then.is_some_and(|then| then.holds_under(&now.reading, &receipt.content.out_of_scope))
        };
        let is_same_history = || match self.accepted.histories.get(&receipt.history) {
            Some(then) => history_holds(then, now.settings, day),
            None => unnamed_history_holds(receipt.history, now.settings, day),
        };
        (receipt.settings == now.of.settings || is_read_alike()) && (receipt.history == now.of.history || is_same_history())
    }

    /// What is said of files that are not read, each with its table.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let listings = [("messages", &self.messages), ("events", &self.events), ("insights", &self.insights)];
        let of_tables = listings.into_iter().flat_map(|(table, listing)| listing.left_out.iter().map(move |text| (table, text)));
        of_tables.chain(self.aliases_left_out.iter().map(|text| ("identities", text)))
    }
}
