//! Fingerprints: the settings that matter to what is made of a table, as digests, one function per table. What was made under others
//! is made again.
//!
//! Each digest is of texts that are written here field by field, from values: receipts hold it for years, so renaming a field or a
//! type must not change it. The texts have the form in which Rust's `Debug` showed these settings in version 0.1.0. A test holds the
//! digests of the sample pipelines.
//!
//! What only judges what was read, such as the share of rows that may be rejected, is in none of them: receipts hold the counts that
//! it is judged by.

use std::collections::BTreeSet;
use std::iter::once;

use crate::base::arrival::ArrivalZone;
use crate::base::digest::Digest;
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping, TimeUnit};
use crate::base::schema::{InputColumn, InputKind, LOGIC, Raw};
use crate::config::{Bot, ConversionSetting, EngineKind, PartitionedInput, Settings};

/// The settings that matter to the reading of a table's partitions, and its logic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadingSettings {
    pub settings: Digest,
    pub history: Digest,
    pub logic: u32,
    /// Who reads.
    pub engine: EngineKind,
}

/// What matters to a raw table's extraction.
pub(crate) fn raw_settings(settings: &Settings, table: Raw) -> ReadingSettings {
    match table {
        Raw::Messages => {
            ReadingSettings { settings: touches(settings), history: Digest::NONE, logic: LOGIC.touches, engine: settings.engine }
        }
        Raw::Events => ReadingSettings {
            settings: conversion_events(settings),
            history: conversion_history(settings),
            logic: LOGIC.conversions,
            engine: settings.engine,
        },
    }
}

/// What matters to the reading of landed insights.
pub(crate) fn insights_settings(settings: &Settings) -> ReadingSettings {
    // No engine reads them.
    let engine = EngineKind::default();
    ReadingSettings { settings: insights(settings), history: Digest::NONE, logic: LOGIC.insights, engine }
}

/// The settings that matter to the working table of touches.
pub(crate) fn touches(settings: &Settings) -> Digest {
    Digest::of_texts(input(&settings.messages).chain(counted_bots(settings)))
}

/// The settings that matter to the working table of conversion events, but for which events those are.
pub(crate) fn conversion_events(settings: &Settings) -> Digest {
    Digest::of_texts(input(&settings.events).chain(counted_bots(settings)))
}

/// Which events are conversion events: the conversion settings of every bot, from its first on.
pub(crate) fn conversion_history(settings: &Settings) -> Digest {
    conversion_history_of(settings.bots.iter().cloned())
}

/// The same, of these bots.
pub(crate) fn conversion_history_of(bots: impl Iterator<Item = Bot>) -> Digest {
    let setting = |setting: &ConversionSetting| {
        let (category, at) = (quoted(&setting.category), setting.effective_at);
        format!("ConversionSetting {{ category: {category}, effective_at: {at} }}")
    };
    Digest::of_texts(bots.map(|bot| format!("{} {}", quoted(&bot.id), list(bot.conversion_events.iter().map(setting)))))
}

/// The settings that matter to landed insights: the accounts that are listed, and where the columns are found.
pub(crate) fn insights(settings: &Settings) -> Digest {
    let mapping = settings.insights.as_ref().map(|insights| &insights.columns);
    let mapped = mapping.filter(|mapping| mapping.columns.iter().any(|column| column.mapped)).map(self::mapping);
    let accounts = settings.listed_accounts().into_iter().map(str::to_string);
    Digest::of_texts(accounts.chain(mapped).chain(mapping.and_then(null_words)))
}

