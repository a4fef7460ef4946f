//! A shop whose ads Meta knows: a lake of touches and purchases, a pipeline that fetches from the made-up Meta, and runs of it in
//! that world's time.
//!
//! Bot `shop` is in São Paulo with account 123, bot `nz` in Auckland with account 456. What must be published is the oracle's, out of
//! the same rows and the figures that the world of Meta holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use ctwa::base::day::{Day, DayRange};
use ctwa::base::error::{Error, ErrorKind, Result};
use ctwa::commands::insights::{self, InsightsReport, InsightsRequest};
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::{Environment, Lake};
use ctwa::run::{self, Outcome};
use tempfile::TempDir;

use super::date;
use super::server::{GraphServer, Seen, TOKEN};
use super::world::{ad, small};
use crate::lake::{self, Form};
use crate::oracle;
use crate::rows;
use crate::world::{Bot, Event, Insight, Message, World};

const HOUR: i64 = 3_600;
/// What spend is, by hand.
const MILLIONTHS: [(&str, i64); 4] = [("10", 10_000_000), ("3.5", 3_500_000), ("144.", 144_000_000), ("0.000001", 1)];

pub struct Shop {
    folder: TempDir,
    pub server: GraphServer,
    pub lake: lake::Lake,
    pub world: World,
}

/// Every day from 1 March on: a touch on each of ads 1, 2, 5 (which Meta's report leaves out), 7 (another's) and a post, one on ad 6
/// in Auckland, and a purchase after some of them.
pub fn lake_world(last: &str) -> World {
    let days: Vec<NaiveDate> = date("2026-03-01").iter_days().take_while(|day| *day <= date(last)).collect();
    let bot = |id: &str, timezone: &str, account: &str| Bot {
        id: id.into(),
        timezone: timezone.into(),
        ad_accounts: vec![account.into()],
        settings: vec![("purchase".into(), instant("2026-02-01T00:00:00Z"))],
        ..Bot::default()
    };
    let mut world = World {
        bots: vec![bot("nz", "Pacific/Auckland", "act_456"), bot("shop", "America/Sao_Paulo", "act_123")],
        window_days: 90,
        message_days: days.clone(),
        event_days: days.clone(),
        fetched: Some(BTreeMap::new()),
        ..World::default()
    };
    for day in days {
        let noon = day.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_micros();
        for (bot, n, kind) in
            [("shop", 1, "ad"), ("shop", 2, "ad"), ("shop", 5, "ad"), ("shop", 7, "ad"), ("nz", 6, "ad"), ("shop", 9, "post")]
        {
            world.messages.push(touch(day, bot, &ad(n), kind, noon + n as i64));
        }
        world.events.push(Event {
            partition: day,
            bot_id: Some("shop".into()),
            contact_id: Some(format!("contact of {} on {day}", ad(1))),
            category: Some("purchase".into()),
            occurred_at: Some(noon + 60_000_000),
            event_id: Some(format!("e-{day}")),
        });
    }
    world
}

pub fn touch(partition: NaiveDate, bot: &str, ad: &str, kind: &str, at: i64) -> Message {
    Message {
        partition,
        bot_id: Some(bot.into()),
        message_id: Some(format!("m-{at}-{ad}")),
        contact_id: Some(format!("contact of {ad} on {partition}")),
        sent_at: Some(at),
        direction: Some("received".into()),
        ad_id: Some(ad.into()),
        ad_type: Some(kind.into()),
        ad_title: Some("Oferta".into()),
        ..Message::default()
    }
}

