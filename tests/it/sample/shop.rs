//! The sample's shop: Casa Jacarandá sells hammocks, pottery and feast-day decorations over WhatsApp, in Brazil, Mexico and to
//! Mexicans in New York. In goes a fixed seed, out comes a [`World`]: four weeks of everyday traffic, Meta's daily figures,
//! and the scripted cases of `exhibits.rs`. Always the same world, so what is stored of it can be compared byte for byte.
//!
//! Every person, number, ad and account is invented. Times have whole seconds, as WhatsApp's have.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::ads::{ADS, Ad, BRL_ACCOUNT, MXN_ACCOUNT, ad, insights};
use super::exhibits;
use crate::world::{Bot, Event, Identity, Message, World};

pub const BR: &str = "shop-br@msging.net";
/// The sub-bot to which the Brazilian router hands its sales talks. It knows contacts by their tunnel identities.
pub const SALES: &str = "shop-br-sales@msging.net";
pub const MX: &str = "shop-mx@msging.net";
pub const US: &str = "shop-us@msging.net";
/// The bot on which the shop tries things out. No pipeline names it.
pub const TRIAL: &str = "shop-br-homolog@msging.net";

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// The partitions, in UTC days of arrival. The last local day of the four weeks, 1 November, needs the one of 2 November.
pub const FIRST: &str = "2026-10-05";
pub const LAST: &str = "2026-11-02";
/// The tracker was moved that day: the partition landed with zero rows, and its events came a day later.
const DAY_WITHOUT_EVENTS: &str = "2026-10-12";
/// splitmix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// Whole seconds from `from` up to, not including, `to`; both in microseconds.
    fn seconds(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(((to - from) / SECOND) as u64) as i64 * SECOND
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }
}

/// A row and the instant at which it arrived in the lake, which decides its partition and its place in the file.
type Arrival<T> = (i64, T);

/// The shop while its four weeks go by.
pub struct Shop {
    pub dice: Dice,
    messages: Vec<Arrival<Message>>,
    events: Vec<Arrival<Event>>,
    identities: Vec<Identity>,
    /// By contact.
    tunnels: BTreeMap<String, String>,
}

/// The sample's world.
pub fn world() -> World {
    let mut shop = Shop {
        dice: Dice(20_261_031),
        messages: Vec::new(),
        events: Vec::new(),
        identities: Vec::new(),
        tunnels: BTreeMap::new(),
    };
    for bot in bots() {
        shop.everyday_traffic(&bot);
    }
    exhibits::stage(&mut shop);
    shop.into_world()
}

pub fn bots() -> Vec<Bot> {
    let bot = |id: &str, members: &[&str], timezone: &str, account: &str, settings: &[(&str, &str)]| Bot {
        test_contacts: Vec::new(),
        id: id.into(),
        members: members.iter().map(|&member| member.into()).collect(),
        timezone: timezone.into(),
        ad_accounts: vec![account.into()],
        settings: settings.iter().map(|&(category, from)| (category.into(), utc(from))).collect(),
    };
    vec![
        bot(
            BR,
            &[SALES],
            "America/Sao_Paulo",
            BRL_ACCOUNT,
            &[("Pedido confirmado", "2026-09-01T03:00:00Z"), ("Pagamento aprovado", "2026-10-19T15:30:00Z")],
        ),
        // Midnight in Mexico City: the days up to 8 October are not configured, 9 October is.
        bot(MX, &[], "America/Mexico_City", MXN_ACCOUNT, &[("Compra", "2026-10-09T06:00:00Z")]),
        bot(US, &[], "America/New_York", MXN_ACCOUNT, &[]),
    ]
}

pub fn zone(bot: &str) -> Tz {
    let bot = bots().into_iter().find(|known| known.id == bot).expect("a bot of the shop");
    bot.timezone.parse().expect("a zone")
}

