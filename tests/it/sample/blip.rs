//! The sample as Blip's exports look. Goes in: the world. Comes out: files whose columns are Blip's own, so that
//! `pipelines/sample-blip.toml` has something to map: what the contract asks for sits in a metadata map (from 19 October on,
//! when the shop changed its export program, in JSON text), in a struct, or under another name.
//!
//! Sources: docs.blip.ai (message metadata, data webhook, threads, event tracks) and Meta's page on the webhook's `referral`.

use arrow::array::{ArrayRef, MapBuilder, MapFieldNames, StringArray, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use chrono::{DateTime, NaiveDate};
use std::sync::Arc;

use super::contract;
use super::files::{Files, Table};
use super::shop::{BR, Dice, SALES, SECOND, day};
use crate::world::{Event, Insight, Message, World};

/// The first partition in which metadata is JSON text.
const JSON_SINCE: &str = "2026-10-19";

pub fn files(world: &World) -> Files {
    let mut files = Files::new();
    for &date in &world.message_days {
        let rows: Vec<&Message> = world.messages.iter().filter(|row| row.partition == date).collect();
        // Two files on a day, as an export of two programs leaves them.
        for (part, rows) in rows.chunks(rows.len().div_ceil(2).max(1)).enumerate() {
            let path = format!("blip/messages/date={date}/part-{part:05}.parquet");
            files.insert(path, messages(world, date, rows));
        }
    }
    for &date in &world.event_days {
        let rows: Vec<&Event> = world.events.iter().filter(|row| row.partition == date).collect();
        files.insert(format!("blip/events/date={date}/part-00000.parquet"), events(date, &rows));
    }
    for date in world.insights.iter().map(|row| row.date) {
        let rows: Vec<&Insight> = world.insights.iter().filter(|row| row.date == date).collect();
        files.entry(format!("blip/insights/date={date}/insights.parquet")).or_insert_with(|| insights(&rows));
    }
    files.insert("blip/identities/identities.parquet".into(), contract::identities(world));
    files
}

fn messages(world: &World, date: NaiveDate, rows: &[&Message]) -> Vec<u8> {
    let written: Vec<Written> = rows.iter().map(|row| Written::of(world, row)).collect();
    let table = Table::new()
        .text("id", rows.iter().map(|row| row.message_id.as_ref()))
        .text("ownerIdentity", rows.iter().map(|row| row.bot_id.as_ref()))
        .text("identity", rows.iter().map(|row| row.contact_id.as_ref()))
        .text("direction", rows.iter().map(|row| row.direction.as_ref()))
        .text("type", written.iter().map(|written| Some(written.media_type)))
        .text("content", written.iter().map(|written| Some(&written.content)))
        .text("storageDate", rows.iter().map(|row| row.sent_at.map(|at| storage_date(at, ".000Z"))));
    if date < day(JSON_SINCE) {
        table.column("metadata", metadata_map(&written))
    } else {
        table.text("metadata", metadata_json(&written))
    }
    .into_parquet()
}

/// What a message carries beside the contract's columns.
struct Written {
    media_type: &'static str,
    content: String,
    /// A flat map of strings; Blip leaves some of them null.
    metadata: Vec<(&'static str, Option<String>)>,
}

impl Written {
    fn of(world: &World, row: &Message) -> Self {
        let mut dice =
            Dice(row.message_id.iter().flat_map(|id| id.bytes()).fold(17, |seed, byte| seed * 31 % 65_521 + u64::from(byte)));
        let portuguese = row.bot_id.as_deref().is_some_and(|bot| bot.starts_with("shop-br"));
        let phrases = match (row.direction.as_deref(), row.ad_id.is_some(), portuguese) {
            (Some("sent"), _, true) => &ANSWERS_PT[..],
            (Some("sent"), _, false) => &ANSWERS_ES,
            (_, true, true) => &CLICKS_PT,
            (_, true, false) => &CLICKS_ES,
            (_, false, true) => &TALK_PT,
            (_, false, false) => &TALK_ES,
        };
        let text = phrases[dice.below(phrases.len() as u64) as usize];
        let (media_type, content) = if text.ends_with('?') && row.direction.as_deref() == Some("sent") {
            let options = if portuguese { ["Sim", "Não"] } else { ["Sí", "No"] };
            let select = serde_json::json!({"text": text, "options": [{"text": options[0]}, {"text": options[1]}]});
            ("application/vnd.lime.select+json", select.to_string())
        } else {
            ("text/plain", text.to_owned())
        };
        Self { media_type, content, metadata: metadata(world, row, &mut dice, portuguese) }
    }
}

fn metadata(world: &World, row: &Message, dice: &mut Dice, portuguese: bool) -> Vec<(&'static str, Option<String>)> {
    let mut metadata = Vec::new();
    if row.direction.as_deref() == Some("sent") {
        let state = if portuguese { ["Boas-vindas", "Catálogo", "Frete"] } else { ["Bienvenida", "Catálogo", "Envíos"] };
        metadata.push(("#stateName", Some(state[dice.below(3) as usize].into())));
        metadata.push(("#messageEmitter", dice.below(4).eq(&0).then(|| "Human".into())));
    } else if let Some(at) = row.sent_at.filter(|&at| at > 0) {
        // Meta's clock: a second or so before Blip stores the message. The sample counts by storageDate.
        metadata.push(("#wa.timestamp", Some((at / SECOND - 1).to_string())));
    }
    if let Some(tunnel) = row.contact_id.as_deref().filter(|contact| contact.ends_with("@tunnel.msging.net")) {
        metadata.push(("#tunnel.owner", Some(BR.into())));
        metadata.push(("#tunnel.originator", Some(originator(world, tunnel).into())));
    }
    if let Some(ad_id) = &row.ad_id {
        metadata.push(("#wa.referral.source_id", Some(ad_id.clone())));
    }
    if let Some(ad_type) = &row.ad_type {
        metadata.push(("#wa.referral.source_type", Some(ad_type.clone())));
        let body =
            if portuguese { "Toque para conversar com a Casa Jacarandá." } else { "Toca para platicar con Casa Jacarandá." };
        metadata.push(("#wa.referral.body", Some(body.into())));
        let short: String = (0..9).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
        metadata.push(("#wa.referral.source_url", Some(format!("https://fb.me/{short}"))));
        // Ads in WhatsApp's Status have no click id: the key is null there, or it is not there at all.
        if row.ctwa_clid.is_none() && dice.below(2) == 0 {
            metadata.push(("#wa.referral.ctwa_clid", None));
        }
    }
    if let Some(title) = &row.ad_title {
        metadata.push(("#wa.referral.headline", Some(title.clone())));
    }
    if let Some(click_id) = &row.ctwa_clid {
        metadata.push(("#wa.referral.ctwa_clid", Some(click_id.clone())));
    }
    metadata
}

/// The alias table's answer, as Blip writes it beside each tunnelled message.
fn originator<'a>(world: &'a World, tunnel: &'a str) -> &'a str {
    let mut contact = tunnel;
    while let Some(row) = world.identities.iter().find(|row| row.alias == contact) {
        contact = &row.contact_id;
    }
    contact
}

fn metadata_map(written: &[Written]) -> impl arrow::array::Array + 'static {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in written {
        for (key, value) in &row.metadata {
            map.keys().append_value(key);
            map.values().append_option(value.as_ref());
        }
        map.append(true).expect("as many keys as values");
    }
    map.finish()
}

