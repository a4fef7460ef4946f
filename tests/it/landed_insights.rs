//! Insights as loaders land them: under other names, in other types, in folders of the sync, again every night.
//!
//! Each lake holds the figures of the scene in another form, and gives the bytes of the plain one; what is not exact, or not the
//! figures' own, is refused with the line that mends it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal256Array, Float64Array, Int64Array, LargeStringArray, StringArray};
use arrow::datatypes::i256;
use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;

use crate::lake::{self, Columns, Dice, Form, insight_columns, strings};
use crate::oracle;
use crate::properties::{check, fail, folder, judged, objects};
use crate::rows;
use crate::scene::{DAYS, FAULTY, Scene, date, noon, times, world};
use crate::world::{Insight, World};
use crate::worlds;

/// The pipeline file names these columns of landed insights.
fn map(scene: &Scene, lines: &str) {
    scene.edit("source = \"landed\"\n", &format!("source = \"landed\"\n{lines}\n"));
}

fn rename(columns: &mut Columns, from: &str, to: &'static str) {
    columns.iter_mut().filter(|(name, _)| *name == from).for_each(|(name, _)| *name = to);
}

/// Every object of the plain scene.
fn plain() -> BTreeMap<String, Vec<u8>> {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    scene.objects()
}

fn gives_the_plain_bytes(scene: &Scene, what: &str) {
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
    assert_eq!(lake::unequal_objects(&plain(), &scene.objects()), [""; 0], "{what}");
    let again = scene.ctwa("run", &[]);
    assert!(again.stdout.contains("nothing was written"), "{what}: an idle run writes nothing\n{}", again.stdout);
}

#[test]
fn other_names_are_mapped_and_all_missing_ones_are_named_at_once() {
    let scene = Scene::new();
    let mut columns = scene.columns("insights");
    rename(&mut columns, "currency", "account_currency");
    rename(&mut columns, "spend", "amount_spent");
    rename(&mut columns, "impressions", "views");
    scene.land("insights", columns);
    for command in ["check", "run"] {
        let ran = scene.ctwa(command, &[]);
        assert_eq!(ran.code, 6, "{command}: {}", ran.stderr);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for text in [
            "required columns currency, spend are missing",
            "columns it has account_id, ad_id, account_currency, amount_spent",
            "[insights]: columns = { currency = [\"currency\", \"account_currency\"], spend = [\"spend\", \"amount_spent\"] }",
        ] {
            assert!(said.contains(text), "{command} lacks {text:?}\n{said}");
        }
    }
    let lines = "columns = { currency = [\"currency\", \"account_currency\"], spend = [\"spend\", { column = \"amount_spent\" }], \
                 impressions = [\"impressions\", \"views\"] }";
    map(&scene, lines);
    gives_the_plain_bytes(&scene, "other names");
}

#[test]
fn a_key_of_json_text_and_a_constant_are_mapped() {
    let scene = Scene::new();
    let mut columns = scene.columns("insights");
    columns.retain(|(name, _)| *name != "ad_id");
    let json = strings([Some("{\"ad\": {\"x\": 1}, \"id\": \"A\"}"), Some("{\"id\": \"B\"}")].into_iter());
    columns.push(("meta", json));
    scene.land("insights", columns);
    map(&scene, "columns = { ad_id = [\"ad_id\", { column = \"meta\", key = \"id\" }] }");
    gives_the_plain_bytes(&scene, "a key of JSON text");

    let scene = Scene::new();
    scene.edit("ad_accounts = [\"act_1\", \"act_2\"]", "ad_accounts = [\"act_2\"]");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let plain = scene.objects();
    let other = Scene::new();
    other.edit("ad_accounts = [\"act_1\", \"act_2\"]", "ad_accounts = [\"act_2\"]");
    for day in DAYS {
        let rows: Vec<Insight> = world().insights.into_iter().filter(|row| row.date == date(day)).collect();
        let mut columns = insight_columns(&rows.iter().collect::<Vec<_>>(), &Form::default());
        columns.retain(|(name, _)| *name != "currency");
        lake::write_file(&other.file("insights", day), columns, &Form::default());
    }
    map(&other, "columns = { currency = { value = \"MXN\" } }");
    assert_eq!(other.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&plain, &other.objects()), [""; 0]);
}