impl Shop {
    /// Four weeks of one bot: on every local day some talks that an ad began, and about as many that it did not.
    fn everyday_traffic(&mut self, bot: &Bot) {
        let zone = zone(&bot.id);
        let (touches, others) = match bot.id.as_str() {
            BR => (6, 6),
            MX => (3, 4),
            _ => (1, 1),
        };
        let choices: Vec<(&'static Ad, u64)> =
            ADS.iter().filter_map(|ad| ad.clicks.iter().find(|(id, _)| *id == bot.id).map(|&(_, weight)| (ad, weight))).collect();
        let mut contacts = Vec::new();
        for date in days(FIRST, LAST) {
            let midnight = zone.from_local_datetime(&date.and_time(NaiveTime::MIN)).unwrap().timestamp() * SECOND;
            let mut talks = vec![true; touches + self.dice.below(touches as u64 + 1) as usize];
            talks.resize(talks.len() + others, false);
            for from_ad in talks {
                let start = self.dice.seconds(midnight + 8 * HOUR, midnight + 23 * HOUR);
                if start >= utc_midnight(day(LAST)) + 21 * HOUR {
                    continue; // it would land after the last partition
                }
                let contact = self.everyday_contact(&bot.id, &mut contacts);
                let ad = from_ad.then(|| self.everyday_ad(&choices, date)).flatten();
                self.talk(&bot.id, &contact, start, ad);
            }
        }
    }

    /// A newcomer three times out of four, else somebody who wrote before.
    fn everyday_contact(&mut self, bot: &str, known: &mut Vec<String>) -> String {
        if known.is_empty() || self.dice.percent(75) {
            known.push(contact(bot, known.len() + 1));
            return known[known.len() - 1].clone();
        }
        known[self.dice.below(known.len() as u64) as usize].clone()
    }

    /// Any ad that has begun to deliver; people click on after its last day, from what was shared or saved.
    fn everyday_ad(&mut self, choices: &[(&'static Ad, u64)], date: NaiveDate) -> Option<&'static Ad> {
        let begun = |ad: &Ad| ad.meta.as_ref().is_none_or(|meta| date >= day(meta.days.0));
        let open: Vec<_> = choices.iter().filter(|(ad, _)| begun(ad)).collect();
        let mut left = self.dice.below(open.iter().map(|(_, weight)| weight).sum());
        open.iter()
            .find(|(_, weight)| {
                let here = left < *weight;
                left = left.wrapping_sub(*weight);
                here
            })
            .map(|(ad, _)| *ad)
    }

    /// One talk: what the contact and the bot write, what the bot tracks, and now and then what goes wrong on the way.
    fn talk(&mut self, bot: &str, contact: &str, start: i64, ad: Option<&Ad>) {
        let mut at = start;
        if let Some(ad) = ad {
            let touch = self.touch(bot, contact, at, ad.id);
            self.deliver_touch(touch);
        } else {
            let message = self.message(bot, contact, at);
            self.deliver_late_at_times(message);
        }
        for turn in 0..2 + self.dice.below(7) {
            at += self.dice.seconds(4 * SECOND, 90 * SECOND);
            let mut message = self.message(bot, contact, at);
            if turn % 2 == 0 {
                message.direction = Some("sent".into());
                message.message_id = Some(self.uuid());
            }
            self.deliver_late_at_times(message);
        }
        if self.dice.percent(35) {
            self.track(bot, contact, at + 5 * SECOND, "flow");
        }
        if self.dice.percent(40) {
            let category = if bot == BR { "Orçamento enviado" } else { "Cotización enviada" };
            self.track(bot, contact, at + 30 * SECOND, category);
        }
        if self.dice.percent(if ad.is_some() { 38 } else { 25 }) {
            let pause = if self.dice.percent(30) { 6 * DAY } else { 3 * HOUR };
            let order = at + self.dice.seconds(60 * SECOND, pause);
            if bot == BR {
                self.track(bot, contact, order, "Pedido confirmado");
                if self.dice.percent(80) {
                    let payment = order + self.dice.seconds(120 * SECOND, 26 * HOUR);
                    self.track(bot, contact, payment, "Pagamento aprovado");
                }
            } else {
                self.track(bot, contact, order, "Compra");
            }
        }
    }

    /// WhatsApp delivers at least once: now and then a touch lands twice, or also in the sub-bot to which the talk went.
    fn deliver_touch(&mut self, touch: Message) {
        let (bot, at) = (touch.bot_id.clone().unwrap(), touch.sent_at.unwrap());
        if self.dice.percent(4) {
            let delay = self.dice.seconds(0, 3 * DAY);
            self.arrive(touch.clone(), at + delay);
        }
        if bot == BR && self.dice.percent(15) {
            let contact = touch.contact_id.clone().unwrap();
            let forwarded = Message {
                bot_id: Some(SALES.into()),
                contact_id: Some(self.tunnel_identity(&contact)),
                sent_at: Some(at + SECOND),
                ..touch.clone()
            };
            self.arrive(forwarded, at + 2 * SECOND);
        }
        self.deliver_late_at_times(touch);
    }

    fn deliver_late_at_times(&mut self, message: Message) {
        let at = message.sent_at.unwrap();
        let delay = self.everyday_delay();
        self.arrive(message, at + delay);
    }

    /// Minutes as a rule, for Blip's webhook is a queue; days when an export was repeated.
    fn everyday_delay(&mut self) -> i64 {
        if self.dice.percent(3) { self.dice.seconds(DAY, 4 * DAY) } else { self.dice.seconds(SECOND, HOUR) }
    }

    /// The Brazilian bot's events mostly come from its sub-bot, under a tunnel identity; some name no contact at all.
    fn track(&mut self, bot: &str, contact: &str, at: i64, category: &str) {
        let mut event = event(bot, contact, at, category);
        if bot == BR && category != "flow" && self.dice.percent(70) {
            event.bot_id = Some(SALES.into());
            event.contact_id = Some(self.tunnel_identity(contact));
        }
        if self.dice.percent(4) {
            event.contact_id = None;
        }
        let delay = self.everyday_delay();
        self.arrive_event(event, at + delay);
    }

    /// The identity under which the sub-bot knows this contact. One in six leads there over a user id without phone number.
    fn tunnel_identity(&mut self, contact: &str) -> String {
        if let Some(tunnel) = self.tunnels.get(contact) {
            return tunnel.clone();
        }
        let tunnel = format!("{}@tunnel.msging.net", self.uuid());
        if self.dice.percent(17) {
            let user = format!("BR.{}", self.dice.text(b"0123456789", 16));
            self.alias(Some(BR), &tunnel, &user);
            self.alias(None, &user, contact);
        } else {
            self.alias(Some(BR), &tunnel, contact);
        }
        self.tunnels.insert(contact.into(), tunnel.clone());
        tunnel
    }

    pub fn alias(&mut self, bot: Option<&str>, alias: &str, contact: &str) {
        self.identities.push(Identity { bot_id: bot.map(Into::into), alias: alias.into(), contact_id: contact.into() });
    }

    pub fn uuid(&mut self) -> String {
        let digits = self.dice.text(b"0123456789abcdef", 32);
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// An inbound message without any mark of an ad.
    pub fn message(&mut self, bot: &str, contact: &str, at: i64) -> Message {
        Message {
            bot_id: Some(bot.into()),
            message_id: Some(wamid(contact, &self.dice.text(b"0123456789ABCDEF", 20))),
            contact_id: Some(contact.into()),
            sent_at: Some(at),
            direction: Some("received".into()),
            ..Message::default()
        }
    }

    /// The message of a click: ads shown in WhatsApp's Status give no click id.
    pub fn touch(&mut self, bot: &str, contact: &str, at: i64, ad_id: &str) -> Message {
        let ad = ad(ad_id);
        let mut touch = self.message(bot, contact, at);
        touch.ad_id = Some(ad_id.into());
        touch.ad_type = Some(ad.ad_type.into());
        touch.ad_title = Some(ad.title_at(at).into());
        touch.ctwa_clid = (ad.ad_type == "ad" && self.dice.percent(85)).then(|| self.click_id());
        touch
    }

    pub fn click_id(&mut self) -> String {
        format!("ARA{}", self.dice.text(b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_", 24))
    }

    pub fn arrive(&mut self, mut message: Message, at: i64) {
        message.partition = date_of(at);
        self.messages.push((at, message));
    }

    pub fn arrive_event(&mut self, mut event: Event, at: i64) {
        event.partition = date_of(at);
        event.event_id = Some(format!("evt-{:06}", self.events.len() + 1));
        if event.partition == day(DAY_WITHOUT_EVENTS) {
            event.partition = event.partition + Days::new(1);
        }
        self.events.push((at, event));
    }

    fn into_world(mut self) -> World {
        let insights = insights(&mut self.dice);
        let landed: Vec<NaiveDate> = days(FIRST, LAST).collect();
        // What arrives after the last partition is not in the lake yet.
        self.messages.retain(|(_, message)| message.partition <= day(LAST));
        self.events.retain(|(_, event)| event.partition <= day(LAST));
        self.messages.sort_by_key(|(arrived, message)| (message.partition, *arrived));
        self.events.sort_by_key(|(arrived, event)| (event.partition, *arrived));
        World {
            forms: Vec::new(),
            bots: bots(),
            window_days: 90,
            message_days: landed.clone(),
            event_days: landed,
            allow_missing: Vec::new(),
            partition_zones: Default::default(),
            messages: self.messages.into_iter().map(|(_, message)| message).collect(),
            events: self.events.into_iter().map(|(_, event)| event).collect(),
            identities: self.identities,
            insights,
            fetched: None,
            ..World::default()
        }
    }
}

pub fn event(bot: &str, contact: &str, at: i64, category: &str) -> Event {
    Event {
        bot_id: Some(bot.into()),
        contact_id: Some(contact.into()),
        category: Some(category.into()),
        occurred_at: Some(at),
        ..Event::default()
    }
}

/// An invented number: mobile numbers that no operator gives out, and in New York the range kept free for films.
pub fn contact(bot: &str, number: usize) -> String {
    match bot {
        MX => format!("52155{number:08}@wa.gw.msging.net"),
        US if number < 100 => format!("1212555{:04}@wa.gw.msging.net", 100 + number),
        US => panic!("the range has a hundred numbers"),
        _ => format!("55119{number:08}@wa.gw.msging.net"),
    }
}

/// A WhatsApp message id as they look: base64 of some bytes, the number among them, and a part of its own.
fn wamid(contact: &str, own: &str) -> String {
    let number = contact.split('@').next().expect("a first part").as_bytes();
    let mut bytes = vec![0x1c, 0x18, number.len() as u8];
    bytes.extend_from_slice(number);
    bytes.extend_from_slice(&[0x15, 0x02, 0x00, 0x12, 0x18, own.len() as u8]);
    bytes.extend_from_slice(own.as_bytes());
    bytes.push(0);
    format!("wamid.{}", base64(&bytes))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    text
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub fn days(first: &str, last: &str) -> impl Iterator<Item = NaiveDate> {
    let last = day(last);
    day(first).iter_days().take_while(move |date| *date <= last)
}

pub fn utc(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp() * SECOND
}

pub fn utc_midnight(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp() * SECOND
}

fn date_of(at: i64) -> NaiveDate {
    chrono::DateTime::from_timestamp(at / SECOND, 0).expect("a time").date_naive()
}
