//! What nobody maps is not ignored: words, ids, categories and contacts that change no figure and may be meant otherwise are said with
//! their number, an example and the line to write, by `run`, by the report that it keeps, by an idle run and by `check`.

use std::sync::Arc;

use arrow::array::StringArray;

use crate::scene::{DAYS, FAULTY, Scene};

/// All warnings of `check` about rows.
fn checked(scene: &Scene) -> Vec<String> {
    let (code, report) = scene.json("check", &[]);
    assert_eq!(code, 0, "{report}");
    let findings = report["findings"].as_array().expect("findings").iter();
    let warnings = findings.filter(|finding| finding["level"] == "warning" && finding["subject"] != "insights");
    let part = |finding: &serde_json::Value, name: &str| finding[name].as_str().expect("a text").replace('"', "");
    let text = |finding: &serde_json::Value| format!("{}: {}", part(finding, "subject"), part(finding, "text"));
    warnings.map(text).filter(|text| !text.starts_with("bot ")).collect()
}

fn warnings(report: &serde_json::Value) -> Vec<String> {
    let all = report["warnings"].as_array().expect("warnings").iter();
    all.map(|warning| warning.as_str().expect("a text").replace('"', "")).collect()
}

/// What lies under `runs/`.
fn kept_reports(scene: &Scene) -> String {
    let files = std::fs::read_dir(scene.lake.output.join("runs")).expect("a run has left its report");
    files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text")).collect()
}

/// One warning, with all of this, and no other: before the first run, by the run and its report, by an idle run and after it.
fn says(scene: &Scene, all: &[&str], idle: usize) {
    let is_said = |place: &str, found: &[String], number: usize| {
        assert_eq!(found.len(), number, "{place}: {found:?}");
        for text in found {
            all.iter().for_each(|part| assert!(text.contains(part), "{place}: {part} is not in {text}"));
        }
    };
    is_said("a check before", &checked(scene), 1);
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report}");
    is_said("a run", &warnings(&report), 1);
    is_said("the run's report", &warnings(&serde_json::from_str(&kept_reports(scene)).expect("one report")), 1);
    let (_, report) = scene.json("run", &[]);
    is_said("an idle run", &warnings(&report), idle);
    is_said("a check after", &checked(scene), 1);
    let human = scene.ctwa("check", &[]).stdout.replace('"', "");
    all.iter().for_each(|part| assert!(human.contains(part), "{part} is not in {human}"));
}

#[test]
fn a_lake_that_means_what_it_says_is_not_warned_about() {
    let scene = Scene::new();
    assert_eq!(checked(&scene), [""; 0]);
    assert_eq!(warnings(&scene.json("run", &[]).1), [""; 0]);
    assert_eq!(checked(&scene), [""; 0]);
}

#[test]
fn categories_that_read_like_a_named_one() {
    let scene = Scene::new();
    let alike = [Some("Purchase"), Some("purchase "), Some("purch\u{a0}ase")];
    scene.land_texts("events", "category", |row, _| alike[row].map(str::to_owned));
    let all =
        ["events: 3 events", "differs from purchase by case or white space only", "Purchase: 1", "purchase : 1", "category = "];
    says(&scene, &all, 1);
    let conversions = scene.published().bot_days.values().flatten().filter_map(|row| row.conversion_events).sum::<i64>();
    assert_eq!(conversions, 9, "they do not count");
}

#[test]
fn categories_that_nobody_names_are_nobody_s() {
    let scene = Scene::new();
    let others = [Some("purchases"), Some("pürchase"), None];
    scene.land_texts("events", "category", |row, _| others[row].map(str::to_owned));
    // The second setting's category is named, of a bot that has none it is not.
    assert_eq!(checked(&scene), [""; 0]);
    let columns = scene.columns("events");
    assert!(columns.iter().any(|(name, _)| *name == "bot_id"));
    scene.land_with("events", "bot_id", Arc::new(StringArray::from(vec![Some("loja"), Some("nobody"), None])));
    scene.land_texts("events", "category", |_, _| Some("PURCHASE".to_owned()));
    assert_eq!(checked(&scene).len(), 1, "{:?}", checked(&scene));
}

#[test]
fn ad_types_that_are_none() {
    let scene = Scene::new();
    let types = [Some("ad"), Some("story"), None, Some("click_to_chat_link")];
    scene.land_texts("messages", "ad_type", |row, _| types[row].map(str::to_owned));
    says(
        &scene,
        &["messages: 2 rows", "neither ad nor post (click_to_chat_link: 1, story: 1)", "1 of them", "values = { ad = ["],
        1,
    );
}

