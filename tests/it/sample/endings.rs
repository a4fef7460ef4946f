//! How the scripted cases end, written by hand from the rules: a check on the oracle's answer for the sample, and the promise
//! that the catalogue's cases show what it says of them.

use chrono_tz::Tz;

use super::ads::{
    BLACK_FRIDAY, CHILDRENS_DAY_POST, DAY_OF_THE_DEAD, FORMULA, HAMMOCKS_BR, HAMMOCKS_MX, LAMPS_NEVER_CLICKED, MUGS, PARTNER_AD,
    RUGS_NEVER_CLICKED, UNKNOWN_AD, VASES,
};
use super::exhibits::case;
use super::shop::{BR, MX, TRIAL, US, day, world};
use crate::oracle::{self, Session, State};
use crate::rows::AdDay;

/// The ads by the names used below.
const NAMES: [(&str, &str); 10] = [
    (VASES, "vases"),
    (HAMMOCKS_BR, "redes"),
    (FORMULA, "formula"),
    (BLACK_FRIDAY, "black friday"),
    (UNKNOWN_AD, "unknown"),
    (PARTNER_AD, "partner"),
    (CHILDRENS_DAY_POST, "post"),
    (HAMMOCKS_MX, "hamacas"),
    (DAY_OF_THE_DEAD, "muertos"),
    (MUGS, "tazas"),
];

/// Bot, case, and per session its ad and how it ended, with the local day of a conversion.
const ENDS: [(&str, usize, &str); 42] = [
    (BR, 1, "vases superseded; vases converted 2026-10-07"),
    (BR, 2, "vases superseded; redes converted 2026-10-08"),
    (BR, 3, "vases superseded; redes converted 2026-10-09"),
    (BR, 4, "formula superseded; vases converted 2026-10-09"),
    (BR, 5, "vases open"),
    (BR, 6, "redes converted 2026-10-07"),
    (BR, 7, "vases open"),
    (BR, 8, "redes superseded; redes open"),
    (BR, 9, "vases open"),
    (BR, 10, "redes superseded; no ad converted 2026-10-15"),
    (BR, 11, "no ad open"),
    (BR, 12, "black friday converted 2026-10-20"),
    (BR, 13, "vases converted 2026-10-19"),
    (BR, 14, "vases converted 2026-10-19"),
    (BR, 15, "redes converted 2026-10-11"),
    (BR, 16, "redes converted 2026-10-21"),
    (BR, 17, "vases open"),
    (BR, 18, "vases converted 2026-10-20"),
    (BR, 19, "redes converted 2026-10-20"),
    (BR, 20, "vases converted 2026-10-20"),
    // 21 goes by its new number.
    (BR, 21, ""),
    (BR, 121, "vases converted 2026-10-23"),
    (BR, 23, ""),
    (BR, 24, ""),
    (BR, 25, "unknown open"),
    (BR, 27, "redes converted 2026-10-27"),
    (BR, 28, "partner converted 2026-10-22"),
    (BR, 29, "unknown converted 2026-10-23"),
    (BR, 30, "post converted 2026-10-25"),
    (MX, 31, "hamacas open"),
    (MX, 32, "hamacas converted 2026-10-09"),
    (MX, 33, "hamacas open"),
    (MX, 34, "muertos open"),
    (MX, 41, ""),
    (BR, 42, ""),
    (BR, 43, ""),
    (MX, 44, ""),
    (US, 90, "tazas open"),
    (US, 91, "tazas open"),
    (US, 92, "tazas open"),
    (US, 93, "tazas open"),
    (US, 94, "tazas open"),
];

#[test]
fn scripted_cases_end_as_the_catalogue_says() {
    let sessions = oracle::tables(&world()).expect("the sample breaks no rule").sessions;
    for (bot, number, ends) in ENDS {
        let contact = case(bot, number);
        let found: Vec<String> = sessions
            .iter()
            .filter(|session| session.bot_id == bot && session.contact_id == contact)
            .map(|session| format!("{} {}", name_of(session), end_of(session)))
            .collect();
        assert_eq!(found.join("; "), ends, "case {number} of {bot}");
    }
}