fn metadata_json(written: &[Written]) -> impl Iterator<Item = Option<String>> {
    written.iter().map(|row| {
        let object: serde_json::Map<_, _> =
            row.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        Some(serde_json::Value::Object(object).to_string())
    })
}

/// Tracked events have no id. The contact is in a struct whose field begins with a capital; what the sub-bot tracked before it
/// was renewed has it in the older `identity` column.
fn events(date: NaiveDate, rows: &[&Event]) -> Vec<u8> {
    let old_form = |row: &Event| date < day(JSON_SINCE) && row.bot_id.as_deref() == Some(SALES);
    let in_struct: StringArray = rows.iter().map(|row| row.contact_id.clone().filter(|_| !old_form(row))).collect();
    let present: NullBuffer = in_struct.iter().map(|contact| contact.is_some()).collect();
    let field = Arc::new(Field::new("Identity", DataType::Utf8, true));
    let contact = StructArray::new(vec![field].into(), vec![Arc::new(in_struct) as ArrayRef], Some(present));
    Table::new()
        .text("ownerIdentity", rows.iter().map(|row| row.bot_id.as_ref()))
        .text("identity", rows.iter().map(|row| row.contact_id.as_ref().filter(|_| old_form(row))))
        .column("contact", contact)
        .text("storageDate", rows.iter().map(|row| row.occurred_at.map(|at| storage_date(at, "Z"))))
        .text("category", rows.iter().map(|row| row.category.as_ref()))
        .text("action", rows.iter().map(|row| Some(action(row))))
        .text("extras", rows.iter().map(|row| Some(extras(row))))
        .into_parquet()
}

fn action(row: &Event) -> &'static str {
    match row.category.as_deref() {
        Some("flow") => "Menu principal",
        Some("Pagamento aprovado") => "pix",
        _ => "ok",
    }
}