#[test]
fn every_exact_type_gives_the_same_bytes() {
    let wide: Decimal256Array = [10_500_000_000_000i64; 2].iter().map(|value| Some(i256::from(*value))).collect();
    let wide = wide.with_precision_and_scale(60, 12).expect("a decimal of 60 digits");
    let forms: Vec<(&str, ArrayRef)> = vec![
        ("spend", Arc::new(wide)),
        ("spend", strings([Some("10.5"), Some("10.500000000")].into_iter())),
        ("impressions", Arc::new(Float64Array::from(vec![100.0, 100.0]))),
        ("impressions", Arc::new(LargeStringArray::from(vec!["100", "100"]))),
        ("account_id", strings([Some("ACT_1"), Some(" 2\u{a0}")].into_iter())),
        ("account_id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("ad_name", Arc::new(Float64Array::from(vec![None, None]))),
    ];
    for (column, array) in forms {
        let scene = Scene::new();
        let what = format!("{column} as {}", array.data_type());
        scene.land_with("insights", column, array);
        gives_the_plain_bytes(&scene, &what);
    }
    let scene = Scene::new();
    scene.land_with("insights", "spend", Arc::new(Float64Array::from(vec![10.5, 10.5])));
    map(&scene, "columns = { spend = { column = \"spend\", float = true } }");
    gives_the_plain_bytes(&scene, "spend as float, mapped");
}

#[test]
fn what_is_not_exact_is_refused_with_what_would_do() {
    let cases: Vec<(&str, ArrayRef, &[&str])> = vec![
        (
            "spend",
            Arc::new(Float64Array::from(vec![10.5, 0.1])),
            &["CAST(spend AS DECIMAL(18,6))", "spend = { column = \"spend\", float = true }"],
        ),
        ("impressions", Arc::new(Float64Array::from(vec![100.0, 0.5])), &["impressions \"0.5\" is not a count", "ad B"]),
        ("ad_id", strings([Some("A"), Some("1.2E+17")].into_iter()), &["ad_id \"1.2E+17\" is no id"]),
        ("ad_id", strings([Some("A"), Some("nan")].into_iter()), &["ad_id \"nan\" is no id"]),
    ];
    for (column, array, says) in cases {
        let scene = Scene::new();
        scene.land_with("insights", column, array);
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 6, "{column}: {}", ran.stderr);
        says.iter().for_each(|text| assert!(ran.stderr.contains(text), "lacks {text:?}\n{}", ran.stderr));
        assert_eq!(scene.published().bot_days.len(), DAYS.len(), "no count waits for it");
        assert!(ran.stdout.contains(&format!("insights of {FAULTY} are refused")), "{}", ran.stdout);
    }
}

/// Lays the scene's insights in the folders of the days after theirs, with the figure's day in a column.
fn in_folders_of_the_sync(scene: &Scene, column: &'static str, as_text: bool) {
    fs::remove_dir_all(scene.folder("insights", FAULTY).parent().expect("the table's folder")).expect("it goes");
    for day in DAYS {
        let rows: Vec<Insight> = world().insights.into_iter().filter(|row| row.date == date(day)).collect();
        let mut columns = insight_columns(&rows.iter().collect::<Vec<_>>(), &Form::default());
        let dates: ArrayRef = match as_text {
            true => Arc::new(StringArray::from(vec![day; rows.len()])),
            false => Arc::new(arrow::array::Date32Array::from(vec![days_since_1970(date(day)); rows.len()])),
        };
        columns.push((column, dates));
        let folder = (date(day) + TimeDelta::days(1)).to_string();
        lake::write_file(&scene.file("insights", &folder), columns, &Form::default());
    }
}

fn days_since_1970(day: NaiveDate) -> i32 {
    day.signed_duration_since(NaiveDate::default()).num_days() as i32
}