fn name_of(session: &Session) -> &'static str {
    let Some(ad_id) = &session.ad_id else {
        return "no ad";
    };
    NAMES.iter().find(|(id, _)| id == ad_id).expect("an ad of the cases").1
}

fn end_of(session: &Session) -> String {
    let zone: Tz = super::shop::zone(&session.bot_id);
    match &session.state {
        State::Converted { at, .. } => format!("converted {}", oracle::local_date(zone, *at)),
        State::Superseded { .. } => "superseded".into(),
        State::Expired { .. } => "expired".into(),
        State::Open => "open".into(),
    }
}

/// What the catalogue says of days and money.
#[test]
fn days_and_money_are_as_the_catalogue_says() {
    let published = super::expected::published(&world());
    let ad_day = |date: &str, bot: Option<&str>, ad_id: &str| -> AdDay {
        let rows = &published.ad_days[&day(date)];
        let row = rows.iter().find(|row| row.bot_id.as_deref() == bot && row.ad_id == ad_id);
        row.unwrap_or_else(|| panic!("no row of {ad_id} on {date}")).clone()
    };
    let spend = |date: &str, bot: Option<&str>, ad_id: &str| ad_day(date, bot, ad_id).spend;

    assert_eq!(spend("2026-10-05", Some(BR), VASES), Some(144_000_000));
    // The account's day was not fetched; nor was that of the Brazilian account alone.
    assert_eq!(spend("2026-10-14", Some(BR), VASES), None);
    assert_eq!(spend("2026-10-22", Some(BR), VASES), None);
    assert!(spend("2026-10-22", Some(MX), HAMMOCKS_MX).is_some());
    // Clicked after its last day of delivery: its account spent nothing on it, and that is known.
    assert_eq!(spend("2026-10-30", Some(BR), HAMMOCKS_BR), Some(0));
    // A partner's ad, an ad that nobody knows, a post.
    assert_eq!(spend("2026-10-22", Some(BR), PARTNER_AD), None);
    assert_eq!(spend("2026-10-23", Some(BR), UNKNOWN_AD), None);
    assert_eq!(spend("2026-10-25", Some(BR), CHILDRENS_DAY_POST), None);
    // Never clicked: on the row of the only bot that lists the account, or on no bot's where two do.
    assert_eq!(ad_day("2026-10-09", Some(BR), LAMPS_NEVER_CLICKED).conversations, 0);
    assert_eq!(ad_day("2026-10-21", None, RUGS_NEVER_CLICKED).conversations, 0);
    // Two bots list the account of the mugs: the one touched first bears the spend.
    assert!(spend("2026-10-27", Some(US), MUGS).is_some());
    assert!(published.ad_days.values().flatten().any(|row| row.bot_id.as_deref() == Some(MX) && row.ad_id == MUGS));
    // Not configured on the last day before the setting, known on the first day after it.
    assert_eq!(ad_day("2026-10-08", Some(MX), HAMMOCKS_MX).conversions, None);
    assert!(ad_day("2026-10-09", Some(MX), HAMMOCKS_MX).conversions.is_some());
    // The trial bot is nobody's.
    assert!(published.bot_days.values().flatten().all(|row| row.bot_id != TRIAL));

    let bot_day = |date: &str, bot: &str| {
        published.bot_days[&day(date)].iter().find(|row| row.bot_id == bot).expect("a row for every bot and day")
    };
    for (date, bot) in [("2026-10-13", BR), ("2026-10-16", MX), ("2026-10-23", BR), ("2026-10-27", MX), ("2026-10-20", BR)] {
        assert_eq!(bot_day(date, bot).rejected_rows, 1, "{date}");
    }
    assert!(bot_day("2026-10-26", BR).events_without_contact >= Some(2));
    assert!(bot_day("2026-10-12", BR).conversion_events > Some(0), "the events of the empty partition came later");
    assert!(!bot_day("2026-11-02", BR).complete && bot_day("2026-11-01", BR).complete);
    let title = |ad_id: &str| {
        let ad = published.ads.iter().find(|ad| ad.ad_id == ad_id).expect("a known ad");
        ad.ad_title.clone().unwrap_or_default()
    };
    assert!(title(BLACK_FRIDAY).starts_with("Black Friday antecipada"));
    assert!(title(UNKNOWN_AD).starts_with("Oferta relâmpago"));
}
