//! The plan: which days are stale, and why. Pure: receipts and settings in, steps out; run walks them, plan prints them.
//!
//! A day is a function of the rows it can depend on (its own, those of the horizon and the copies before it, and copies that
//! can shadow its unattributed touches after it), of the settings that matter to it, of Meta's figures of the day, and of what
//! has landed. [`Planner::expected`] computes digests of all that from the receipts of the partitions; a day whose receipt says
//! otherwise is stale. So a late row reaches exactly the days that rule 21 names, without a lookback constant.
//!
//! ```text
//! accepted.rs          what was accepted once and stays
//! bot_rows.rs          rows by local day, as receipts tell
//! calendar.rs          which days can be built, which are complete
//! insights_status.rs   whether Meta's figures are there, and final
//! receipt.rs           what a stored thing was made from
//! ```

pub(crate) mod accepted;
pub(crate) mod bot_rows;
pub(crate) mod calendar;
pub(crate) mod insights_status;
pub(crate) mod receipt;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::base::day::{Day, DayRange};
use crate::base::digest::Digest;
use crate::base::limits::{self, COPY_DAYS, DAYS_AHEAD, DAYS_LATE, FINAL_AFTER_DAYS};
use crate::base::object::Object;
use crate::base::parallel::on_all_cores;
use crate::base::schema::{DAY_TABLES, LOGIC, Raw};
use crate::config::{Bot, Settings};
use crate::extract::found::{DayDigest, RawContent};
use crate::insights::InsightsContent;
use crate::insights::fetched::Ledgers;
use crate::plan::bot_rows::BotRows;
use crate::plan::calendar::{AwaitedDays, Blocker, Calendar};
use crate::plan::insights_status::insights_status;
use crate::plan::receipt::{DayReceipt, PartitionReceipt, Receipts};

/// Why something is stale, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    NeverBuilt,
    ReceiptLost,
    ObjectChanged(&'static str),
    LogicChanged,
    SettingChanged {
        bot: String,
        from: Day,
    },
    SettingsChanged,
    NewPartition {
        table: &'static str,
        day: Day,
    },
    PartitionChanged {
        table: &'static str,
        day: Day,
    },
    LateRows {
        back_to: Day,
    },
    RowsChanged {
        on: Day,
    },
    /// Later touches, which may be copies of the day's unattributed ones.
    CopiesCame {
        on: Day,
    },
    InsightsLanded,
    MetaRestated,
    BecameComplete,
    CompletenessChanged,
    InsightsStatusChanged,
    RejectedRowsChanged,
    /// Found out while an earlier run looked deeper than receipts.
    Marked(String),
    Asked,
}

impl Reason {
    /// Whether the day's rows and settings are what they were, and its counts with them.
    pub fn leaves_counts(&self) -> bool {
        use Reason::{
            BecameComplete, CompletenessChanged, InsightsLanded, InsightsStatusChanged, MetaRestated, RejectedRowsChanged,
        };
        matches!(
            self,
            InsightsLanded | MetaRestated | BecameComplete | CompletenessChanged | InsightsStatusChanged | RejectedRowsChanged
        )
    }