#[test]
fn a_folder_of_the_sync_is_refused_until_the_figures_day_is_mapped() {
    for (column, as_text) in [("date_start", true), ("date_start", false), ("date", true)] {
        let scene = Scene::new();
        in_folders_of_the_sync(&scene, column, as_text);
        for command in ["check", "run"] {
            let ran = scene.ctwa(command, &[]);
            assert_eq!(ran.code, 6, "{command}: {}", ran.stderr);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            for text in [format!("{column} is 2026-03-04 in the folder of 2026-03-05"), format!("date = {column:?}")] {
                assert!(said.contains(&text), "{command} lacks {text:?}\n{said}");
            }
        }
        map(&scene, &format!("columns = {{ date = {column:?} }}"));
        gives_the_plain_bytes(&scene, column);
    }
}

#[test]
fn a_day_that_no_file_says_is_refused_and_no_other() {
    let scene = Scene::new();
    in_folders_of_the_sync(&scene, "day", true);
    map(&scene, "columns = { date = \"day\" }");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let rows: Vec<Insight> = world().insights.into_iter().filter(|row| row.date == date(FAULTY)).collect();
    let mut columns = insight_columns(&rows.iter().collect::<Vec<_>>(), &Form::default());
    columns.push(("day", strings([Some("2026-03-03"), Some("soon")].into_iter())));
    lake::write_file(&scene.file("insights", "2026-03-04"), columns, &Form::default());
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    for text in ["date \"soon\" is no day", "insights/date=2026-03-04/part-0.parquet", "column date"] {
        assert!(ran.stderr.contains(text), "lacks {text:?}\n{}", ran.stderr);
    }
    let published = scene.published();
    assert_eq!(published.bot_days.len(), DAYS.len());
    assert!(published.ad_days[&date(FAULTY)].iter().all(|row| row.spend.is_none()), "its figures are not known");
    assert!(published.ad_days[&date("2026-03-02")].iter().any(|row| row.spend == Some(10_500_000)));
}

#[test]
fn breakdown_rows_are_refused_whatever_they_say() {
    for spend in ["10.5", "3"] {
        let scene = Scene::new();
        let mut columns = scene.columns("insights");
        columns.retain(|(name, _)| ["account_id", "ad_id", "currency", "spend"].contains(name));
        columns[0].1 = strings([Some("act_1"); 2].into_iter());
        columns[1].1 = strings([Some("A"); 2].into_iter());
        columns[2].1 = strings([Some("BRL"); 2].into_iter());
        columns[3].1 = strings([Some("10.5"), Some(spend)].into_iter());
        columns.push(("publisher_platform", strings([Some("facebook"), Some("instagram")].into_iter())));
        columns.push(("synced_at", times(&[noon(FAULTY), noon(FAULTY) + 1])));
        scene.land("insights", columns);
        for mapped in [false, true] {
            if mapped {
                map(&scene, "columns = { loaded_at = { column = \"synced_at\" } }");
                DAYS.iter()
                    .filter(|day| **day != FAULTY)
                    .for_each(|day| fs::remove_dir_all(scene.folder("insights", day)).expect("it goes"));
            }
            let ran = scene.ctwa("run", &[]);
            assert_eq!(ran.code, 6, "{}", ran.stderr);
            let text = "breakdown column publisher_platform";
            assert!(ran.stderr.contains(text), "lacks {text:?}\n{}", ran.stderr);
        }
    }
}

#[test]
fn keys_that_do_not_fit_are_usage_errors_with_their_place() {
    for (lines, says) in [
        ("columns = { currency_ = \"c\" }", "did you mean `currency`?"),
        ("absent_means_zero = \"yes\"", "`insights.absent_means_zero` is string, true or false is needed"),
        ("columns = { clicks = { column = \"c\", float = true } }", "`float` is for amounts"),
    ] {
        let scene = Scene::new();
        map(&scene, lines);
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 2, "{lines}: {}", ran.stderr);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("pipeline.toml:"), "{lines}: {}", ran.stderr);
    }
}