/// The settings that matter to every published day.
pub(crate) fn days(settings: &Settings) -> Digest {
    let bot = |bot: &Bot| {
        let mut accounts: Vec<&str> = bot.ad_accounts.iter().map(String::as_str).collect();
        accounts.sort_unstable();
        format!("{} {} {}", quoted(&bot.id), bot.zone.name(), list(accounts.into_iter().map(quoted)))
    };
    let mut bots: Vec<String> = settings.bots.iter().map(bot).collect();
    bots.sort_unstable();
    // Who lands the insights says which days of them are whole.
    let landed_by = match &settings.insights {
        None => "none",
        Some(insights) if insights.absent_means_zero => "landed, absent means zero",
        Some(insights) if insights.api.is_none() => "landed",
        Some(_) => "fetched",
    };
    Digest::of_texts([settings.horizon.days.to_string(), landed_by.to_string()].into_iter().chain(bots))
}

/// The settings that matter to who an id stands for: which ids count as which bot's, and where the columns of the alias table are
/// found, if the pipeline file says so.
pub(crate) fn identities(settings: &Settings) -> Digest {
    let bot = |bot: &Bot| format!("{} {}", quoted(&bot.id), list(bot.members.iter().map(|member| quoted(member))));
    let mapped = settings.identities.as_ref().map(|input| &input.columns);
    let words = mapped.and_then(null_words);
    let mapped = mapped.filter(|columns| columns.columns.iter().any(|column| column.mapped)).map(mapping);
    Digest::of_texts(settings.bots.iter().map(bot).chain(mapped).chain(words))
}

/// The settings that say what of an id is not the contact, and who counts nowhere; none where there are none.
pub(crate) fn people(settings: &Settings) -> Digest {
    if settings.forms.is_empty() && !settings.has_test_contacts() {
        return Digest::NONE;
    }
    // Those that are named in their forms have one id only.
    let bot = |(bot, ids): (&Bot, BTreeSet<String>)| format!("{} {}", quoted(&bot.id), list(ids.iter().map(|id| quoted(id))));
    let forms = list(settings.forms.names().map(quoted));
    Digest::of_texts(once(forms).chain(settings.bots.iter().zip(settings.test_ids()).map(bot)))
}

/// The digest that receipts of version 0.1.0 hold of a raw table's partitions, read under these settings: the share of rows that may
/// be rejected was among them. Such a receipt is as good as one of today, and is written anew by the first run that writes receipts.
/// This goes with the release after the next: by then every output has been run by a version that renews them.
pub(crate) fn accepted_before(settings: &Settings, table: Raw) -> Digest {
    let share = once(settings.max_rejected_share.to_string());
    Digest::of_texts(input(settings.raw(table)).chain(share).chain(counted_bots(settings)))
}

/// Where the values of a table's columns come from, and whose its days are.
pub(crate) fn columns_and_days(of: &PartitionedInput) -> Digest {
    Digest::of_texts(input(of))
}

/// Where the values of a table's columns come from.
pub(crate) fn columns(table: &TableMapping) -> Digest {
    Digest::of_texts([mapping(table)])
}

/// Where the values of a table's columns come from, and whose its days are, where those are not of UTC.
fn input(input: &PartitionedInput) -> impl Iterator<Item = String> {
    let zone = Some(input.zone).filter(|zone| *zone != ArrivalZone::Utc);
    let zone = zone.map(|zone| format!("partition_zone {zone}"));
    once(mapping(&input.columns)).chain(zone).chain(null_words(&input.columns))
}

/// The words that mean nothing in a table, where there are any; their order says nothing.
fn null_words(table: &TableMapping) -> Option<String> {
    let words: BTreeSet<&str> = table.null_words.iter().map(String::as_str).collect();
    (!words.is_empty()).then(|| format!("null_words {}", list(words.into_iter().map(quoted))))
}

/// Each bot with the ids that count as its own and its zone.
fn counted_bots(settings: &Settings) -> impl Iterator<Item = String> {
    let members = |bot: &Bot| list(bot.members.iter().map(|member| quoted(member)));
    settings.bots.iter().map(move |bot| format!("{} {} {}", quoted(&bot.id), members(bot), bot.zone.name()))
}

