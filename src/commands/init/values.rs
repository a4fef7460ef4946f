//! Values: what they look like, whatever their column is called.

use std::collections::BTreeMap;

use super::sample::Seen;
use crate::base::day::Day;
use crate::base::ids::WORDS_FOR_NOTHING;
use crate::base::mapping::TimeUnit;
use crate::base::met::Kind;
use crate::base::times::{whole_number, written_time};

/// Whose id an identity is, by its form.
const TUNNEL: &str = "@tunnel.msging.net";
const BOT: &str = "@msging.net";
const CHANNELS: [&str; 5] = ["@wa.gw.msging.net", "@s.whatsapp.net", "@c.us", "@lid", TUNNEL];

/// Words that say which way a message went.
const RECEIVED: [&str; 22] = [
    "received",
    "inbound",
    "in",
    "incoming",
    "input",
    "receive",
    "recebida",
    "recebido",
    "recibido",
    "recibida",
    "entrada",
    "entrante",
    "user",
    "customer",
    "contact",
    "client",
    "cliente",
    "usuario",
    "usuário",
    "mo",
    "from_customer",
    "lead",
];
const SENT: [&str; 22] = [
    "sent",
    "outbound",
    "out",
    "outgoing",
    "output",
    "send",
    "enviada",
    "enviado",
    "saida",
    "saída",
    "saliente",
    "salida",
    "bot",
    "business",
    "agent",
    "system",
    "agente",
    "empresa",
    "mt",
    "to_customer",
    "attendant",
    "operator",
];

/// Parts of names of columns that say whether a message was sent, or received, where they hold true and false.
const SAYS_SENT: [&str; 5] = ["fromme", "outgoing", "outbound", "issent", "frombot"];
const SAYS_RECEIVED: [&str; 4] = ["incoming", "inbound", "isreceived", "fromcustomer"];

pub(super) fn is_tunnel(id: &str) -> bool {
    id.trim().to_lowercase().ends_with(TUNNEL)
}

/// Whether an id is a bot's, as Blip writes them.
pub(super) fn is_blip_bot(id: &str) -> bool {
    let name = id.split('/').next().unwrap_or_default().trim().to_lowercase();
    name.ends_with(BOT) && !CHANNELS.iter().any(|channel| name.ends_with(channel))
}