/// Lays a world's insights as a loader in append mode does: each night the rows of the days before, as they were then.
fn in_append_mode(world: &World, form: &Form, dir: &std::path::Path, seed: u64) -> lake::Lake {
    let mut dice = Dice(seed);
    let without = World { insights: Vec::new(), empty_insight_days: Vec::new(), ..world.clone() };
    let laid = lake::write(&without, form, dir);
    let mut folders: BTreeMap<NaiveDate, Vec<(Insight, i64)>> = BTreeMap::new();
    for row in &world.insights {
        let nights = 1 + dice.roll(3) as i64;
        for night in 1..=nights {
            let folder = row.date + TimeDelta::days(night);
            let earlier = if night < nights { 1_000_000 * dice.roll(3) as i64 } else { 0 };
            let then = Insight { spend_millionths: row.spend_millionths + earlier, ..row.clone() };
            folders.entry(folder).or_default().push((then, night));
        }
    }
    for (folder, rows) in &folders {
        let figures: Vec<&Insight> = rows.iter().map(|(row, _)| row).collect();
        let mut columns = insight_columns(&figures, form);
        let days: Vec<String> = figures.iter().map(|row| row.date.to_string()).collect();
        columns.push(("date_start", strings(days.iter().map(|day| Some(day.as_str())))));
        columns.push(("_synced", times(&rows.iter().map(|(_, night)| *night).collect::<Vec<_>>())));
        lake::write_file(&dir.join(format!("lake/insights/date={folder}/part-0.parquet")), columns, form);
    }
    let text = fs::read_to_string(&laid.pipeline).expect("the pipeline file is there");
    let section = format!(
        "[insights]\nsource = \"landed\"\nabsent_means_zero = {}\ncolumns = {{ date = \"date_start\", loaded_at = \"_synced\" }}\n",
        world.absent_means_zero
    );
    fs::write(&laid.pipeline, text.replace("[engine]", &format!("{section}\n[engine]"))).expect("it is written");
    laid
}

#[test]
fn append_mode_gives_the_bytes_of_one_row_for_each_key() {
    check(12, (worlds::world(), any::<u64>()), |(world, seed)| {
        if world.insights.is_empty() {
            return Ok(());
        }
        let (one, two) = (folder()?, folder()?);
        let form = Form::default();
        let plain = lake::write(&world, &form, one.path());
        let appended = in_append_mode(&world, &form, two.path(), seed);
        let code = if oracle::has_hole(&world) { 3 } else { 0 };
        for lake in [&plain, &appended] {
            lake::ctwa_expecting(lake, &[code], "run", &[]).map_err(fail)?;
        }
        let unequal = lake::unequal_objects(&objects(&plain)?, &objects(&appended)?);
        prop_assert!(unequal.is_empty(), "{:?}", unequal);
        Ok(())
    });
}

#[test]
fn refused_insights_cost_their_figures_and_no_count() {
    check(12, (worlds::world(), any::<u64>()), |(mut world, seed)| {
        let days: Vec<NaiveDate> = world.insights.iter().map(|row| row.date).collect();
        if days.is_empty() {
            return Ok(());
        }
        let place = folder()?;
        let lake = lake::write(&world, &Form::default(), place.path());
        let mut dice = Dice(seed);
        if dice.roll(2) == 0 {
            let code = if oracle::has_hole(&world) { 3 } else { 0 };
            lake::ctwa_expecting(&lake, &[code], "run", &[]).map_err(fail)?;
        }
        world.refused_insights.push(days[dice.roll(days.len())]);
        let lake = lake::write(&world, &Form::default(), place.path());
        for _ in 0..2 {
            lake::ctwa_expecting(&lake, &[6], "run", &[]).map_err(fail)?;
            let mut found = lake::read(&lake.output).map_err(fail)?;
            let mut expected = judged(&world)?.published;
            for published in [&mut found, &mut expected] {
                published.ad_days.retain(|day, _| !oracle::is_blocked(&world, *day));
                published.ad_conversions.retain(|day, _| !oracle::is_blocked(&world, *day));
                published.bot_days.retain(|day, _| !oracle::is_blocked(&world, *day));
            }
            let differences = rows::differences(&expected, &found);
            prop_assert!(differences.is_empty(), "{}", differences);
        }
        Ok(())
    });
}