#[test]
fn ad_ids_that_meta_gives_to_no_ad() {
    let scene = Scene::new();
    scene.land_texts(
        "messages",
        "ad_id",
        |row, ad| if row < 2 { Some(format!("1029384756_{row}")) } else { ad.map(str::to_owned) },
    );
    let all = [
        "messages: 2 touches",
        "not digits (1029384756_0: 1, 1029384756_1: 1)",
        "no cost of their own",
        "a page's post",
        "ad_id = [",
    ];
    says(&scene, &all, 1);
}

#[test]
fn contacts_that_are_the_bot_itself() {
    let scene = Scene::new();
    let contacts = ["shop", "shop-sales/web", "caio-2", "loja"];
    scene.land_texts("messages", "contact_id", |row, _| Some(contacts[row].to_owned()));
    let all = ["messages: 2 rows", "(shop: 1, shop-sales/web: 1)", "no touches", "contact_id"];
    says(&scene, &all, 1);
    let touches: i64 = scene.published().bot_days.values().flatten().map(|row| row.touches + row.unattributed_touches).sum();
    assert_eq!(touches, 10, "twelve but those two");
}

/// A scene whose faulty day has these contacts in the place of its three purchases and its clicks.
fn contacts(clicks: [&'static str; 3], purchases: [&'static str; 3]) -> Scene {
    let scene = Scene::new();
    scene.land_texts("messages", "contact_id", |row, contact| clicks.get(row).copied().or(contact).map(str::to_owned));
    scene.land_texts("events", "contact_id", |row, _| Some(purchases[row].to_owned()));
    scene
}

fn conversions(scene: &Scene) -> i64 {
    scene.published().bot_days.values().flatten().filter_map(|row| row.conversions).sum()
}

#[test]
fn contacts_that_would_be_one_in_another_form() {
    let cases = [
        ("br-ninth-digit", "5531988887777", "553188887777", "55318…777", "55319…777"),
        ("br-ninth-digit", "553188887777@wa", "5531988887777@wa", "55319…777@wa", "55318…777@wa"),
        ("mx-mobile-1", "5215512345678", "525512345678", "52551…678", "52155…678"),
        ("ar-mobile-9", "5491123456789", "541123456789", "54112…789", "54911…789"),
        ("digits", "5531988887777", "+55 (31) 98888-7777", "+55 (…777", "55319…777"),
        ("node", "5531988887777@wa/phone#1", "5531988887777@wa", "55319…777@wa", "55319…777@wa/phone#1"),
        ("device", "5531988887777:12@wa", "5531988887777@wa", "55319…777@wa", "55319…:12@wa"),
    ];
    for (form, click, purchase, of_event, of_touch) in cases {
        let scene = contacts([click, "bia-2", "caio-2"], [purchase, "caio-2", "eva-2"]);
        let line = format!("forms = [{form}] below [identity]");
        // Nobody else's purchase of that day has no touch but eva's; of all days, there are four of hers.
        let pair = format!("such as {of_event} and {of_touch}");
        says(&scene, &["identities: 1 of 5 contacts of conversion events without a touch", &line, &pair], 0);
        assert!(!kept_reports(&scene).contains(purchase), "a report holds no contact");
        assert_eq!(conversions(&scene), 7);
        scene.edit("[insights]", &format!("[identity]\nforms = ['{form}']\n\n[insights]"));
        assert_eq!(checked(&scene), [""; 0], "{form}");
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        assert_eq!(conversions(&scene), 8, "{form}");
    }
}

#[test]
fn forms_that_only_do_together_are_named_together_beside_those_that_are() {
    let scene = contacts(["+55 (31) 98888-7777", "bia-2", "caio-2"], ["553188887777/web", "caio-2", "eva-2"]);
    scene.edit("[insights]", "[identity]\nforms = ['digits']\n\n[insights]");
    let found = checked(&scene);
    assert!(found.len() == 1 && found[0].contains("forms = [node, digits, br-ninth-digit] below [identity]"), "{found:?}");
}

#[test]
fn contacts_of_different_people_are_not_joined() {
    // Other areas, landlines, one who has touches under both ids, and another bot's.
    let scene = contacts(["5531988887777", "553133334444", "5531977776666"], ["553288887777", "5531933334444", "5531977776666"]);
    assert_eq!(checked(&scene), [""; 0]);
    let scene = contacts(["5531988887777", "553188887777", "caio-2"], ["553188887777", "5531988887777", "caio-2"]);
    assert_eq!(checked(&scene), [""; 0]);
    let scene = contacts(["5531988887777", "bia-2", "caio-2"], ["553188887777", "caio-2", "eva-2"]);
    scene.land_with("events", "bot_id", Arc::new(StringArray::from(vec!["loja", "shop", "shop"])));
    assert_eq!(checked(&scene), [""; 0]);
}

