//! The sample in the contract's own columns: nothing to map. Goes in: the world. Comes out: files by path.

use super::files::{Files, Table};
use crate::world::{Event, Insight, Message, World};

pub fn files(world: &World) -> Files {
    let mut files = Files::new();
    for &date in &world.message_days {
        let rows: Vec<&Message> = world.messages.iter().filter(|row| row.partition == date).collect();
        files.insert(format!("contract/messages/date={date}/messages.parquet"), messages(&rows));
    }
    for &date in &world.event_days {
        let rows: Vec<&Event> = world.events.iter().filter(|row| row.partition == date).collect();
        files.insert(format!("contract/events/date={date}/events.parquet"), events(&rows));
    }
    for date in world.insights.iter().map(|row| row.date) {
        let rows: Vec<&Insight> = world.insights.iter().filter(|row| row.date == date).collect();
        files.entry(format!("contract/insights/date={date}/insights.parquet")).or_insert_with(|| insights(&rows));
    }
    files.insert("contract/identities/identities.parquet".into(), identities(world));
    files
}

fn messages(rows: &[&Message]) -> Vec<u8> {
    Table::new()
        .text("bot_id", rows.iter().map(|row| row.bot_id.as_ref()))
        .text("message_id", rows.iter().map(|row| row.message_id.as_ref()))
        .text("contact_id", rows.iter().map(|row| row.contact_id.as_ref()))
        .instant("sent_at", rows.iter().map(|row| row.sent_at))
        .text("direction", rows.iter().map(|row| row.direction.as_ref()))
        .text("ad_id", rows.iter().map(|row| row.ad_id.as_ref()))
        .text("ad_type", rows.iter().map(|row| row.ad_type.as_ref()))
        .text("ad_title", rows.iter().map(|row| row.ad_title.as_ref()))
        .text("ctwa_clid", rows.iter().map(|row| row.ctwa_clid.as_ref()))
        .into_parquet()
}

fn events(rows: &[&Event]) -> Vec<u8> {
    Table::new()
        .text("bot_id", rows.iter().map(|row| row.bot_id.as_ref()))
        .text("contact_id", rows.iter().map(|row| row.contact_id.as_ref()))
        .text("category", rows.iter().map(|row| row.category.as_ref()))
        .instant("occurred_at", rows.iter().map(|row| row.occurred_at))
        .text("event_id", rows.iter().map(|row| row.event_id.as_ref()))
        .into_parquet()
}

pub fn identities(world: &World) -> Vec<u8> {
    Table::new()
        .text("bot_id", world.identities.iter().map(|row| row.bot_id.as_ref()))
        .text("alias", world.identities.iter().map(|row| Some(&row.alias)))
        .text("contact_id", world.identities.iter().map(|row| Some(&row.contact_id)))
        .into_parquet()
}

fn insights(rows: &[&Insight]) -> Vec<u8> {
    Table::new()
        .text("account_id", rows.iter().map(|row| Some(&row.account_id)))
        .text("ad_id", rows.iter().map(|row| Some(&row.ad_id)))
        .text("currency", rows.iter().map(|row| Some(&row.currency)))
        .money("spend", rows.iter().map(|row| row.spend_millionths))
        .count("impressions", rows.iter().map(|row| row.impressions))
        .count("reach", rows.iter().map(|row| row.reach))
        .count("clicks", rows.iter().map(|row| row.clicks))
        .count("inline_link_clicks", rows.iter().map(|row| row.inline_link_clicks))
        .count("messaging_conversations_started", rows.iter().map(|row| row.messaging_conversations_started))
        .text("ad_name", rows.iter().map(|row| row.ad_name.as_ref()))
        .text("adset_id", rows.iter().map(|row| row.adset_id.as_ref()))
        .text("adset_name", rows.iter().map(|row| row.adset_name.as_ref()))
        .text("campaign_id", rows.iter().map(|row| row.campaign_id.as_ref()))
        .text("campaign_name", rows.iter().map(|row| row.campaign_name.as_ref()))
        .into_parquet()
}