/// Whether a text is a telephone number, or an id of WhatsApp's or Blip's channels.
pub(super) fn is_contact(text: &str) -> bool {
    let id = text.trim().to_lowercase();
    let digits = id.strip_prefix('+').unwrap_or(&id);
    let is_number = (10..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number || CHANNELS.iter().any(|channel| id.ends_with(channel))
}

pub(super) fn is_message_id(text: &str) -> bool {
    text.trim().starts_with("wamid.")
}

/// Whether a text has the form of Meta's ids of ads.
pub(super) fn is_ad_id(text: &str) -> bool {
    let id = text.trim();
    (15..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn is_click_id(text: &str) -> bool {
    let id = text.trim();
    id.len() >= 20 && id.starts_with("A") && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

pub(super) fn is_ad_type(text: &str) -> bool {
    ["ad", "post"].contains(&text.trim().to_lowercase().as_str())
}

pub(super) fn is_account(text: &str) -> bool {
    let id = text.trim().to_lowercase();
    id.strip_prefix("act_").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn is_currency(text: &str) -> bool {
    text.trim().len() == 3 && text.trim().bytes().all(|byte| byte.is_ascii_uppercase())
}

pub(super) fn is_amount(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().any(|byte| byte.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

pub(super) fn is_word_for_nothing(text: &str) -> bool {
    WORDS_FOR_NOTHING.contains(&text.trim())
}

/// Whether a folder bears the name of a table, as the contract or Blip has it.
pub(super) fn is_name_of(folder: &str, table: &str) -> bool {
    let folder = folder.to_lowercase();
    let others: &[&str] = match table {
        "events" => &["eventtracks", "event_tracks"],
        "insights" => &["ads_insights", "ad_insights"],
        "identities" => &["aliases", "identity"],
        _ => &[],
    };
    folder == table || others.contains(&folder.as_str())
}

/// Words as the contract has them; none of a word that nobody knows.
pub(super) fn direction_of(word: &str) -> Option<&'static str> {
    let word = word.trim().to_lowercase();
    let is_one_of = |words: &[&str]| words.contains(&word.as_str());
    match (is_one_of(&RECEIVED), is_one_of(&SENT)) {
        (true, _) => Some("received"),
        (_, true) => Some("sent"),
        _ => None,
    }
}

/// What true says of the direction in a column of this bare name.
pub(super) fn direction_of_true(bare: &str) -> Option<&'static str> {
    let has = |parts: &[&str]| parts.iter().any(|part| bare.contains(part));
    match (has(&SAYS_SENT), has(&SAYS_RECEIVED)) {
        (true, false) => Some("sent"),
        (false, true) => Some("received"),
        _ => None,
    }
}

/// How the times of a place are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// With their zone, or as instants.
    Plain,
    /// As a type of times without a zone.
    Zoneless,
    /// As text without a zone.
    ZonelessText,
    Counted(TimeUnit),
}

/// Whole counts since 1970 of the years 2001 to 2128, by their unit.
const RANGES: [(TimeUnit, i64); 3] = [(TimeUnit::Second, 1), (TimeUnit::Millisecond, 1_000), (TimeUnit::Microsecond, 1_000_000)];
const FIRST_SECOND: i64 = 1_000_000_000;
const LAST_SECOND: i64 = 5_000_000_000;

/// The unit in which a number counts the time since 1970, if it can be one.
fn unit_of(number: i64) -> Option<TimeUnit> {
    RANGES.into_iter().find(|(_, per)| (FIRST_SECOND * per..LAST_SECOND * per).contains(&number)).map(|(unit, _)| unit)
}

/// How the values of a place are times; none where they are none.
pub(super) fn times(seen: &Seen) -> Option<Times> {
    if seen.kinds.iter().all(|kind| *kind == Kind::Instant) && !seen.kinds.is_empty() {
        return Some(Times::Plain);
    }
    if seen.kinds.iter().all(|kind| matches!(kind, Kind::Instant | Kind::ZonelessTime)) && !seen.kinds.is_empty() {
        return Some(Times::Zoneless);
    }
    let has_zone = |text: &str| written_time(text.trim()).map(|time| time.has_zone());
    if seen.mostly(90, |text| has_zone(text) == Some(true)) {
        return Some(Times::Plain);
    }
    if seen.mostly(90, |text| has_zone(text).is_some()) {
        return Some(Times::ZonelessText);
    }
    let counted_in = |text: &str| whole_number(text.trim()).and_then(unit_of);
    let units = RANGES.map(|(unit, _)| unit);
    units.into_iter().find(|unit| seen.mostly(90, |text| counted_in(text) == Some(*unit))).map(Times::Counted)
}

/// The instant of a value, in UTC where it names no zone.
pub(super) fn micros(times: Times, kind_is_time: bool, value: &str) -> Option<i64> {
    match times {
        Times::Counted(unit) => unit.to_micros(whole_number(value.trim())?),
        _ if kind_is_time => value.parse().ok(),
        _ => written_time(value.trim()).map(|time| time.in_utc()),
    }
}

/// The day that a value of a column of dates says.
pub(super) fn day(value: &str) -> Option<Day> {
    let text = value.trim();
    match text.len() {
        8 => format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..8)?).parse().ok(),
        _ => text.get(..10)?.parse().ok(),
    }
}

/// The time zones that people of a telephone prefix most likely have: the largest city's. Only to propose one.
const PREFIXES: [(&str, &str); 14] = [
    ("55", "America/Sao_Paulo"),
    ("52", "America/Mexico_City"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("57", "America/Bogota"),
    ("56", "America/Santiago"),
    ("51", "America/Lima"),
    ("598", "America/Montevideo"),
    ("351", "Europe/Lisbon"),
    ("34", "Europe/Madrid"),
    ("44", "Europe/London"),
    ("91", "Asia/Kolkata"),
    ("62", "Asia/Jakarta"),
    ("27", "Africa/Johannesburg"),
    ("1", "America/New_York"),
];

/// The zone that most of these contacts' numbers are of, with the prefix.
pub(super) fn zone_of<'c>(contacts: impl Iterator<Item = &'c str>) -> Option<(&'static str, &'static str)> {
    let mut votes: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    let mut all = 0_u64;
    for contact in contacts.filter(|contact| is_contact(contact) && !is_tunnel(contact)) {
        all += 1;
        let digits = contact.trim().trim_start_matches('+');
        if let Some((prefix, zone)) = PREFIXES.iter().find(|(prefix, _)| digits.starts_with(prefix)) {
            votes.entry(prefix).or_insert((0, zone)).0 += 1;
        }
    }
    let (prefix, (count, zone)) = votes.into_iter().max_by_key(|(_, (count, _))| *count)?;
    (count * 2 > all).then_some((zone, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind, values: &[&str]) -> Seen {
        let cells = (0..values.len()).map(|row| (0, row as u32)).collect();
        Seen { kinds: [kind].into(), values: values.iter().map(|value| (value.to_string(), 1)).collect(), cells }
    }

    #[test]
    fn times_are_known_by_their_form_and_range() {
        for (kind, value, expected) in [
            (Kind::Instant, "5", Some(Times::Plain)),
            (Kind::ZonelessTime, "5", Some(Times::Zoneless)),
            (Kind::Text, "2026-10-20 12:00:00 UTC", Some(Times::Plain)),
            (Kind::Text, "2026-10-20T12:00:00.123", Some(Times::ZonelessText)),
            (Kind::Integer, "1790856000", Some(Times::Counted(TimeUnit::Second))),
            (Kind::Text, "1790856000123", Some(Times::Counted(TimeUnit::Millisecond))),
            (Kind::Integer, "1790856000123456", Some(Times::Counted(TimeUnit::Microsecond))),
            (Kind::Integer, "5511900000001", None),
            (Kind::Integer, "12", None),
            (Kind::Text, "2026-10-20", None),
        ] {
            assert_eq!(times(&seen(kind, &[value])), expected, "{value}");
        }
    }

    #[test]
    fn identities_are_told_apart() {
        assert!(is_blip_bot("shop-br@msging.net") && is_blip_bot("shop@msging.net/web1"));
        for other in ["5511@wa.gw.msging.net", "a@tunnel.msging.net", "shop"] {
            assert!(!is_blip_bot(other), "{other}");
        }
        assert!(is_contact("5511900000001") && is_contact("+5511900000001") && is_contact("5511@wa.gw.msging.net"));
        assert!(!is_contact("shop@msging.net") && !is_contact("120226305854810726"));
        assert_eq!((direction_of("INBOUND"), direction_of("Saída"), direction_of("?")), (Some("received"), Some("sent"), None));
        assert_eq!((direction_of_true("keyfromme"), direction_of_true("isincoming")), (Some("sent"), Some("received")));
        assert_eq!(
            zone_of(["5511900000001", "551@wa.gw.msging.net", "5215500000067"].into_iter()),
            Some(("America/Sao_Paulo", "55"))
        );
    }
}