#[test]
fn a_click_of_a_night_before_is_found_by_check() {
    let scene = contacts(["5531988887777", "bia-2", "caio-2"], ["ana-2", "caio-2", "eva-2"]);
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert!(DAYS[2] == FAULTY && checked(&scene).is_empty());
    let mut night = crate::scene::world().events;
    night.retain(|event| event.partition == crate::scene::date(DAYS[3]));
    night[0].contact_id = Some("553188887777".to_owned());
    let form = crate::lake::Form::default();
    crate::lake::write_file(
        &scene.file("events", DAYS[3]),
        crate::lake::event_columns(&night.iter().collect::<Vec<_>>(), &form),
        &form,
    );
    let found = checked(&scene);
    assert!(found.len() == 1 && found[0].contains("br-ninth-digit"), "{found:?}");
}

#[test]
fn check_says_what_would_be_refused_tonight() {
    let scene = Scene::new();
    scene.land_texts("messages", "message_id", |_, _| None);
    let (code, report) = scene.json("check", &[]);
    assert_eq!(code, 6, "{report}");
    let text = report.to_string();
    assert!(text.contains("no_message_id: 3") && text.contains(FAULTY), "{text}");
}

#[test]
fn a_direction_that_is_null_counts_as_received_and_is_said() {
    let scene = Scene::new();
    scene.land_texts("messages", "direction", |row, direction| match row {
        0 => None,
        1 => Some(" ".to_owned()),
        _ => direction.map(str::to_owned),
    });
    says(&scene, &["messages: 2 touches have no direction", "count as received", "values = { sent = ["], 1);
    let touches = scene.published().bot_days.values().flatten().map(|row| row.touches).sum::<i64>();
    assert_eq!(touches, 12, "they count");

    // A word that means nothing is none either, and a row that is no touch is nobody's concern.
    let scene = Scene::new();
    scene.edit("path = \"messages\"\n", "path = \"messages\"\nnull_words = [\"-\"]\n");
    scene.land_texts("messages", "direction", |row, _| Some(if row == 2 { "-" } else { "received" }.to_owned()));
    says(&scene, &["messages: 1 touches have no direction"], 1);
    scene.land_texts("messages", "direction", |row, _| Some(if row == 3 { "-" } else { "received" }.to_owned()));
    assert_eq!(checked(&scene), [""; 0]);
}

/// Names a test contact of the first bot.
fn test_contact(scene: &Scene, id: &str) {
    scene.edit("timezone = \"UTC\"\nad_accounts", &format!("test_contacts = [{id:?}]\ntimezone = \"UTC\"\nad_accounts"));
}

#[test]
fn a_test_contact_that_no_row_has() {
    let scene = Scene::new();
    test_contact(&scene, "5511000000000");
    let all =
        ["identities: the test contact 55110…000 of bot shop is in none of 24 rows", "so none is left out", "test_contacts"];
    says(&scene, &all, 0);

    // A night later only what is new is at hand: that it is not among it says nothing.
    let night = crate::scene::world().messages.into_iter().filter(|message| message.partition == crate::scene::date(DAYS[3]));
    let night: Vec<_> = night.map(|message| crate::world::Message { ad_title: None, ..message }).collect();
    let form = crate::lake::Form::default();
    let columns = crate::lake::message_columns(&night.iter().collect::<Vec<_>>(), &form);
    crate::lake::write_file(&scene.file("messages", DAYS[3]), columns, &form);
    let (_, report) = scene.json("run", &[]);
    assert_eq!(warnings(&report), [""; 0]);
}

#[test]
fn a_test_contact_in_another_form_counts_until_forms_are_named() {
    let cases = [
        ("digits", "+55 31 98888-7777", "5531988887777", "55319…777"),
        ("br-ninth-digit", "553188887777", "5531988887777", "55319…777"),
        ("node", "5531988887777@wa", "5531988887777@wa/phone#1", "55319…777@wa/phone#1"),
    ];
    for (form, named, came, shown) in cases {
        let scene = contacts([came, "bia-2", "caio-2"], [came, "caio-2", "eva-2"]);
        test_contact(&scene, named);
        let line = format!("forms = [{form}] below [identity]");
        says(&scene, &["identities: the test contact", "is in none of 24 rows", &format!("{shown} is, which is"), &line], 0);
        assert!(!kept_reports(&scene).contains(came), "a report holds no contact");
        assert_eq!(conversions(&scene), 8);
        scene.edit("[insights]", &format!("[identity]\nforms = ['{form}']\n\n[insights]"));
        assert_eq!(checked(&scene), [""; 0], "{form}");
        let (code, report) = scene.json("run", &[]);
        assert_eq!((code, &report["test_contact_rows"]), (0, &serde_json::json!(2)), "{form}");
        assert_eq!(conversions(&scene), 7, "{form}");
    }
}