    /// Whether it comes from what the receipts of partitions say of their rows.
    pub fn is_of_rows(&self) -> bool {
        use Reason::{CopiesCame, LateRows, NewPartition, PartitionChanged, RejectedRowsChanged, RowsChanged};
        matches!(
            self,
            NewPartition { .. }
                | PartitionChanged { .. }
                | LateRows { .. }
                | RowsChanged { .. }
                | CopiesCame { .. }
                | RejectedRowsChanged
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NeverBuilt => f.write_str("never built"),
            Reason::ReceiptLost => f.write_str("receipt lost"),
            Reason::ObjectChanged(table) => write!(f, "published {table} changed or gone"),
            Reason::LogicChanged => f.write_str("logic changed"),
            Reason::SettingChanged { bot, from } => write!(f, "setting of {bot} changed from {from}"),
            Reason::SettingsChanged => f.write_str("settings changed"),
            Reason::NewPartition { table, day } => write!(f, "new partition: {table} {day}"),
            Reason::PartitionChanged { table, day } => write!(f, "partition changed: {table} {day}"),
            Reason::LateRows { back_to } => write!(f, "late rows reach back to {back_to}"),
            Reason::RowsChanged { on } => write!(f, "rows of {on} changed"),
            Reason::CopiesCame { on } => write!(f, "touches of {on} may be copies"),
            Reason::InsightsLanded => f.write_str("insights landed"),
            Reason::MetaRestated => f.write_str("Meta restated"),
            Reason::BecameComplete => f.write_str("became complete"),
            Reason::CompletenessChanged => f.write_str("completeness changed"),
            Reason::InsightsStatusChanged => f.write_str("insights status changed"),
            Reason::RejectedRowsChanged => f.write_str("rejected rows changed"),
            Reason::Marked(reason) => f.write_str(reason),
            Reason::Asked => f.write_str("backfill asked for it"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day to build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayStep {
    pub day: Day,
    pub reason: Reason,
}

/// A partition that was read anew, and the local days on which its rows are not what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub table: &'static str,
    pub day: Day,
    pub is_new: bool,
    pub local_days: BTreeSet<Day>,
}

impl Change {
    pub fn between(table: &'static str, day: Day, before: Option<&RawContent>, now: Option<&RawContent>) -> Change {
        let rows = |content: Option<&RawContent>| -> BTreeSet<(String, Day, DayDigest)> {
            let days = content.into_iter().flat_map(|content| &content.days);
            days.flat_map(|(bot, days)| days.iter().map(|(day, rows)| (bot.clone(), *day, *rows))).collect()
        };
        let (old, new) = (rows(before), rows(now));
        let local_days = old.symmetric_difference(&new).map(|(_, day, _)| *day).collect();
        Change { table, day, is_new: before.is_none(), local_days }
    }
}

/// What a planner has worked out from the receipts of partitions, for others over the same ones.
#[derive(Clone)]
pub struct WorkedOut {
    rows: Arc<Vec<BotRows>>,
    expected: Arc<BTreeMap<Day, DayReceipt>>,
}

/// Everything the planner looks at.
pub struct Planner<'a> {
    settings: &'a Settings,
    calendar: &'a Calendar,
    insights: &'a Receipts<PartitionReceipt<InsightsContent>>,
    days: &'a Receipts<DayReceipt>,
    published: &'a BTreeMap<&'static str, BTreeMap<Day, Object>>,
    messages: &'a Receipts<PartitionReceipt<RawContent>>,
    events: &'a Receipts<PartitionReceipt<RawContent>>,
    worked_out: WorkedOut,
    awaited: AwaitedDays,
    settings_digest: Digest,
    /// What was fetched from Meta; none where others land the insights.
    pub fetched: Option<&'a Ledgers>,
    pub changes: Vec<Change>,
    /// Per bot id, the day from which its conversion events are others than before.
    pub setting_changes: BTreeMap<String, Day>,
}

impl<'a> Planner<'a> {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        settings: &'a Settings,
        calendar: &'a Calendar,
        messages: &'a Receipts<PartitionReceipt<RawContent>>,
        events: &'a Receipts<PartitionReceipt<RawContent>>,
        insights: &'a Receipts<PartitionReceipt<InsightsContent>>,
        days: &'a Receipts<DayReceipt>,
        published: &'a BTreeMap<&'static str, BTreeMap<Day, Object>>,
        worked_out: Option<WorkedOut>,
    ) -> Planner<'a> {
        let rows = || {
            let of_bot = |bot: &Bot| BotRows::new(bot, messages, events);
            let rows = on_all_cores(&settings.bots, |bot| Ok(of_bot(bot)));
            // What a worker could not do is done again here, where it cannot go unseen.
            rows.into_iter().zip(&settings.bots).map(|(rows, bot)| rows.unwrap_or_else(|_| of_bot(bot))).collect::<Vec<_>>()
        };
        let worked_out = worked_out.unwrap_or_else(|| WorkedOut { rows: Arc::new(rows()), expected: Arc::default() });
        let (fetched, changes, setting_changes) = (None, Vec::new(), BTreeMap::new());
        let settings_digest = shared_settings(settings);
        Planner {
            settings,
            calendar,
            insights,
            days,
            published,
            messages,
            events,
            worked_out,
            awaited: calendar.awaited_days(),
            settings_digest,
            fetched,
            changes,
            setting_changes,
        }
    }

