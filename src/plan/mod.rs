//! The plan: which days are stale, and why. Pure: receipts and settings in, steps out; run walks them, plan prints them.
//!
//! A day is a function of the rows it can depend on (its own, those of the horizon and the copies before it, and copies that
//! can shadow its unattributed touches after it), of the settings that matter to it, of Meta's figures of the day, and of what
//! has landed. [`Planner::expected`] computes digests of all that from the receipts of the partitions; a day whose receipt says
//! otherwise is stale. So a late row affects exactly the days that rule 21 names, without a lookback constant.
//!
//! ```text
//! accepted.rs          what was accepted once and stays
//! bot_rows.rs          rows by local day, as receipts tell
//! calendar.rs          which days can be built, which are complete
//! damage.rs            published objects that are lost and cannot be made again now
//! insights_status.rs   whether Meta's figures are there, and final
//! lost_rows.rs         days that were built from rows that do not count any more
//! marks.rs             days affected by what digests do not tell
//! reason.rs            why a day is stale, in words
//! receipt.rs           what a stored thing was made from
//! stages.rs            what there is to do, in order: run does it, plan prints it
//! steps.rs             the days to build, and those that stay
//! wanted.rs            which days a run is asked to build
//! ```

pub(crate) mod accepted;
pub(crate) mod bot_rows;
pub(crate) mod calendar;
pub(crate) mod damage;
pub(crate) mod insights_status;
mod lost_rows;
pub(crate) mod marks;
pub(crate) mod reason;
pub(crate) mod receipt;
pub(crate) mod stages;
mod steps;
pub(crate) mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::base::day::{Day, DayRange};
use crate::base::digest::Digest;
use crate::base::limits::{self, COPY_DAYS, DAYS_AHEAD, DAYS_LATE, FINAL_AFTER_DAYS};
use crate::base::object::Object;
use crate::base::parallel::on_all_cores;
use crate::base::schema::{LOGIC, Raw};
use crate::config::{Bot, Settings};
use crate::extract::fingerprints;
use crate::extract::found::RawContent;
use crate::insights::InsightsContent;
use crate::insights::ledger::Ledgers;
use crate::plan::bot_rows::BotRows;
use crate::plan::calendar::{AwaitedDays, Calendar};
use crate::plan::insights_status::insights_status;
use crate::plan::marks::Marks;
use crate::plan::reason::{Change, DayStep, Reason};
use crate::plan::receipt::{DayReceipt, PartitionReceipt, Receipts};
pub(crate) use crate::plan::steps::{Damaged, Steps};

/// What is worked out from the receipts of partitions, once: for all planners over the same ones.
#[derive(Default)]
pub(crate) struct WorkedOut {
    rows: Arc<OnceLock<Vec<BotRows>>>,
    expected: OnceLock<BTreeMap<Day, DayReceipt>>,
}

impl WorkedOut {
    /// What stays of it where only Meta's figures are others.
    pub(crate) fn with_other_figures(&self) -> WorkedOut {
        WorkedOut { rows: self.rows.clone(), expected: OnceLock::new() }
    }
}

/// All that a plan depends on.
pub(crate) struct PlanInputs<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) calendar: &'a Calendar,
    pub(crate) messages: &'a Receipts<PartitionReceipt<RawContent>>,
    pub(crate) events: &'a Receipts<PartitionReceipt<RawContent>>,
    pub(crate) insights: &'a Receipts<PartitionReceipt<InsightsContent>>,
    pub(crate) days: &'a Receipts<DayReceipt>,
    pub(crate) published: &'a BTreeMap<&'static str, BTreeMap<Day, Object>>,
    /// What was fetched from Meta; none where others land the insights.
    pub(crate) fetched: Option<&'a Ledgers>,
    /// The days that aliases affected, and ads at other places; none where nothing is known of it.
    pub(crate) aliases: Option<&'a Marks>,
    pub(crate) places: Option<&'a Marks>,
    /// Per bot id, the day from which its conversion events are others than before.
    pub(crate) setting_changes: BTreeMap<String, Day>,
    /// The partitions that this run has read.
    pub(crate) changes: Vec<Change>,
}

