//! The table: lakes by their names, what the pipeline file says of them, and what is right.

use crate::world::World;

use super::ODD;

/// What a run over a lake has to come to.
#[derive(Clone, Debug)]
pub enum Expect {
    /// The figures of the rows, without a warning.
    Same,
    /// The figures of the rows, and warnings that say this.
    Warned(&'static [&'static str]),
    /// Other figures, since what was written says something else, and warnings that say this.
    Told(&'static [&'static str]),
    /// Exact or refused: the contract leaves it open. Never other figures.
    SameOrRefused(&'static [&'static str]),
    /// A day of a table, or all of them, is refused with these words; the other days are the figures of the other rows.
    Refused { exit: i32, table: &'static str, day: Option<&'static str>, says: &'static [&'static str] },
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    /// Lines of the sections of the pipeline file.
    pub messages: String,
    pub events: String,
    pub insights: String,
    pub aliases: String,
    /// Of the first bot.
    pub bot: String,
    /// What the rows of this lake are otherwise than those of the others.
    pub world: fn(&mut World),
    pub expect: Expect,
}

/// Lakes of which the same is right.
struct Lakes {
    names: &'static str,
    of_all: Case,
}

fn of(names: &'static str) -> Lakes {
    let of_all = Case {
        name: "",
        messages: String::new(),
        events: String::new(),
        insights: String::new(),
        aliases: String::new(),
        bot: String::new(),
        world: |_| {},
        expect: Expect::Same,
    };
    Lakes { names, of_all }
}

impl Lakes {
    fn messages(mut self, lines: &str) -> Lakes {
        self.of_all.messages = lines.to_owned();
        self
    }

    fn events(mut self, lines: &str) -> Lakes {
        self.of_all.events = lines.to_owned();
        self
    }

    fn insights(mut self, lines: &str) -> Lakes {
        self.of_all.insights = lines.to_owned();
        self
    }

    fn aliases(mut self, lines: &str) -> Lakes {
        self.of_all.aliases = lines.to_owned();
        self
    }

    fn bot(mut self, lines: &str) -> Lakes {
        self.of_all.bot = lines.to_owned();
        self
    }

    /// The same lines for messages and events, and for insights.
    fn all(self, lines: &str) -> Lakes {
        self.messages(lines).events(lines).insights(lines)
    }

    fn both(self, lines: &str) -> Lakes {
        self.messages(lines).events(lines)
    }

    /// How both times are to be understood.
    fn times(self, how: &str) -> Lakes {
        let columns = |name: &str| format!("columns = {{ {name} = {{ column = \"{name}\", {how} }} }}");
        self.messages(&columns("sent_at")).events(&columns("occurred_at"))
    }

    fn world(mut self, change: fn(&mut World)) -> Lakes {
        self.of_all.world = change;
        self
    }

    fn expect(self, expect: &Expect) -> Vec<Case> {
        let Lakes { names, of_all } = self;
        names.split_whitespace().map(|name| Case { name, expect: expect.clone(), ..of_all.clone() }).collect()
    }

    fn same(self) -> Vec<Case> {
        self.expect(&Expect::Same)
    }

    fn warned(self, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::Warned(says))
    }

    fn told(self, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::Told(says))
    }

    fn same_or_refused(self, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::SameOrRefused(says))
    }

    /// Every day of the table.
    fn refused(self, table: &'static str, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::Refused { exit: 6, table, day: None, says })
    }

    fn day_refused(self, table: &'static str, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::Refused { exit: 6, table, day: Some(ODD), says })
    }

    /// Before anything is read.
    fn exits_2(self, says: &'static [&'static str]) -> Vec<Case> {
        self.expect(&Expect::Refused { exit: 2, table: "messages", day: None, says })
    }
}

/// The ad's columns in one column, by keys with points in them.
const REFERRAL: &str = "columns = { ad_id = { column = \"metadata\", key = \"#wa.referral.source_id\" }, ad_type = { column = \
     \"metadata\", key = \"#wa.referral.source_type\" }, ad_title = { column = \"metadata\", key = \"#wa.referral.headline\" }, ctwa_clid \
     = { column = \"metadata\", key = \"#wa.referral.ctwa_clid\" } }";