    /// From the first local day with a usable row to the last day with both partitions.
    pub fn range(&self) -> Option<DayRange> {
        let first = self.worked_out.rows.iter().filter_map(BotRows::first).min()?;
        DayRange::new(first, self.calendar.last()?)
    }

    /// The first local day with a usable row; before any is read, the first of the lake.
    pub fn first_conversation_day(&self) -> Option<Day> {
        self.range().map(|range| range.first).or(self.calendar.first())
    }

    /// Works out the receipts of these days, which are then at hand.
    pub fn expect(&mut self, days: Option<DayRange>) -> WorkedOut {
        let days: Vec<Day> = days.iter().flat_map(|days| days.iter()).collect();
        let receipts = on_all_cores(&days, |day| Ok(self.expected_of(*day)));
        let expected = days.into_iter().zip(receipts).filter_map(|(day, receipt)| Some((day, receipt.ok()?)));
        self.worked_out.expected = Arc::new(expected.collect());
        self.worked_out()
    }

    pub fn worked_out(&self) -> WorkedOut {
        self.worked_out.clone()
    }

    /// The receipt that a day would have if it were built now, but for its objects.
    pub fn expected(&self, day: Day) -> DayReceipt {
        self.worked_out.expected.get(&day).cloned().unwrap_or_else(|| self.expected_of(day))
    }

    fn expected_of(&self, day: Day) -> DayReceipt {
        let bots = || self.settings.bots.iter().zip(self.worked_out.rows.iter());
        let insights = self.insights.get(day).map(|receipt| &receipt.content.accounts);
        let figures = insights.into_iter().flatten().map(|(account, figures)| format!("{account} {figures}"));
        // Where others land the table, a day with rows is whole: the figures tell.
        let whole = self.fetched.into_iter().flat_map(|ledgers| ledgers.whole_on(day)).map(|account| format!("{account} whole"));
        let newest = self.insights.last();
        let is_whole = |account: &str| match self.fetched {
            Some(ledgers) => ledgers.is_whole(account, day),
            None => insights.is_some_and(|accounts| accounts.contains_key(account)),
        };
        let is_final = |account: &str| match self.fetched {
            Some(ledgers) => ledgers.is_final(account, day),
            None => newest >= Some(day.plus(FINAL_AFTER_DAYS)),
        };
        let statuses = self.settings.bots.iter().map(|bot| insights_status(self.settings, bot, &is_whole, &is_final));
        let rejected = self.settings.bots.iter().map(|bot| self.rejected(&bot.id, day).to_string());
        let configured = self.settings.bots.iter().map(|bot| bot.is_configured_on(day).to_string());
        let complete = |bot: &Bot| if self.awaited.is_complete(bot, day) { '1' } else { '0' };
        DayReceipt {
            logic: [LOGIC.ad_conversions, LOGIC.ad_days, LOGIC.bot_days],
            settings: Digest::of_texts(std::iter::once(self.settings_digest.to_string()).chain(configured)),
            own_rows: self.own_rows(day),
            rows_in_reach: bots().fold(Digest::NONE, |sum, (bot, rows)| {
                sum.plus(rows.in_reach(bot, first_in_reach(self.settings, bot, day), day))
            }),
            complete: self.settings.bots.iter().map(complete).collect(),
            insights_status: statuses.collect::<Vec<_>>().join(" "),
            insights: Digest::of_texts(figures.chain(whole)),
            rejected: Digest::of_texts(rejected),
            objects: BTreeMap::new(),
            stale: None,
        }
    }