/// What to build, and why.
pub(crate) struct Planner<'a> {
    inputs: PlanInputs<'a>,
    worked_out: Arc<WorkedOut>,
    awaited: AwaitedDays<'a>,
    settings_digest: Digest,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(inputs: PlanInputs<'a>, worked_out: Arc<WorkedOut>) -> Planner<'a> {
        let (awaited, settings_digest) = (inputs.calendar.awaited_days(), fingerprints::days(inputs.settings));
        Planner { inputs, worked_out, awaited, settings_digest }
    }

    pub(crate) fn calendar(&self) -> &'a Calendar {
        self.inputs.calendar
    }

    pub(crate) fn bots(&self) -> &'a [Bot] {
        &self.inputs.settings.bots
    }

    /// The rows of each bot, in the order of the settings.
    fn rows(&self) -> &[BotRows] {
        self.worked_out.rows.get_or_init(|| {
            let bots = &self.inputs.settings.bots;
            let of_bot = |bot: &Bot| BotRows::new(bot, self.inputs.messages, self.inputs.events);
            let rows = on_all_cores(bots, |bot| Ok(of_bot(bot)));
            // What a worker could not do is done again here, where it cannot go unseen.
            rows.into_iter().zip(bots).map(|(rows, bot)| rows.unwrap_or_else(|_| of_bot(bot))).collect()
        })
    }

    /// From the first local day with a usable row to the last day with both partitions.
    pub(crate) fn range(&self) -> Option<DayRange> {
        let first = self.rows().iter().filter_map(BotRows::first).min()?;
        DayRange::new(first, self.inputs.calendar.last()?)
    }

    /// The first local day with a usable row; before any is read, the first of the lake.
    pub(crate) fn first_conversation_day(&self) -> Option<Day> {
        self.range().map(|range| range.first).or(self.inputs.calendar.first())
    }

    /// The receipt that a day would have if it were built now, but for its objects.
    pub(crate) fn expected(&self, day: Day) -> DayReceipt {
        let of_range = self.worked_out.expected.get_or_init(|| {
            let days: Vec<Day> = self.range().into_iter().flat_map(DayRange::iter).collect();
            let receipts = on_all_cores(&days, |other| Ok(self.expected_of(*other)));
            days.into_iter().zip(receipts).filter_map(|(other, receipt)| Some((other, receipt.ok()?))).collect()
        });
        let expected = of_range.get(&day).cloned().unwrap_or_else(|| self.expected_of(day));
        let tip = |marks: Option<&Marks>| marks.map_or(Digest::NONE, Marks::tip);
        let without = self.lost_rows(day);
        DayReceipt { aliases: tip(self.inputs.aliases), places: tip(self.inputs.places), without, ..expected }
    }

    fn first_affecting(&self, day: Day) -> Day {
        let settings = self.inputs.settings;
        settings.bots.iter().map(|bot| first_affecting(settings, bot, day)).min().unwrap_or(day)
    }

    fn expected_of(&self, day: Day) -> DayReceipt {
        let bots = || self.inputs.settings.bots.iter().zip(self.rows().iter());
        let known = self.inputs.insights.get(day).filter(|_| !self.inputs.calendar.are_insights_away());
        let content = known.map(|receipt| &receipt.content);
        let insights = content.map(|content| &content.accounts);
        let of_settings = self.inputs.settings.insights.as_ref();
        let all_whole = content.zip(of_settings).is_some_and(|(content, of)| content.is_whole(of));
        let fetched = self.inputs.fetched.filter(|_| !self.inputs.calendar.are_insights_refused(day));
        let figures = insights.into_iter().flatten().map(|(account, figures)| format!("{account} {figures}"));
        // Where others land the table, a day with rows is whole: the figures tell.
        let whole = fetched.into_iter().flat_map(|ledgers| ledgers.whole_on(day)).map(|account| format!("{account} whole"));
        let whole = whole.chain(all_whole.then(|| "all whole".to_string()));
        let newest = self.inputs.insights.last();
        let is_whole = |account: &str| match self.inputs.fetched {
            Some(_) => fetched.is_some_and(|ledgers| ledgers.is_whole(account, day)),
            None => all_whole || insights.is_some_and(|accounts| accounts.contains_key(account)),
        };
        let is_final = |account: &str| match self.inputs.fetched {
            Some(ledgers) => ledgers.is_final(account, day),
            None => newest >= Some(day.plus(FINAL_AFTER_DAYS)),
        };
        let statuses =
            self.inputs.settings.bots.iter().map(|bot| insights_status(self.inputs.settings, bot, &is_whole, &is_final));
        let rejected = self.inputs.settings.bots.iter().map(|bot| self.rejected(&bot.id, day).to_string());
        let configured = self.inputs.settings.bots.iter().map(|bot| bot.is_configured_on(day).to_string());
        let complete = |bot: &Bot| if self.awaited.is_complete(bot, day) { '1' } else { '0' };
        DayReceipt {
            logic: [LOGIC.ad_conversions, LOGIC.ad_days, LOGIC.bot_days],
            settings: Digest::of_texts(std::iter::once(self.settings_digest.to_string()).chain(configured)),
            own_rows: self.own_rows(day),
            rows_affecting: bots().fold(Digest::NONE, |sum, (bot, rows)| {
                sum.plus(rows.affecting(bot, first_affecting(self.inputs.settings, bot, day), day))
            }),
            complete: self.inputs.settings.bots.iter().map(complete).collect(),
            insights_status: statuses.collect::<Vec<_>>().join(" "),
            insights: Digest::of_texts(figures.chain(whole)),
            rejected: Digest::of_texts(rejected),
            ..DayReceipt::default()
        }
    }

    /// The rows of all bots on one day.
    fn own_rows(&self, day: Day) -> Digest {
        let bots = self.inputs.settings.bots.iter().zip(self.rows().iter());
        bots.fold(Digest::NONE, |sum, (bot, rows)| sum.plus(rows.own(bot, day)))
    }

    /// The rows set aside in a day's partitions.
    pub(crate) fn rejected(&self, bot: &str, day: Day) -> u64 {
        [self.inputs.messages, self.inputs.events]
            .iter()
            .filter_map(|receipts| receipts.get(day))
            .map(|receipt| receipt.content.rejected_of(bot))
            .sum()
    }

    /// Why a day is stale; none when it is as it should be.
    pub(crate) fn staleness(&self, day: Day) -> Option<Reason> {
        let Some(receipt) = self.inputs.days.get(day) else {
            return Some(if self.is_published(day) { Reason::ReceiptLost } else { Reason::NeverBuilt });
        };
        if let Some(reason) = &receipt.stale {
            return Some(Reason::Marked(reason.clone()));
        }
        let marked = self.inputs.aliases.and_then(|marks| marks.reason(day, receipt.aliases));
        let marked = marked.or_else(|| self.inputs.places.and_then(|marks| marks.reason(day, receipt.places)));
        if let Some(reason) = marked {
            return Some(Reason::Marked(reason.to_string()));
        }
        if let Some(table) = self.damaged_table(day) {
            return Some(Reason::ObjectChanged(table));
        }
        let expected = self.expected(day);
        if receipt.logic != expected.logic {
            return Some(Reason::LogicChanged);
        }
        if receipt.rows_affecting != expected.rows_affecting {
            return Some(self.why_rows_changed(day));
        }
        if receipt.settings != expected.settings {
            return Some(self.why_settings_changed(day).unwrap_or(Reason::SettingsChanged));
        }
        // While they cannot be read, what was published of them stays.
        let are_figures_told = !self.inputs.calendar.are_insights_away();
        if are_figures_told && receipt.insights != expected.insights {
            return Some(if receipt.insights == Digest::of_texts::<&str>([]) {
                Reason::InsightsLanded
            } else {
                Reason::MetaRestated
            });
        }
        if receipt.complete != expected.complete {
            let all = expected.complete.bytes().all(|flag| flag == b'1');
            return Some(if all { Reason::BecameComplete } else { Reason::CompletenessChanged });
        }
        if are_figures_told && receipt.insights_status != expected.insights_status {
            return Some(Reason::InsightsStatusChanged);
        }
        (receipt.rejected != expected.rejected).then_some(Reason::RejectedRowsChanged)
    }

    /// The days that were built from other rows or settings than those of now, in order. What may have changed besides, such as an
    /// alias, cannot be told from the rows of now.
    pub(crate) fn built_from_others(&self) -> impl Iterator<Item = (Day, Reason)> {
        let reason = |day: Day| self.staleness(day).filter(|reason| !reason.leaves_counts());
        self.inputs.days.iter().filter_map(move |(day, _)| Some((day, reason(day)?)))
    }

    /// Whether a day was built under other settings than those of now, whatever became of its rows.
    pub(crate) fn has_other_settings(&self, day: Day) -> bool {
        self.inputs.days.get(day).is_some_and(|receipt| receipt.settings != self.expected(day).settings)
    }

    fn why_settings_changed(&self, day: Day) -> Option<Reason> {
        let (bot, from) = self.inputs.setting_changes.iter().find(|(_, from)| **from <= day)?;
        Some(Reason::SettingChanged { bot: bot.clone(), from: *from })
    }

    fn why_rows_changed(&self, day: Day) -> Reason {
        let first = self.first_affecting(day);
        let own_changed = |other: &Day| {
            let own = self.own_rows(*other);
            self.inputs.days.get(*other).map_or(own != Digest::NONE, |receipt| receipt.own_rows != own)
        };
        let touched: BTreeSet<Day> = self.inputs.changes.iter().flat_map(|change| &change.local_days).copied().collect();
        let mut candidates = DayRange { first, last: day }.iter();
        let changed =
            candidates.find(|other| touched.contains(other)).or_else(|| DayRange { first, last: day }.iter().find(own_changed));
        let Some(on) = changed else {
            let copies = touched.range(day.next()..=day.plus(COPY_DAYS + 1)).next();
            return copies.map_or(Reason::RowsChanged { on: day }, |on| Reason::CopiesCame { on: *on });
        };
        if let Some(reason) = self.why_settings_changed(on)
            && self.inputs.changes.iter().filter(|change| change.local_days.contains(&on)).all(|change| !change.is_new)
        {
            return reason;
        }
        let of_day = self.inputs.changes.iter().filter(|change| change.local_days.contains(&on));
        match of_day.max_by_key(|change| (change.is_new, change.day)) {
            Some(change) if !change.is_new => Reason::PartitionChanged { table: change.table, day: change.day },
            // A partition brings rows of its own day, and of the day before for zones west of UTC.
            Some(change) if on >= change.day.plus(-1) && day <= change.day.next() => {
                Reason::NewPartition { table: change.table, day: change.day }
            }
            Some(_) => Reason::LateRows { back_to: on },
            None => Reason::RowsChanged { on },
        }
    }

    /// The days to build and the days kept back with what blocks them. `asked` days are built whatever their state.
    pub(crate) fn steps(&self, days: DayRange, asked: bool) -> Steps {
        let bots = &self.inputs.settings.bots;
        let mut steps = Steps::default();
        for day in days.iter() {
            if self.is_kept_as_published(day) {
                match self.damaged_table(day) {
                    Some(table) if self.can_be_made_again(day) => {
                        steps.days.push(DayStep { day, reason: Reason::ObjectChanged(table) });
                    }
                    Some(_) => steps.damaged.extend(self.damage_of_kept(day)),
                    None if self.is_wrongly_complete(day) => steps.days.push(DayStep { day, reason: Reason::LacksRows }),
                    None if asked => steps.without_sources.push(day),
                    None => {}
                }
                continue;
            }
            let Some(reason) = (if asked { Some(Reason::Asked) } else { self.staleness(day) }) else { continue };
            let blockers = self.inputs.calendar.blockers(bots, day);
            if !blockers.is_empty() {
                steps.damaged.extend(self.damage_of_blocked(day));
                steps.blocked.push((day, blockers));
            } else if self.is_published(day) && !self.has_sources(day) {
                match self.damaged_table(day) {
                    Some(_) => steps.damaged.extend(self.damage_of_kept(day)),
                    None => steps.without_sources.push(day),
                }
            } else if self.would_lose_rows(day) {
                match self.damaged_table(day) {
                    Some(_) => steps.damaged.extend(self.damage_of_kept(day)),
                    None => steps.without_rows.push(day),
                }
            } else {
                steps.days.push(DayStep { day, reason });
            }
        }
        steps
    }

    /// Whether a day was finished once.
    fn is_published(&self, day: Day) -> bool {
        self.inputs.published.get("bot_days").is_some_and(|days| days.contains_key(&day))
    }

    /// Whether a day is as old as retired partitions, and so is not built again (rule 22).
    pub(crate) fn is_kept_as_published(&self, day: Day) -> bool {
        self.inputs.calendar.is_frozen(&self.inputs.settings.bots, day) && (self.is_published(day) || !self.has_sources(day))
    }

    /// Whether the day can be made again: the working tables of all retired partitions that it can depend on are still there.
    /// Rows come late, or with times a little ahead of their partition.
    pub(crate) fn has_sources(&self, day: Day) -> bool {
        let first = self.first_affecting(day);
        let beside = self.inputs.settings.days_beside();
        let needed = DayRange { first: first.plus(-DAYS_AHEAD - beside), last: day.plus(DAYS_LATE + beside) };
        self.inputs.calendar.retired(needed).iter().all(|(table, date)| match table {
            Raw::Messages => self.inputs.messages.get(*date).is_some(),
            Raw::Events => self.inputs.events.get(*date).is_some(),
        })
    }

    /// Whether all is there that a frozen day was made from, what Meta said of it too.
    fn can_be_made_again(&self, day: Day) -> bool {
        let has_figures = |receipt: &DayReceipt| receipt.insights == self.expected(day).insights;
        let are_told = !self.inputs.calendar.are_insights_away();
        let has_figures =
            || are_told && self.inputs.insights.get(day).is_some() || self.inputs.days.get(day).is_some_and(has_figures);
        self.has_sources(day) && has_figures()
    }

    /// Published days outside the range that no longer have a row. What retired partitions may have given stays as it is, so does what
    /// a missing one may give or gave once, and everything while a partition is refused and nothing that it said counts.
    pub(crate) fn removals(&self, range: Option<DayRange>) -> BTreeSet<Day> {
        let has_row = |day: Day| self.rows().iter().any(|rows| rows.touches.contains_key(&day) || rows.events.contains_key(&day));
        self.removals_without(range, &has_row)
    }

    /// The same, where `has_row` tells on which days there are rows.
    pub(crate) fn removals_without(&self, range: Option<DayRange>, has_row: &dyn Fn(Day) -> bool) -> BTreeSet<Day> {
        let (calendar, bots) = (self.inputs.calendar, &self.inputs.settings.bots);
        let counts = |(table, day): (Raw, Day)| match table {
            Raw::Messages => self.inputs.messages.get(day).is_some(),
            Raw::Events => self.inputs.events.get(day).is_some(),
        };
        if !calendar.refused().all(counts) {
            return BTreeSet::new();
        }
        let is_outside = |day: Day| range.is_none_or(|range| !range.contains(day)) && !has_row(day);
        let may_be_retired = |day: Day| calendar.is_frozen(bots, day) || !self.has_sources(day);
        let is_blocked = |day: Day| !calendar.blockers(bots, day).is_empty() || !calendar.vanished_over(bots, day).is_empty();
        let stays = |day: Day| may_be_retired(day) || is_blocked(day) || self.would_lose_rows(day);
        let published = self.inputs.published.values().flat_map(BTreeMap::keys).copied();
        published.filter(|day| is_outside(*day) && !stays(*day)).collect()
    }

    /// What the `ads` table depends on.
    pub(crate) fn ads_inputs(&self) -> Digest {
        let touches = self.inputs.messages.iter().map(|(_, receipt)| receipt.content.rows);
        let touches = touches.fold(Digest::NONE, Digest::plus);
        let insights = self.inputs.insights.iter().map(|(day, receipt)| format!("{day} {}", receipt.content.index));
        let who_counts = Some(marks::who_counts(self.inputs.settings, self.inputs.aliases)).filter(|state| !state.is_none());
        let of_touches = [self.settings_digest.to_string(), touches.to_string()].into_iter();
        // Rows that such touches may stand behind stay as long as those are lost, and no longer.
        let lost = self.inputs.calendar.lost_touches().into_iter().map(|day| format!("lost {day}"));
        Digest::of_texts(of_touches.chain(insights).chain(who_counts.map(|state| state.to_string())).chain(lost))
    }
}

/// The first local day whose rows can affect a day: horizon and copies before its first instant (rule 21).
pub(crate) fn first_affecting(settings: &Settings, bot: &Bot, day: Day) -> Day {
    limits::first_affecting(bot.zone, settings.horizon.micros(), day)
}