/// One inside another.
const NESTED: &str = "columns = { ad_id = { column = \"metadata\", key = [\"referral\", \"source_id\"] }, ad_type = { column = \
     \"metadata\", key = [\"referral\", \"source_type\"] }, ad_title = { column = \"metadata\", key = [\"referral\", \"headline\"] }, \
     ctwa_clid = { column = \"metadata\", key = [\"referral\", \"ctwa_clid\"] } }";

fn without_ads(world: &mut World) {
    for row in &mut world.messages {
        (row.ad_id, row.ad_type, row.ad_title, row.ctwa_clid) = (None, None, None, None);
    }
}

// ------------------------------------------------------------------------------------------------- pyarrow: encodings, types

pub fn arrow() -> Vec<Case> {
    [
        of("pyarrow-snappy pyarrow-gzip pyarrow-zstd pyarrow-lz4 pyarrow-brotli pyarrow-none pyarrow-no-dictionary pyarrow-page-v2
            pyarrow-format-1.0 pyarrow-one-row-a-group pyarrow-one-row-a-page pyarrow-no-statistics pyarrow-page-index
            pyarrow-checksums pyarrow-no-arrow-schema pyarrow-bloom-filters pyarrow-decimal-as-integer pyarrow-byte-stream-split
            pyarrow-delta-byte-array pyarrow-delta-length-byte-array")
        .same(),
        times(),
        ids(),
        nothing(),
        columns(),
    ]
    .concat()
}

fn times() -> Vec<Case> {
    [
        of("time-s time-s-utc time-ms time-ms-utc time-us time-us-utc time-ns time-ns-utc time-us-sao-paulo time-below-us time-int96")
            .same(),
        of("time-integer-s time-integer-s-int32 time-integer-s-uint64").times("unit = \"s\"").same(),
        of("time-integer-ms time-digits-ms").times("unit = \"ms\"").same(),
        of("time-integer-us").times("unit = \"us\"").same(),
        of("time-naive-sao-paulo time-text-no-zone-sao-paulo").times("zone = \"America/Sao_Paulo\"").same(),
        of("time-text-t-z time-text-blank-utc time-text-blank-z time-text-two-digit-offset time-text-four-digit-offset time-text-offset
            time-text-fraction-3 time-text-fraction-7 time-text-fraction-9")
        .same(),
        of("time-text-no-zone").times("zone = \"UTC\"").same(),
        of("time-text-no-zone").refused("messages", &["sent_at", "2026-09-0", "zone = "]),
        of("time-text-day-first time-text-words").refused("messages", &["sent_at", "2026 12:00:00", "T12:00:00Z"]),
        of("time-integer-s time-integer-s-int32").refused("messages", &["sent_at", "unit = \"s\"", "17888"]),
        of("time-integer-ms time-digits-ms").refused("messages", &["sent_at", "unit = \"ms\"", "17888"]),
        of("time-integer-s").times("unit = \"ms\"").refused("messages", &["sent_at", "unit = \"s\"", "17888"]),
        of("time-integer-ms").times("unit = \"s\"").refused("messages", &["sent_at", "unit = \"ms\"", "17888"]),
        of("time-integer-us").times("unit = \"s\"").refused("messages", &["sent_at", "unit = \"us\"", "17888"]),
        of("time-integer-ns").times("unit = \"us\"").refused("messages", &["sent_at", "17888"]),
        of("time-integer-ns time-double time-date").refused("messages", &["sent_at"]),
    ]
    .concat()
}

fn ids() -> Vec<Case> {
    [
        of("ids-int64 ids-uint64 ids-decimal-20 ids-decimal-38 ids-decimal-76 ids-int32-bots ids-int16-bots ids-large-string
            ids-string-view ids-dictionary ids-dictionary-int8 ids-binary ids-large-binary ids-binary-view ids-uuid ids-blanks-around")
        .same(),
        of("ids-decimal-2-whole").same_or_refused(&["ad_id"]),
        of("ids-double ids-boolean ids-list ids-struct").refused("messages", &["ad_id"]),
        of("ids-timestamp").refused("messages", &["message_id"]),
        of("ids-float").day_refused("events", &["contact_id", ODD]),
        of("ids-text-exponent").refused("messages", &["ad_id", "1.202263058548107E+17"]),
        of("ids-text-point-zero").refused("messages", &["contact_id", ".0\""]),
        of("ids-text-object").refused("messages", &["ad_id", "id", "120226305854810726"]),
        of("ids-not-utf8").refused("messages", &["ad_id"]),
        // The words that rule 18 lists.
        of("words-nan").refused("messages", &["ad_id", "null_words = [\"nan\"]"]),
        of("words-none").refused("messages", &["ad_id", "null_words = [\"None\"]"]),
        of("words-null").refused("messages", &["ad_id", "null_words = [\"NULL\"]"]),
        of("words-na").refused("messages", &["ad_id", "null_words = [\"<NA>\"]"]),
        of("words-backslash-n").refused("messages", &["ad_id", "null_words = "]),
        of("words-undefined").refused("messages", &["ad_id", "null_words = [\"undefined\"]"]),
        of("words-nan words-nan-everywhere").messages("null_words = [\"nan\"]").same(),
        of("words-none words-none-everywhere").messages("null_words = [\"None\"]").same(),
        of("words-null words-null-everywhere").messages("null_words = [\"NULL\"]").same(),
        of("words-na words-na-everywhere").messages("null_words = [\"<NA>\"]").same(),
        of("words-backslash-n words-backslash-n-everywhere").messages("null_words = ['\\N']").same(),
        of("words-undefined words-undefined-everywhere").messages("null_words = [\"undefined\", \"nan\"]").same(),
    ]
    .concat()
}

fn nothing() -> Vec<Case> {
    [
        of("empty-file-beside empty-file-of-another-schema empty-file-without-columns").same(),
        of("nulls-of-every-type nulls-null nulls-double nulls-int32 nulls-boolean")
            .world(|world| {
                let odd = crate::scene::date(ODD);
                world.messages.iter_mut().filter(|row| row.partition == odd).for_each(|row| row.ad_title = None);
            })
            .same(),
        of("nulls-required-contact").refused("messages", &["no_contact"]),
    ]
    .concat()
}

fn columns() -> Vec<Case> {
    [
        of("columns-odd-ones-more columns-2000 columns-upper-case columns-camel-case columns-twice-by-case columns-in-another-order
            columns-change-from-file-to-file files-200-in-a-day")
        .same(),
        of("columns-only-twice-by-case").refused("messages", &["Ad_Id", "AD_ID"]),
        of("columns-other-names")
            .messages("columns = { ad_id = \"source_id\", contact_id = \"wa_id\", sent_at = \"ts\" }")
            .same(),
        of("columns-other-names").refused("messages", &["ad_id", "contact_id", "sent_at", "source_id", "wa_id"]),
        of("columns-other-names")
            .messages("columns = { ad_id = \"source_ids\", contact_id = \"wa_id\", sent_at = \"ts\" }")
            .refused("messages", &["source_ids", "source_id"]),
        of("columns-near-names").refused("messages", &["ad_id", "adid"]),
        of("columns-missing").refused("messages", &["contact_id", "message_id", "sent_at", "created"]),
        of("columns-no-click").warned(&["ctwa_clid"]),
        of("columns-optional-missing")
            .world(|world| world.messages.iter_mut().for_each(|row| row.ad_title = None))
            .warned(&["ad_title"]),
        of("columns-lacking-in-one-file").warned(&["ad_title"]),
    ]
    .concat()
}

// ------------------------------------------------------------------------- pyarrow: words, mappings, insights, aliases, contacts

pub fn values() -> Vec<Case> {
    [words(), mappings(), insights(), aliases(), of("test-contacts").bot("test_contacts = [\"5511000000000\"]").same()].concat()
}

fn words() -> Vec<Case> {
    let direction = |received: &str, sent: &str| {
        format!(
            "columns = {{ direction = {{ column = \"direction\", values = {{ received = [\"{received}\"], sent = [\"{sent}\"] }} }} }}"
        )
    };
    [
        of("direction-inbound").refused("messages", &["direction", "INBOUND", "OUTBOUND", "values = {"]),
        of("direction-inbound").messages(&direction("INBOUND", "OUTBOUND")).same(),
        of("direction-inbound").messages(&direction("inbound", "outbound")).same_or_refused(&["INBOUND"]),
        of("direction-boolean").refused("messages", &["direction", "values = {"]),
        of("direction-boolean").messages(&direction("false", "true")).same(),
        of("direction-upper-case").same_or_refused(&["RECEIVED", "values = {"]),
        of("direction-upper-case").messages(&direction("RECEIVED", "SENT")).same(),
        of("direction-integer-mapped").messages(&direction("1", "2")).same_or_refused(&["direction"]),
        of("category-another-case")
            .world(|world| {
                let purchases = world.events.iter_mut().filter(|row| row.category.as_deref() == Some("purchase"));
                purchases.for_each(|row| row.category = Some("Purchase".to_owned()));
            })
            .warned(&["Purchase", "purchase"]),
        of("ad-type-entry-point").warned(&["click_to_chat_link"]),
        of("ad-type-upper-case").same(),
    ]
    .concat()
}

fn mappings() -> Vec<Case> {
    [
        of("mapping-struct mapping-struct-integers mapping-map mapping-map-large-view mapping-key-value-list mapping-json
            mapping-json-binary mapping-json-integers mapping-json-nulls-and-blanks mapping-json-escapes")
        .messages(REFERRAL)
        .same(),
        of("mapping-json-no-such-key").messages(REFERRAL).world(without_ads).warned(&["metadata", "#wa.referral.source_id"]),
        of("mapping-json-python-repr").messages(REFERRAL).refused("messages", &["metadata", "{'#wa.referral"]),
        of("mapping-json-floats").messages(REFERRAL).refused("messages", &["1.2022630585481072e+17"]),
        of("mapping-json-cut-short").messages(REFERRAL).refused("messages", &["metadata", "#wa.referral"]),
        of("mapping-json-object-for-id")
            .messages(REFERRAL)
            .refused("messages", &["#wa.referral.source_id", "120226305854810726"]),
        of("mapping-json-nested mapping-struct-nested mapping-map-of-struct").messages(NESTED).same(),
        of("mapping-map-of-json").messages(NESTED).same_or_refused(&["metadata"]),
        of("mapping-first-of-two").messages("columns = { ad_id = [\"one\", \"two\"] }").same(),
        of("mapping-constant-currency")
            .insights("columns = { currency = { value = \"BRL\" } }")
            .world(|world| world.insights.iter_mut().for_each(|row| row.currency = "BRL".to_owned()))
            .same(),
    ]
    .concat()
}

fn insights() -> Vec<Case> {
    [
        of("insights-counts-double insights-counts-decimal insights-counts-text insights-counts-int16 insights-counts-uint64
            insights-spend-decimal-10-2 insights-spend-decimal-38-10 insights-spend-decimal-76-20 insights-spend-decimal-9-6
            insights-spend-text insights-ids-integer insights-accounts-upper-case insights-accounts-bare-integer
            insights-date-start-the-folders")
        .same(),
        of("insights-counts-float-nan").same_or_refused(&["clicks", "NaN"]),
        of("insights-counts-half").refused("insights", &["impressions", "1000.5"]),
        of("insights-counts-missing")
            .world(|world| world.insights.iter_mut().for_each(|row| row.clicks = None))
            .warned(&["clicks"]),
        of("insights-spend-double insights-spend-float").refused("insights", &["spend", "float = true"]),
        of("insights-spend-double insights-spend-float")
            .insights("columns = { spend = { column = \"spend\", float = true } }")
            .same(),
        of("insights-spend-comma").refused("insights", &["spend", "10,500000"]),
        of("insights-spend-integer-cents")
            .world(|world| world.insights.iter_mut().for_each(|row| row.spend_millionths *= 100))
            .same(),
        of("insights-currency-renamed").refused("insights", &["currency", "account_currency"]),
        of("insights-currency-renamed").insights("columns = { currency = \"account_currency\" }").same(),
        of("insights-campaign-double").refused("insights", &["campaign_id"]),
        of("insights-ids-double").refused("insights", &["ad_id"]),
        of("insights-date-start-the-folders insights-date-column-text insights-sync-days insights-sync-days-date32")
            .insights("columns = { date = \"date_start\" }")
            .same(),
        of("insights-date-column-timestamp").insights("columns = { date = \"date_start\" }").same_or_refused(&["date_start"]),
        of("insights-date-column-text").same(),
        of("insights-sync-days insights-sync-days-date32")
            .world(|world| {
                // In folders a day later, of which none can be read.
                world.insights.iter_mut().for_each(|row| row.date = row.date.succ_opt().expect("a date"));
                world.refused_insights = world.insights.iter().map(|row| row.date).collect();
            })
            .refused("insights", &["date_start", "date = \"date_start\""]),
        of("insights-appended-loaded-at insights-appended-loaded-at-text")
            .insights("columns = { loaded_at = \"loaded\" }")
            .same(),
        of("insights-appended-alike").same(),
        of("insights-appended-differing insights-appended-loaded-at").day_refused("insights", &["append", "loaded_at", ODD]),
        of("insights-breakdown").day_refused("insights", &["breakdown", "age", ODD]),
    ]
    .concat()
}

fn aliases() -> Vec<Case> {
    [
        of("aliases-no-bot aliases-upper-case aliases-twice-alike").same(),
        of("aliases-other-names").aliases("columns = { alias = \"old_wa_id\", contact_id = \"wa_id\" }").same(),
        of("aliases-other-names").refused("identities", &["alias", "contact_id", "old_wa_id", "wa_id"]),
        of("aliases-without-bot-column").same_or_refused(&["bot_id"]),
        of("aliases-json")
            .aliases("columns = { alias = { column = \"row\", key = \"was\" }, contact_id = { column = \"row\", key = \"is\" } }")
            .same(),
        of("aliases-constant-bot").aliases("columns = { bot_id = { value = \"7001\" } }").same(),
        of("aliases-double").refused("identities", &["alias"]),
        of("aliases-loop-of-others").warned(&["2 aliases"]),
    ]
    .concat()
}

// ------------------------------------------------------------------------------------------ pandas, fastparquet, Polars, DuckDB

pub fn frames() -> Vec<Case> {
    [pandas(), fastparquet(), polars(), duckdb()].concat()
}

const BOT_IN_FOLDER: &str = "columns = { bot_id = { partition = \"bot_id\" } }";

fn pandas() -> Vec<Case> {
    [
        of("pandas-pyarrow pandas-index pandas-index-of-a-column pandas-index-kept pandas-categorical pandas-str-dtype
            pandas-string-dtype pandas-arrow-dtype pandas-object-nan pandas-nullable-integers pandas-counts-turned-float
            pandas-datetime-ns pandas-datetime-naive pandas-gzip pandas-partition-cols")
        .same(),
        of("pandas-partition-cols-bot").both(BOT_IN_FOLDER).same(),
        of("pandas-ids-turned-float").refused("messages", &["ad_id"]),
        of("pandas-contacts-turned-float").refused("messages", &["contact_id"]),
        of("pandas-ids-turned-float-text").refused("messages", &["ad_id", "1.2022630585481072e+17"]),
        of("pandas-nan-as-text").refused("messages", &["ad_id", "null_words = [\"nan\"]"]),
        of("pandas-nan-as-text pandas-nan-as-text-everywhere").messages("null_words = [\"nan\"]").same(),
        of("pandas-none-as-text").refused("messages", &["ad_id", "null_words = [\"None\"]"]),
        of("pandas-none-as-text").messages("null_words = [\"None\", \"nan\"]").same(),
        of("pandas-spend-float").refused("insights", &["spend", "float = true"]),
        of("pandas-spend-float").insights("columns = { spend = { column = \"spend\", float = true } }").same(),
        of("pandas-dictionaries").messages(REFERRAL).same(),
    ]
    .concat()
}

fn fastparquet() -> Vec<Case> {
    [
        of("fastparquet-plain fastparquet-gzip fastparquet-zstd fastparquet-brotli fastparquet-lz4 fastparquet-bytes fastparquet-int96
            fastparquet-row-groups fastparquet-no-nulls-flag fastparquet-no-statistics fastparquet-categorical
            fastparquet-nullable-integers fastparquet-hive")
        .same(),
        // Each text is JSON, quotes and all.
        of("fastparquet-json-encoding").told(&["messages: all 24 rows that could count are of bots", "\\\"7001\\\"", "id = "]),
        of("fastparquet-int96-of-microseconds").refused("messages", &["absurd_time", "sent_at", "1970-01-21"]),
        of("fastparquet-ids-turned-float").refused("messages", &["ad_id"]),
        of("fastparquet-spend-float").refused("insights", &["spend", "float = true"]),
        of("fastparquet-nan-as-text").refused("messages", &["ad_id", "null_words = [\"nan\"]"]),
    ]
    .concat()
}

fn polars() -> Vec<Case> {
    [
        of("polars-plain polars-lz4 polars-snappy polars-gzip polars-brotli polars-uncompressed polars-statistics-full
            polars-categorical polars-enum polars-ids-int64 polars-ids-uint64 polars-ids-decimal polars-ids-binary
            polars-datetime-ms polars-datetime-us polars-datetime-ns polars-null-column polars-counts-float polars-partition-by")
        .same(),
        of("polars-ids-int128").same_or_refused(&["bot_id"]),
        of("polars-ids-float64").refused("messages", &["ad_id"]),
        of("polars-struct").messages(REFERRAL).same(),
    ]
    .concat()
}

fn duckdb() -> Vec<Case> {
    [
        of("duckdb-plain duckdb-zstd duckdb-gzip duckdb-lz4_raw duckdb-brotli duckdb-uncompressed duckdb-version-2 duckdb-row-groups
            duckdb-no-bloom-filter duckdb-ids-bigint duckdb-ids-ubigint duckdb-ids-decimal20 duckdb-ids-decimal38 duckdb-ids-blob
            duckdb-ids-uuid duckdb-enum duckdb-time-timestamp duckdb-time-timestamp-s duckdb-time-timestamp-ms
            duckdb-time-timestamp-ns duckdb-time-timestamptz duckdb-time-varchar duckdb-counts-double duckdb-counts-hugeint
            duckdb-spend-decimal duckdb-odd-columns duckdb-partition-by duckdb-aliases")
        .same(),
        of("duckdb-time-epoch-ms").times("unit = \"ms\"").same(),
        of("duckdb-struct duckdb-map duckdb-json").messages(REFERRAL).same(),
        // Which DuckDB writes as double.
        of("duckdb-ids-hugeint duckdb-ids-double").refused("messages", &["ad_id"]),
        of("duckdb-time-date").refused("messages", &["sent_at"]),
    ]
    .concat()
}

// ------------------------------------------------------------------------------------------------------------- folders

pub fn folders() -> Vec<Case> {
    [layouts(), beside(), spoilt()].concat()
}

fn layouts() -> Vec<Case> {
    let by_month = "partition = \"year={yyyy}/month={mm}/day={dd}\"";
    [
        of("layout-upper-case layout-url-encoded layout-url-encoded-time layout-time-behind layout-hour-below layout-deep
            layout-blanks-and-accents layout-airbyte layout-athena-bucketed layout-hive layout-hive-delta-like layout-impala
            layout-ending-parquet layout-ending-PARQUET-upper layout-ending-parq layout-ending-pq layout-ending-snappy-parquet
            layout-ending-parquet-snappy layout-ending-gz-parquet layout-ending-parquet-gz layout-ending-zst-parquet
            layout-ending-parquet-zst layout-half-in-sub-folder layout-half-without-ending layout-newest-hourly")
        .same(),
        of("layout-dt layout-athena").all("partition = \"dt={date}\"").same(),
        of("layout-dt").exits_2(&["messages", "dt=2026-09", "partition = \"dt={date}\""]),
        of("layout-ingest-date").all("partition = \"ingest_date={date}\"").same(),
        of("layout-year-month-day layout-year-month-day-bare layout-year-month-day-only-padded-day layout-firehose-prefix")
            .all(by_month)
            .same(),
        of("layout-year-month-day layout-year-month-day-bare").exits_2(&["partition = \"year={yyyy}/month={mm}/day={dd}\""]),
        of("layout-plain-slashes layout-firehose layout-firehose-no-ending").all("partition = \"{yyyy}/{mm}/{dd}\"").same(),
        of("layout-firehose-no-ending").exits_2(&["partition = \"{yyyy}/{mm}/{dd}\""]),
        of("layout-yyyymmdd").all("partition = \"{yyyymmdd}\"").same(),
        of("layout-yyyymmdd").exits_2(&["partition = \"{yyyymmdd}\""]),
        of("layout-date").all("partition = \"{date}\"").same(),
        of("layout-file-a-day").all("partition = \"{date}.parquet\"").same(),
        of("layout-file-a-day").exits_2(&["partition = \"{date}.parquet\""]),
        of("layout-file-a-day-named").all("partition = \"export_{yyyymmdd}_v1.parquet\"").same(),
        of("layout-text-around").all("partition = \"raw/v1/day-{date}-utc\"").same(),
        of("layout-bot-below").both(BOT_IN_FOLDER).same(),
        of("layout-bot-below").refused("messages", &["bot_id", "partition = \"bot_id\""]),
        of("layout-bot-above").both(&format!("partition = \"bot_id=*/date={{date}}\"\n{BOT_IN_FOLDER}")).same(),
        of("layout-direction-key-encoded").events("columns = { category = { partition = \"category\" } }").same(),
        of("layout-newest-dt").exits_2(&["date={date}", "dt={date}"]),
        of("layout-newest-dt").all("partition = [\"date={date}\", \"dt={date}\"]").same(),
        of("days-marker days-marker-of-an-empty-day").both("marker = \"_SUCCESS\"").same(),
        of("days-hole").expect(&Expect::Refused { exit: 3, table: "events", day: Some(ODD), says: &[ODD] }),
    ]
    .concat()
}

fn beside() -> Vec<Case> {
    [
        of("beside-success beside-crc beside-temporary beside-tmp beside-impala-staging beside-folder-objects beside-top").same(),
        of("beside-csv").warned(&["part-1.csv"]),
        of("beside-csv").all("ignore = [\"*.csv\"]").aliases("ignore = [\"*.csv\"]").same(),
        of("beside-orc-and-avro").warned(&["part-1", "2 files"]),
        of("format-hudi").exits_2(&["Hudi", "messages"]),
        of("format-iceberg").exits_2(&["Iceberg", "messages"]),
        of("format-iceberg-aliases").exits_2(&["Iceberg", "identities"]),
        of("format-hudi-insights").exits_2(&["Hudi", "insights"]),
    ]
    .concat()
}

fn spoilt() -> Vec<Case> {
    [
        of("spoilt-cut-short spoilt-no-byte spoilt-zeros spoilt-csv-named-parquet spoilt-json-named-parquet spoilt-gzipped-whole
            spoilt-doubled spoilt-page-with-checksum")
        .day_refused("messages", &[ODD, "part-0.parquet"]),
        of("spoilt-csv-only").day_refused("messages", &[ODD, "part-0.csv"]),
        of("encrypted encrypted-plain-footer").day_refused("messages", &[ODD, "encrypted"]),
        of("spoilt-footer-flipped").same_or_refused(&[ODD, "part-0.parquet"]),
        of("spoilt-insights-cut-short").day_refused("insights", &[ODD, "part-0.parquet"]),
        of("spoilt-events-no-byte").day_refused("events", &[ODD, "part-0.parquet"]),
        of("spoilt-aliases").refused("identities", &["identities/part-0.parquet"]),
    ]
    .concat()
}

// -------------------------------------------------------------------------------------------------------- delta-rs, Spark

pub fn delta() -> Vec<Case> {
    [
        of("delta-append delta-delete delta-update delta-merge delta-optimize-and-vacuum delta-overwrite-a-partition delta-checkpoint
            delta-schema-added delta-restore delta-ids-int64 delta-aliases-updated")
        .same(),
        of("delta-partition-date32").both("partition = \"dia={date}\"").same(),
    ]
    .concat()
}

pub fn spark() -> Vec<Case> {
    [
        of("spark-plain spark-gzip spark-zstd spark-lz4_raw spark-none spark-legacy-format spark-int96 spark-timestamp-millis
            spark-timestamp-micros spark-timestamp-ntz spark-ids-long spark-ids-decimal spark-ids-binary spark-many-files
            spark-page-v2 spark-bloom-filters spark-variant")
        .same(),
        of("spark-time-string").times("zone = \"UTC\"").same(),
        of("spark-time-string").refused("messages", &["sent_at", "zone = "]),
        of("spark-time-long").times("unit = \"s\"").same(),
        of("spark-bots-below").both(BOT_IN_FOLDER).same(),
        of("spark-map spark-struct spark-pairs spark-pairs-legacy spark-json").messages(REFERRAL).same(),
        of("spark-ids-double").refused("messages", &["ad_id"]),
        of("spark-ids-double-string").refused("messages", &["ad_id", "1.2022630585481072E17"]),
    ]
    .concat()
}