/// Lays the figures of a day beside columns that say their days, each with the same text in all rows.
fn with_days(scene: &Scene, folder: &str, columns: &[(&'static str, &str)]) {
    let rows: Vec<Insight> = world().insights.into_iter().filter(|row| row.date == date(FAULTY)).collect();
    let mut all = insight_columns(&rows.iter().collect::<Vec<_>>(), &Form::default());
    all.extend(columns.iter().map(|(name, day)| (*name, strings(vec![Some(*day); rows.len()].into_iter()))));
    lake::write_file(&scene.file("insights", folder), all, &Form::default());
}

#[test]
fn figures_of_several_days_are_refused_whatever_says_so() {
    let week = "2026-03-07";
    type Case<'a> = (&'a [(&'static str, &'a str)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[("date_start", FAULTY), ("date_stop", week)], "", "date_stop is 2026-03-07 where date_start is 2026-03-03"),
        (&[("dateStart", FAULTY), ("dateStop", week)], "", "dateStop is 2026-03-07 where dateStart is 2026-03-03"),
        (&[("Reporting starts", FAULTY), ("Reporting ends", week)], "", "Reporting ends is 2026-03-07"),
        (&[("DateStop", week)], "", "DateStop is 2026-03-07 in the folder of 2026-03-03"),
        (&[("date_start", FAULTY), ("date_stop", week)], "date_start", "date_stop is 2026-03-07 where date_start is 2026-03-03"),
        (&[("dateStart", FAULTY), ("dateStop", week)], "dateStart", "dateStop is 2026-03-07 where dateStart is 2026-03-03"),
        (
            &[("date_start", "2026-02-25"), ("date_stop", FAULTY)],
            "date_stop",
            "date_stop is 2026-03-03 where date_start is 2026-02-25",
        ),
        (&[("day", FAULTY), ("date_stop", week)], "day", "date_stop is 2026-03-07 in a row whose date is 2026-03-03"),
    ];
    for (columns, mapped, says) in cases {
        let scene = Scene::new();
        with_days(&scene, FAULTY, columns);
        if !mapped.is_empty() {
            for day in DAYS.iter().filter(|day| **day != FAULTY) {
                fs::remove_dir_all(scene.folder("insights", day)).expect("it goes");
            }
            map(&scene, &format!("columns = {{ date = {mapped:?} }}"));
        }
        for command in ["check", "run"] {
            let ran = scene.ctwa(command, &[]);
            assert_eq!(ran.code, 6, "{says}: {command}: {}{}", ran.stdout, ran.stderr);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            for text in [says, "the figures are of several days", "time_increment=1"] {
                assert!(said.contains(text), "{command} lacks {text:?}\n{said}");
            }
        }
        assert_eq!(scene.published().bot_days.len(), DAYS.len(), "no count waits for it");
    }
    for columns in [[("dateStart", FAULTY), ("dateStop", FAULTY)], [("date_start", FAULTY), ("date_stop", FAULTY)]] {
        let scene = Scene::new();
        with_days(&scene, FAULTY, &columns);
        gives_the_plain_bytes(&scene, columns[0].0);
    }
    let scene = Scene::new();
    with_days(&scene, FAULTY, &[("dateStart", "2026-03-02")]);
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("dateStart is 2026-03-02 in the folder of 2026-03-03"), "{}", ran.stderr);
    assert!(ran.stderr.contains("date = \"dateStart\""), "{}", ran.stderr);
}

#[test]
fn a_currency_that_is_a_word_for_nothing_is_none() {
    for word in ["nan", "NULL", "null", "None", "none", " NaN ", "undefined", "\\N", "n/a"] {
        let scene = Scene::new();
        scene.land_with("insights", "currency", strings([Some("BRL"), Some(word)].into_iter()));
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 6, "{word}: {}", ran.stderr);
        for text in [&format!("currency {word:?} is no currency"), "ad B", "currency = { value = \"...\" }"] {
            assert!(ran.stderr.contains(text), "{word}: lacks {text:?}\n{}", ran.stderr);
        }
        assert_eq!(scene.published().bot_days.len(), DAYS.len(), "no count waits for it");
    }
    let scene = Scene::new();
    scene.land_with("insights", "currency", strings([Some("BRL"), Some("")].into_iter()));
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 6 && ran.stderr.contains("currency is blank"), "{}", ran.stderr);
}