pub fn instant(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

impl Shop {
    pub fn new() -> Shop {
        Shop::of(lake_world("2026-03-11"))
    }

    pub fn of(world: World) -> Shop {
        Shop::over(world, GraphServer::start(small()))
    }

    pub fn over(world: World, server: GraphServer) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake::write(&world, &Form::default(), folder.path());
        let shop = Shop { folder, server, lake, world };
        fs::write(shop.folder.path().join("token"), TOKEN).unwrap();
        shop.configure("");
        shop
    }

    /// Writes the pipeline file, with more lines about insights.
    pub fn configure(&self, more: &str) {
        lake::write_pipeline(&self.world, &Form::default(), &self.lake.dir, "pipeline", None);
        let text = fs::read_to_string(&self.lake.pipeline).unwrap();
        let insights = format!(
            "\n[insights]\nsource = \"marketing-api\"\ntoken_file = \"token\"\nbase_url = \"{}\"\n{more}\n\n[attribution]",
            self.server.base_url()
        );
        assert_eq!(text.matches("\n[attribution]").count(), 1);
        fs::write(&self.lake.pipeline, text.replace("\n[attribution]", &insights)).unwrap();
    }

    pub fn later(&self, hours: i64) {
        self.server.stage().world.now += hours * HOUR;
    }

    pub fn at(&self, time: &str) {
        self.server.stage().world.now = instant(time) / 1_000_000;
    }

    pub fn settings(&self) -> Settings {
        Settings::load(&self.lake.pipeline).unwrap()
    }

    pub fn output(&self) -> Lake {
        Lake::open_or_create(&self.settings().output, &Environment::default()).unwrap()
    }

    pub fn with_job<T>(&self, stopped: &dyn Fn() -> Result<()>, work: impl FnOnce(&Job<'_>) -> Result<T>) -> Result<T> {
        let settings = self.settings();
        let lake = Lake::open(&settings.lake, &Environment::default()).unwrap();
        let output = Lake::open_or_create(&settings.output, &Environment::default()).unwrap();
        let clock = || -> DateTime<Utc> { DateTime::from_timestamp(self.server.stage().world.now, 0).unwrap() };
        let pause = |seconds: u64| {
            self.server.stage().world.now += seconds as i64;
            Ok(())
        };
        let done = work(&Job {
            settings: &settings,
            lake: &lake,
            output: &output,
            engine: select::engine(settings.engine, Site::new(&lake, &output)).as_ref(),
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock: &clock,
            stopped,
            pause: Some(&pause),
            progress: &ctwa::base::progress::unheard,
        });
        assert_eq!(self.server.stage().violations, Vec::<String>::new(), "Meta would not take these requests");
        done
    }

    pub fn try_run(&self) -> Outcome {
        self.with_job(&|| Ok(()), run::run).unwrap()
    }

    /// A run in which nothing fails.
    pub fn run(&self) -> Outcome {
        let outcome = self.try_run();
        assert_eq!(outcome.worst, None, "{:?}", outcome.report.failures);
        outcome
    }

    /// A run that is asked to stop once so many days of an account are noted as fetched.
    pub fn run_until_fetched(&self, account: &str, days: usize) -> Outcome {
        let ledger = self.lake.dir.join(format!("lake/insights/_ledger/{account}.json"));
        let fetched = || {
            let text = fs::read_to_string(&ledger).ok()?;
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["days"].as_object().map(serde_json::Map::len)
        };
        let stopped = || match fetched() {
            Some(noted) if noted >= days => Err(Error::new(ErrorKind::Interrupted, "stopped by Ctrl-C")),
            _ => Ok(()),
        };
        self.with_job(&stopped, run::run).unwrap()
    }

    pub fn fetch(&self, request: InsightsRequest) -> InsightsReport {
        self.with_job(&|| Ok(()), |job| insights::insights(job, request)).unwrap()
    }

    /// The ranges of days that were asked for of a node since the last look, in order.
    pub fn asked(&self, node: &str) -> Vec<String> {
        let range = |seen: &Seen| {
            let range: serde_json::Value = serde_json::from_str(&seen.parameters["time_range"]).unwrap();
            format!("{}..{}", range["since"].as_str().unwrap(), range["until"].as_str().unwrap())
        };
        let stage = self.server.stage();
        stage.seen.iter().filter(|seen| is_daily(seen) && seen.path == format!("{node}/insights")).map(range).collect()
    }

    pub fn forget_calls(&self) {
        self.server.stage().seen.clear();
    }

    /// The figures that Meta has of these ads on these days.
    pub fn figures(&self, ads: &[usize], first: &str, last: &str) -> Vec<Insight> {
        let world = &self.server.stage().world;
        let mut rows = Vec::new();
        for ((id, day), delivery) in &world.deliveries {
            let of = world.ads.iter().find(|ad| ad.id == *id).unwrap();
            if !ads.iter().any(|n| ad(*n) == *id) || *day < date(first) || *day > date(last) {
                continue;
            }
            let account = world.accounts.iter().find(|account| account.id == of.account).unwrap();
            let count = |count: u64| Some(count as i64);
            rows.push(Insight {
                date: *day,
                account_id: format!("act_{}", of.account),
                ad_id: id.clone(),
                currency: account.currency.into(),
                spend_millionths: MILLIONTHS.iter().find(|(text, _)| *text == delivery.spend).unwrap().1,
                impressions: count(delivery.impressions),
                reach: count(delivery.people.len() as u64),
                clicks: count(delivery.clicks),
                inline_link_clicks: count(delivery.clicks),
                messaging_conversations_started: count(delivery.conversations),
                ad_name: Some(format!("ad {id}")),
                adset_id: Some(of.adset.clone()),
                adset_name: Some(format!("ad set {}", of.adset)),
                campaign_id: Some(of.campaign.clone()),
                campaign_name: Some(format!("campaign {}", of.campaign)),
                loaded_at: None,
            });
        }
        rows
    }

    /// All days up to the accounts' yesterdays, as if fetched now.
    pub fn fetched_now(&self) -> BTreeMap<(String, NaiveDate), NaiveDate> {
        let stage = self.server.stage();
        let now = DateTime::from_timestamp(stage.world.now, 0).unwrap();
        let mut fetched = BTreeMap::new();
        for account in stage.world.accounts.iter().filter(|account| account.visible) {
            let today = now.with_timezone(&account.zone.parse::<Tz>().unwrap()).date_naive();
            let first = today.checked_sub_days(Days::new(60)).unwrap();
            for day in first.iter_days().take_while(|day| *day < today) {
                fetched.insert((format!("act_{}", account.id), day), today);
            }
        }
        fetched
    }

    /// Where the published tables differ from the oracle's, which knows what was fetched and when.
    pub fn differences(&self, insights: Vec<Insight>, fetched: BTreeMap<(String, NaiveDate), NaiveDate>) -> String {
        let world = World { insights, fetched: Some(fetched), ..self.world.clone() };
        let expected = oracle::tables(&world).unwrap().published;
        rows::differences(&expected, &lake::read(&self.lake.output).unwrap())
    }

    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        lake::objects(&self.lake.output).unwrap()
    }

    /// Every file of the lake and the output, with its bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        fn walk(folder: &std::path::Path, below: &std::path::Path, files: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, below, files);
                } else {
                    files.insert(path.strip_prefix(below).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(&self.lake.dir.join("lake"), &self.lake.dir.join("lake"), &mut files);
        files
    }

    /// The files with landed figures.
    pub fn landed(&self) -> BTreeMap<String, Vec<u8>> {
        self.files().into_iter().filter(|(path, _)| path.starts_with("insights/date=")).collect()
    }

    pub fn write_landed(&self, path: &str, bytes: &[u8]) {
        fs::write(self.lake.dir.join("lake").join(path), bytes).unwrap();
    }

    pub fn built(outcome: &Outcome) -> BTreeSet<String> {
        outcome.report.days.iter().map(|step| step.day.to_string()).collect()
    }

    /// Of an (ad, local day): spend in millionths.
    pub fn spend(&self, n: usize, day: &str) -> Option<i64> {
        let published = lake::read(&self.lake.output).unwrap();
        let rows = &published.ad_days[&date(day)];
        rows.iter().find(|row| row.ad_id == ad(n)).unwrap_or_else(|| panic!("ad {n} has no row on {day}")).spend
    }

    pub fn status(&self, bot: &str, day: &str) -> String {
        let published = lake::read(&self.lake.output).unwrap();
        published.bot_days[&date(day)].iter().find(|row| row.bot_id == bot).unwrap().insights_status.clone()
    }
}

pub fn is_daily(seen: &Seen) -> bool {
    seen.path.ends_with("/insights") && seen.parameters.contains_key("time_range") && seen.parameters["level"] == "ad"
}

pub fn range(first: &str, last: &str) -> DayRange {
    let day = |text: &str| text.parse::<Day>().unwrap();
    DayRange::new(day(first), day(last)).unwrap()
}

/// Changes what Meta says of an ad's day.
pub fn restate(shop: &Shop, n: usize, day: &str, spend: &'static str) {
    let mut stage = shop.server.stage();
    let of = stage.world.deliveries.entry((ad(n), date(day))).or_default();
    of.spend = spend;
    of.impressions += 1;
}