fn extras(row: &Event) -> String {
    let state = match row.category.as_deref() {
        Some("flow") => "Menu principal",
        Some("Orçamento enviado" | "Cotización enviada") => "Catálogo",
        _ => "Checkout",
    };
    serde_json::json!({"#stateName": state, "#previousStateName": "Catálogo"}).to_string()
}

/// Insights as Meta's API words them: numbers as text, the account's bare number, figures nobody asked for.
fn insights(rows: &[&Insight]) -> Vec<u8> {
    let digits = |figure: Option<i64>| figure.map(|figure| figure.to_string());
    let date = |row: &&Insight| Some(row.date.to_string());
    Table::new()
        .text("account_id", rows.iter().map(|row| row.account_id.strip_prefix("act_")))
        .text("ad_id", rows.iter().map(|row| Some(&row.ad_id)))
        .text("date_start", rows.iter().map(date))
        .text("date_stop", rows.iter().map(date))
        .text("currency", rows.iter().map(|row| Some(&row.currency)))
        .text("spend", rows.iter().map(|row| Some(spend(row.spend_millionths))))
        .text("impressions", rows.iter().map(|row| digits(row.impressions)))
        .text("reach", rows.iter().map(|row| digits(row.reach)))
        .text("clicks", rows.iter().map(|row| digits(row.clicks)))
        .count("inline_link_clicks", rows.iter().map(|row| row.inline_link_clicks))
        .count("messaging_conversations_started", rows.iter().map(|row| row.messaging_conversations_started))
        .text("ad_name", rows.iter().map(|row| row.ad_name.as_ref()))
        .text("adset_id", rows.iter().map(|row| row.adset_id.as_ref()))
        .text("adset_name", rows.iter().map(|row| row.adset_name.as_ref()))
        .text("campaign_id", rows.iter().map(|row| row.campaign_id.as_ref()))
        .text("campaign_name", rows.iter().map(|row| row.campaign_name.as_ref()))
        .into_parquet()
}

/// Meta's spend has no fixed number of decimals: "5339.5", "144.".
fn spend(millionths: i64) -> String {
    format!("{}.{}", millionths / 1_000_000, format!("{:06}", millionths % 1_000_000).trim_end_matches('0'))
}

fn storage_date(at: i64, ending: &str) -> String {
    let seconds = DateTime::from_timestamp(at.div_euclid(SECOND), 0).expect("a time");
    format!("{}{ending}", seconds.format("%Y-%m-%dT%H:%M:%S"))
}

const CLICKS_PT: [&str; 3] = [
    "Olá! Tenho interesse e queria mais informações, por favor.",
    "Oi, vi o anúncio de vocês. Qual é o preço?",
    "Olá! Posso saber mais sobre isso?",
];
const CLICKS_ES: [&str; 3] =
    ["¡Hola! Quiero más información.", "Hola, vi su anuncio. ¿Qué precio tiene?", "¡Buenas! Me interesa, ¿siguen disponibles?"];
const TALK_PT: [&str; 8] = [
    "Bom dia! Vocês entregam em Goiânia?",
    "Quero duas, uma azul e uma amarela.",
    "Qual é o prazo de entrega?",
    "Tem loja física em São Paulo?",
    "Pode ser no Pix?",
    "Perfeito, obrigada!",
    "A rede suporta quantos quilos?",
    "Meu pedido ainda não chegou.",
];
const TALK_ES: [&str; 8] = [
    "Buenos días, ¿hacen envíos a Mérida?",
    "Quiero dos, una roja y una verde.",
    "¿Cuánto tarda en llegar?",
    "¿Tienen tienda en Coyoacán?",
    "¿Aceptan tarjeta?",
    "Muchas gracias, muy amable.",
    "¿De qué tamaño es la hamaca?",
    "Todavía no me llega mi pedido.",
];
const ANSWERS_PT: [&str; 6] = [
    "Olá! Aqui é a Casa Jacarandá. 🌿",
    "Posso enviar o catálogo?",
    "O frete é grátis acima de R$ 199,00.",
    "A entrega leva de 3 a 7 dias úteis.",
    "Quer falar com uma pessoa?",
    "Pedido registrado. Obrigada pela preferência!",
];
const ANSWERS_ES: [&str; 6] = [
    "¡Hola! Somos Casa Jacarandá. 🌿",
    "¿Te mando el catálogo?",
    "El envío es gratis a partir de $999.",
    "La entrega tarda de 3 a 7 días hábiles.",
    "¿Quieres hablar con una persona?",
    "Pedido registrado. ¡Gracias por tu compra!",
];