/// Where the values of each of a table's columns come from.
fn mapping(table: &TableMapping) -> String {
    let column = |column: &MappedColumn| {
        let sources = list(column.sources.iter().map(source));
        format!("Column {{ spec: {}, sources: {sources}, mapped: {} }}", input_column(column.spec), column.mapped)
    };
    list(table.columns.iter().map(column))
}

fn input_column(column: &InputColumn) -> String {
    let kind = match column.kind {
        InputKind::Text => "Text",
        InputKind::Instant => "Instant",
        InputKind::Unchecked => "Unchecked",
    };
    let (name, words) = (quoted(column.name), list(column.words.iter().map(|word| quoted(word))));
    // Versions before asked for these two: what they read is the same.
    let required = column.required || matches!(column.name, "ad_type" | "ad_title");
    format!("InputColumn {{ name: {name}, kind: {kind}, required: {required}, words: {words} }}")
}

fn source(source: &ColumnSource) -> String {
    let some = |text: Option<String>| text.map_or("None".to_string(), |text| format!("Some({text})"));
    let unit = |unit: TimeUnit| match unit {
        TimeUnit::Second => "Second".to_string(),
        TimeUnit::Millisecond => "Millisecond".to_string(),
        TimeUnit::Microsecond => "Microsecond".to_string(),
    };
    let key = match source.key.as_slice() {
        [] => None,
        [only] => Some(quoted(only)),
        steps => Some(list(steps.iter().map(|step| quoted(step)))),
    };
    let of_later_versions = [
        source.float.then(|| ", float".to_string()),
        source.constant.as_deref().map(|constant| format!(", constant: {}", quoted(constant))),
        source.partition.as_deref().map(|folder| format!(", partition: {}", quoted(folder))),
        source.zone.map(|zone| format!(", zone: {zone}")),
    ];
    format!(
        "TextSource {{ column: {}, key: {}, unit: {}, values: {}{} }}",
        quoted(&source.column),
        some(key),
        some(source.unit.map(unit)),
        list(source.values.iter().map(|(theirs, ours)| format!("({}, {})", quoted(theirs), quoted(ours)))),
        of_later_versions.into_iter().flatten().collect::<String>(),
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A text in double quotes, with what is not printable escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if letter == '\'' { quoted.push(letter) } else { quoted.extend(letter.escape_debug()) }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn pipeline(name: &str) -> Settings {
        Settings::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name)).unwrap()
    }

    /// Settings in every form that a mapping can have.
    fn with_everything() -> Settings {
        let text = r##"
name = "n"
[lake]
url = "lake"
[inputs.messages.columns]
bot_id = ["a", { column = "b", key = "#k.\"q\"" }]
sent_at = { column = "t", unit = "ms" }
direction = { column = "d", values = { received = ["in", "l'été e\u0301\n"], sent = ["out"] } }
ctwa_clid = { column = "m\\n", key = "日本 🎉" }
[inputs.events.columns]
occurred_at = [{ column = "t", unit = "s" }, { column = "u", unit = "us" }]
[quality]
max_rejected_share = 0.25
[insights]
source = "marketing-api"
[[bots]]
id = "z"
members = ["y", "it's"]
timezone = "America/Sao_Paulo"
ad_accounts = ["act_2", "1"]
[[bots.conversion_events]]
category = "a \"b\""
effective_at = "1969-08-11T00:00:00.000001-03:00"
[[bots]]
id = "a"
timezone = "UTC"
"##;
        Settings::parse("pinned.toml", text, Path::new("/")).unwrap()
    }

    fn all(settings: &Settings) -> [String; 8] {
        let digests = [
            touches(settings),
            conversion_events(settings),
            conversion_history(settings),
            insights(settings),
            days(settings),
            identities(settings),
            accepted_before(settings, Raw::Messages),
            accepted_before(settings, Raw::Events),
        ];
        digests.map(|digest| digest.to_string())
    }

    /// Pins the digests: where one of these is another, every output that was made with it is made again.
    #[test]
    fn the_digests_of_settings_stay_as_receipts_hold_them() {
        assert_eq!(
            all(&pipeline("sample.toml")),
            [
                "68f997168dba3e538311fe601f50d4c3",
                "6b3b9fd8f0f036ccf94a107a33b48346",
                "96387d9c17ae261b36b62ab62ef79f18",
                "f737f0b1887c98679980b216ceecdc98",
                "95ef90d36708ee80cab7dbb73df6ed0a",
                "2ead97020629546d0dbcded01f950a3a",
                "5ca711bbc9e37edfd720271e47a28661",
                "5b1b159b438484c7755459bcbb455b15",
            ]
        );
        assert_eq!(
            all(&pipeline("sample-blip.toml")),
            [
                "f7a27a7ed8e68e8021c1641ad225fbe2",
                "acdd16417359ede1d95c44c54d2f7a6b",
                "96387d9c17ae261b36b62ab62ef79f18",
                "f737f0b1887c98679980b216ceecdc98",
                "95ef90d36708ee80cab7dbb73df6ed0a",
                "2ead97020629546d0dbcded01f950a3a",
                "1217b0f73f6d8f167fe46181d68eadf8",
                "c7f0dacf9f581f03a6200437abfe1ecb",
            ]
        );
        assert_eq!(
            all(&pipeline("nightly.toml")),
            [
                "448c37bd7d3038ceae52d96022d207fb",
                "ad25e6e279c9b6ecffff406a5601efd5",
                "a3dd0bab5006a29da7465fbbb73054a0",
                "89ec3ee8044bb406a9c69043555ac441",
                "21f6e4ec84a5e1adac930afb04748978",
                "533291f43acb0fb1932ad1c952feb0be",
                "5b2b930f7c118df01b9927e6aae474d0",
                "b2c3bd04c7afc0287f6eae5eb36df156",
            ]
        );
    }

    #[test]
    fn so_do_those_of_every_form_of_setting() {
        assert_eq!(
            all(&with_everything()),
            [
                "bfed473e45c3b22b8e3890132cbf6a7d",
                "de9a0728a005827bebbb4d52462ab3fe",
                "6e3bc323b2863c1b5f72234cc402af81",
                "cd03632af490b9a791d7c7761ebadf44",
                "bed7c762ab9f69dd4e104f2eff3478cb",
                "5117c49bd65949c9a77842aa41b2d725",
                "5c98197a96c95788a7291c94b770ce65",
                "fc3d9d6dd0463c9fad1f0bd85a887143",
            ]
        );
    }

    #[test]
    fn the_share_of_rejected_rows_is_in_no_digest_of_today() {
        let settings = with_everything();
        let other = Settings { max_rejected_share: 0.5, ..settings.clone() };
        for table in Raw::BOTH {
            assert_eq!(raw_settings(&settings, table), raw_settings(&other, table));
            assert_ne!(accepted_before(&settings, table), accepted_before(&other, table));
        }
    }

    #[test]
    fn the_zone_of_partitions_is_in_the_digest_of_its_table() {
        let settings = with_everything();
        let with_zone = |text: &str| {
            let messages = PartitionedInput { zone: text.parse().unwrap(), ..settings.messages.clone() };
            Settings { messages, ..settings.clone() }
        };
        assert_eq!(touches(&with_zone("+00:00")), touches(&settings));
        assert_ne!(touches(&with_zone("-03:00")), touches(&settings));
        assert_ne!(touches(&with_zone("-03:00")), touches(&with_zone("America/Sao_Paulo")));
        assert_eq!(conversion_events(&with_zone("-03:00")), conversion_events(&settings));
    }

    #[test]
    fn words_for_nothing_are_in_the_digest_of_their_table() {
        let settings = with_everything();
        let with_words = |words: &[&str]| {
            let mut settings = settings.clone();
            settings.messages.columns.null_words = words.iter().map(|word| word.to_string()).collect();
            settings
        };
        assert_eq!(touches(&with_words(&[])), touches(&settings));
        assert_ne!(touches(&with_words(&["nan"])), touches(&settings));
        assert_ne!(touches(&with_words(&["nan"])), touches(&with_words(&["NULL"])));
        assert_eq!(touches(&with_words(&["nan", "NULL"])), touches(&with_words(&["NULL", "nan"])));
        assert_eq!(conversion_events(&with_words(&["nan"])), conversion_events(&settings));
    }

    #[test]
    fn forms_and_test_contacts_are_in_one_digest_of_their_own() {
        let parse = |more: &str, of_bot: &str| {
            let text = format!(
                "name = 'n'\n[lake]\nurl = 'lake'\n{more}[[bots]]\nid = 'a'\ntimezone = 'UTC'\n{of_bot}[[bots]]\nid = 'b'\ntimezone = 'UTC'\n"
            );
            Settings::parse("test.toml", &text, Path::new("/")).unwrap()
        };
        let none = parse("", "");
        assert!(people(&none).is_none() && people(&parse("[identity]\nforms = []\n", "test_contacts = []\n")).is_none());
        let (forms, tests) = ("[identity]\nforms = ['node', 'digits']\n", "test_contacts = ['x', 'y']\n");
        let all = [parse(forms, ""), parse("", tests), parse(forms, tests), parse("[identity]\nforms = ['node']\n", "")];
        let digests: std::collections::BTreeSet<String> = all.iter().map(|settings| people(settings).to_string()).collect();
        assert_eq!(digests.len(), all.len());
        let order = parse("[identity]\nforms = ['digits', 'node']\n", "test_contacts = ['y', 'x']\n");
        assert_eq!(people(&order), people(&all[2]), "their order says nothing");
        assert!(all.iter().all(|settings| identities(settings) == identities(&none) && touches(settings) == touches(&none)));
    }

    #[test]
    fn a_text_is_quoted_as_receipts_have_it() {
        for text in ["", "it's", "\"", "\\", "\n\t\0", "e\u{301}", "\u{301}", "日本 🎉", "\u{200b}\u{a0}\u{e000}", "ação"] {
            assert_eq!(quoted(text), format!("{text:?}"));
        }
    }

    #[test]
    fn another_place_is_another_reading() {
        let of = |ad: &str, alias: &str| {
            let text = format!(
                "name = 'n'\n[lake]\nurl = 'lake'\n[inputs.messages.columns]\n{ad}\n[inputs.identities]\n{alias}\n[[bots]]\nid = 'a'\n\
                 timezone = 'UTC'\n"
            );
            let settings = Settings::parse("test.toml", &text, Path::new("/")).unwrap();
            (columns_and_days(&settings.messages), identities(&settings))
        };
        let plain = of("", "");
        assert_eq!(of("", "path = 'elsewhere'"), plain);
        let places = [
            "ad_id = 'm'",
            "ad_id = { column = 'm', key = 'k' }",
            "ad_id = { column = 'm', key = ['k', 'l'] }",
            "ad_id = { column = 'm', key = ['k, l'] }",
            "ad_id = { partition = 'm' }",
            "ad_id = { value = 'm' }",
            "sent_at = { column = 'sent_at', zone = 'America/Sao_Paulo' }",
            "sent_at = { column = 'sent_at', zone = '-03:00' }",
        ];
        let mut digests: Vec<Digest> = places.iter().map(|place| of(place, "").0).chain([plain.0]).collect();
        assert_eq!(of(places[1], "").0, of("ad_id = { column = 'm', key = ['k'] }", "").0, "the same place");
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), places.len() + 1);
        assert_ne!(of("", "columns = { alias = 'from' }").1, plain.1);
    }
}