    /// The rows of all bots on one day.
    fn own_rows(&self, day: Day) -> Digest {
        let bots = self.settings.bots.iter().zip(self.worked_out.rows.iter());
        bots.fold(Digest::NONE, |sum, (bot, rows)| sum.plus(rows.own(bot, day)))
    }

    /// The rows set aside in a day's partitions.
    pub fn rejected(&self, bot: &str, day: Day) -> u64 {
        [self.messages, self.events]
            .iter()
            .filter_map(|receipts| receipts.get(day))
            .map(|receipt| receipt.content.rejected_of(bot))
            .sum()
    }

    /// Why a day is stale; none when it is as it should be.
    pub fn staleness(&self, day: Day) -> Option<Reason> {
        let published = |table: &str| self.published.get(table).and_then(|days| days.get(&day));
        let Some(receipt) = self.days.get(day) else {
            return Some(if published("bot_days").is_some() { Reason::ReceiptLost } else { Reason::NeverBuilt });
        };
        if let Some(reason) = &receipt.stale {
            return Some(Reason::Marked(reason.clone()));
        }
        for table in DAY_TABLES {
            if published(table).map(|object| &object.version) != receipt.objects.get(table) {
                return Some(Reason::ObjectChanged(table));
            }
        }
        let expected = self.expected(day);
        if receipt.logic != expected.logic {
            return Some(Reason::LogicChanged);
        }
        if receipt.rows_in_reach != expected.rows_in_reach {
            return Some(self.why_rows_changed(day));
        }
        if receipt.settings != expected.settings {
            return Some(self.why_settings_changed(day).unwrap_or(Reason::SettingsChanged));
        }
        if receipt.insights != expected.insights {
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
        if receipt.insights_status != expected.insights_status {
            return Some(Reason::InsightsStatusChanged);
        }
        (receipt.rejected != expected.rejected).then_some(Reason::RejectedRowsChanged)
    }

    /// The days that were built from other rows or settings than those of now, in order. What may have changed besides, such as an
    /// alias, cannot be told from the rows of now.
    pub fn built_from_others(&self) -> impl Iterator<Item = (Day, Reason)> {
        let reason = |day: Day| self.staleness(day).filter(|reason| !reason.leaves_counts());
        self.days.iter().filter_map(move |(day, _)| Some((day, reason(day)?)))
    }

    fn why_settings_changed(&self, day: Day) -> Option<Reason> {
        let (bot, from) = self.setting_changes.iter().find(|(_, from)| **from <= day)?;
        Some(Reason::SettingChanged { bot: bot.clone(), from: *from })
    }

    fn why_rows_changed(&self, day: Day) -> Reason {
        let reach = self.settings.bots.iter().map(|bot| first_in_reach(self.settings, bot, day)).min().unwrap_or(day);
        let own_changed = |other: &Day| {
            let own = self.own_rows(*other);
            self.days.get(*other).map_or(own != Digest::NONE, |receipt| receipt.own_rows != own)
        };
        let touched: BTreeSet<Day> = self.changes.iter().flat_map(|change| &change.local_days).copied().collect();
        let mut candidates = DayRange { first: reach, last: day }.iter();
        let changed = candidates
            .find(|other| touched.contains(other))
            .or_else(|| DayRange { first: reach, last: day }.iter().find(own_changed));
        let Some(on) = changed else {
            let copies = touched.range(day.next()..=day.plus(COPY_DAYS + 1)).next();
            return copies.map_or(Reason::RowsChanged { on: day }, |on| Reason::CopiesCame { on: *on });
        };
        if let Some(reason) = self.why_settings_changed(on)
            && self.changes.iter().filter(|change| change.local_days.contains(&on)).all(|change| !change.is_new)
        {
            return reason;
        }
        match self
            .changes
            .iter()
            .filter(|change| change.local_days.contains(&on))
            .max_by_key(|change| (change.is_new, change.day))
        {
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
    pub fn steps(&self, days: DayRange, asked: bool) -> Steps {
        let mut steps = Steps::default();
        for day in days.iter() {
            let is_published = self.published.get("bot_days").is_some_and(|days| days.contains_key(&day));
            if self.calendar.is_frozen(&self.settings.bots, day) && (is_published || !self.has_history(day)) {
                if asked {
                    steps.without_history.push(day);
                }
                continue;
            }
            let Some(reason) = (if asked { Some(Reason::Asked) } else { self.staleness(day) }) else { continue };
            let blockers = self.calendar.blockers(&self.settings.bots, day);
            if !blockers.is_empty() {
                steps.blocked.push((day, blockers));
            } else if is_published && !self.has_history(day) {
                steps.without_history.push(day);
            } else {
                steps.days.push(DayStep { day, reason });
            }
        }
        steps
    }

    /// Whether the working tables of all retired partitions that a day can depend on are still there. Rows come late, or with
    /// times a little ahead of their partition.
    pub fn has_history(&self, day: Day) -> bool {
        let first = self.settings.bots.iter().map(|bot| first_in_reach(self.settings, bot, day)).min().unwrap_or(day);
        let needed = DayRange { first: first.plus(-DAYS_AHEAD - 1), last: day.plus(DAYS_LATE + 1) };
        self.calendar.retired(needed).iter().all(|(table, day)| match table {
            Raw::Messages => self.messages.get(*day).is_some(),
            Raw::Events => self.events.get(*day).is_some(),
        })
    }

    /// Published days outside the range that no longer have a row. What retired partitions may have given stays as it is, so does what
    /// a missing one may give, and everything while a partition is refused: its rows are not known.
    pub fn removals(&self, range: Option<DayRange>) -> BTreeSet<Day> {
        if self.calendar.has_refusals() {
            return BTreeSet::new();
        }
        let has_row =
            |day: &Day| self.worked_out.rows.iter().any(|rows| rows.touches.contains_key(day) || rows.events.contains_key(day));
        let is_outside = |day: &Day| range.is_none_or(|range| !range.contains(*day)) && !has_row(day);
        let may_be_retired = |day: &Day| self.calendar.is_frozen(&self.settings.bots, *day) || !self.has_history(*day);
        let published = self.published.values().flat_map(BTreeMap::keys).copied();
        let is_blocked = |day: &Day| !self.calendar.blockers(&self.settings.bots, *day).is_empty();
        published.filter(|day| is_outside(day) && !may_be_retired(day) && !is_blocked(day)).collect()
    }

    /// What the `ads` table depends on.
    pub fn ads_inputs(&self) -> Digest {
        let touches = self.messages.iter().map(|(_, receipt)| receipt.content.rows);
        let touches = touches.fold(Digest::NONE, Digest::plus);
        let insights = self.insights.iter().map(|(day, receipt)| format!("{day} {}", receipt.content.index));
        Digest::of_texts([self.settings_digest.to_string(), touches.to_string()].into_iter().chain(insights))
    }
}

#[derive(Debug, Default)]
pub struct Steps {
    pub days: Vec<DayStep>,
    pub blocked: Vec<(Day, Vec<Blocker>)>,
    /// Asked for or stale, but what they were made from was retired from the lake: kept as published.
    pub without_history: Vec<Day>,
}

/// The first local day whose rows can matter to a day: horizon and copies before its first instant (rule 21).
pub(crate) fn first_in_reach(settings: &Settings, bot: &Bot, day: Day) -> Day {
    limits::first_in_reach(bot.zone, settings.horizon.micros(), day)
}

/// The settings that matter to every day.
fn shared_settings(settings: &Settings) -> Digest {
    let bot = |bot: &Bot| {
        let mut accounts = bot.ad_accounts.clone();
        accounts.sort_unstable();
        format!("{:?} {} {accounts:?}", bot.id, bot.zone.name())
    };
    let mut bots: Vec<String> = settings.bots.iter().map(bot).collect();
    bots.sort_unstable();
    // Who lands the insights says which days of them are whole.
    let insights = match &settings.insights {
        None => "none",
        Some(insights) if insights.api.is_none() => "landed",
        Some(_) => "fetched",
    };
    Digest::of_texts([settings.horizon.days.to_string(), insights.to_string()].into_iter().chain(bots))
}
