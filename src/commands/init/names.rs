//! Names under which lakes have the contract's columns: those of WhatsApp's webhooks, of Blip's exports and shared tables, and of the
//! loaders of Meta's figures.
//!
//! Names are compared without case and signs: `#wa.referral.source_id` is `wareferralsourceid`. The earlier a name stands, the more
//! likely the column is meant by it.

use crate::base::met::Place;

/// The names of a column.
struct Known {
    column: &'static str,
    /// Of a place as a whole: the column, and the keys inside it.
    whole: &'static [&'static str],
    /// Of the innermost key alone, wherever it lies.
    inner: &'static [&'static str],
}

const fn known(column: &'static str, whole: &'static [&'static str], inner: &'static [&'static str]) -> Known {
    Known { column, whole, inner }
}

const BOT: Known = known(
    "bot_id",
    &[
        "botid",
        "owneridentity",
        "ownerid",
        "botidentity",
        "owner",
        "bot",
        "phonenumberid",
        "metadataphonenumberid",
        "businessphonenumberid",
        "displayphonenumber",
        "metadatadisplayphonenumber",
        "businessphone",
        "businessid",
        "inboxid",
        "channelid",
        "instanceid",
        "sessionid",
        "session",
    ],
    &["owneridentity", "phonenumberid", "displayphonenumber"],
);

const CONTACT: &[&str] = &[
    "contactid",
    "contactidentity",
    "fromidentity",
    "identity",
    "customeridentity",
    "useridentity",
    "waid",
    "contactwaid",
    "contactswaid",
    "customerid",
    "userid",
    "contact",
    "from",
    "keyremotejid",
    "remotejid",
    "chatid",
    "customerphone",
    "contactphone",
    "userphone",
    "phonenumber",
    "phone",
    "customer",
    "user",
    "sender",
    "senderid",
    "msisdn",
];
const CONTACT_INNER: &[&str] = &["waid", "contactidentity", "remotejid"];

const TIME: &[&str] = &[
    "sentat",
    "occurredat",
    "storagedate",
    "messagetimestamp",
    "eventtimestamp",
    "sentdate",
    "messagedate",
    "eventtime",
    "eventdate",
    "receivedat",
    "createdat",
    "timestamp",
    "datetime",
    "time",
    "createdtime",
    "creationdate",
    "date",
    "ts",
    "eventat",
    "trackedat",
    "inserteddate",
];
const TIME_INNER: &[&str] = &["storagedate", "messagetimestamp", "sentat", "occurredat"];

const MESSAGES: &[Known] = &[
    BOT,
    known(
        "message_id",
        &["messageid", "wamid", "wamessageid", "whatsappmessageid", "id", "msgid", "keyid", "mid", "externalid", "messagesid"],
        &["wamid", "messageid"],
    ),
    known("contact_id", CONTACT, CONTACT_INNER),
    known("sent_at", TIME, TIME_INNER),
    known(
        "direction",
        &[
            "direction",
            "messagedirection",
            "fromme",
            "isfromme",
            "keyfromme",
            "isincoming",
            "isinbound",
            "incoming",
            "inbound",
            "isreceived",
            "isoutgoing",
            "isoutbound",
            "outgoing",
            "outbound",
            "issent",
            "sendertype",
            "origin",
            "direcao",
            "sentido",
            "flow",
        ],
        &["fromme", "direction"],
    ),
    known(
        "ad_id",
        &["adid", "referralsourceid", "adsourceid", "ctwaadid", "sourceid", "metaadid", "facebookadid"],
        &["wareferralsourceid", "referralsourceid", "sourceid", "ctwaadid", "adid"],
    ),
    known(
        "ad_type",
        &["adtype", "referralsourcetype", "adsourcetype", "sourcetype"],
        &["wareferralsourcetype", "referralsourcetype", "sourcetype", "adtype"],
    ),
    known(
        "ad_title",
        &["adtitle", "referralheadline", "adheadline", "headline", "adname"],
        &["wareferralheadline", "referralheadline", "headline", "adtitle"],
    ),
    known(
        "ctwa_clid",
        &["ctwaclid", "referralctwaclid", "clid", "clickid"],
        &["wareferralctwaclid", "referralctwaclid", "ctwaclid"],
    ),
];

const EVENTS: &[Known] = &[
    BOT,
    known("contact_id", CONTACT, CONTACT_INNER),
    known(
        "category",
        &["category", "eventcategory", "eventname", "event", "categoria", "eventtype", "name", "type", "action"],
        &[],
    ),
    known("occurred_at", TIME, TIME_INNER),
    known("event_id", &["eventid", "trackid", "eventuuid", "id", "uuid"], &["eventid"]),
];

const IDENTITIES: &[Known] = &[
    known("bot_id", &["botid", "owneridentity", "tunnelowner", "owner", "bot", "router", "routerid"], &["tunnelowner"]),
    known(
        "alias",
        &[
            "alias",
            "aliasid",
            "oldwaid",
            "oldphone",
            "oldnumber",
            "oldcontactid",
            "previousid",
            "formerid",
            "tunnel",
            "tunnelidentity",
            "tunnelid",
            "oldid",
            "fromid",
            "otherid",
            "secondaryid",
            "sourceidentity",
        ],
        &["tunnelidentity"],
    ),
    known(
        "contact_id",
        &[
            "contactid",
            "originator",
            "tunneloriginator",
            "canonicalid",
            "identity",
            "contactidentity",
            "primaryid",
            "newid",
            "targetid",
            "contact",
            "waid",
            "masterid",
            "targetidentity",
        ],
        &["tunneloriginator"],
    ),
];

const INSIGHTS: &[Known] = &[
    known("account_id", &["accountid", "adaccountid", "accountsid", "account"], &["accountid"]),
    known("ad_id", &["adid"], &["adid"]),
    known("currency", &["currency", "accountcurrency", "adaccountcurrency", "currencycode"], &["accountcurrency"]),
    known("spend", &["spend", "amountspent", "spendamount", "cost", "costs", "spent"], &["spend"]),
    known("impressions", &["impressions"], &["impressions"]),
    known("reach", &["reach"], &["reach"]),
    known("clicks", &["clicks", "clicksall"], &["clicks"]),
    known("inline_link_clicks", &["inlinelinkclicks", "linkclicks"], &["inlinelinkclicks"]),
    known(
        "messaging_conversations_started",
        &[
            "messagingconversationsstarted",
            "messagingconversationstarted7d",
            "onsiteconversionmessagingconversationstarted7d",
            "actionsonsiteconversionmessagingconversationstarted7d",
            "metaconversations",
        ],
        &["onsiteconversionmessagingconversationstarted7d", "messagingconversationstarted7d"],
    ),
    known("ad_name", &["adname"], &["adname"]),
    known("adset_id", &["adsetid", "adgroupid"], &["adsetid"]),
    known("adset_name", &["adsetname", "adgroupname"], &["adsetname"]),
    known("campaign_id", &["campaignid"], &["campaignid"]),
    known("campaign_name", &["campaignname"], &["campaignname"]),
    known("date", &["datestart", "date", "day", "reportdate", "reportingdate", "dateday", "datestop"], &["datestart"]),
    known(
        "loaded_at",
        &[
            "airbyteextractedat",
            "airbyteemittedat",
            "fivetransynced",
            "sdcextractedat",
            "sdcreceivedat",
            "sdcbatchedat",
            "loadedat",
            "extractedat",
            "syncedat",
            "ingestedat",
            "dltloadedat",
            "updatedat",
            "loaded",
            "extracted",
            "synced",
            "loadtime",
            "ingestiontime",
            "insertedat",
        ],
        &["airbyteextractedat"],
    ),
];

/// A name without case and signs.
pub(super) fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How sure a name alone is.
pub(super) const SURE_NAME: u32 = 60;

/// How likely a place is meant for a column of a table by its name, up to 100.
pub(super) fn score(table: &str, column: &str, place: &Place) -> u32 {
    let columns = match table {
        "messages" => MESSAGES,
        "events" => EVENTS,
        "identities" => IDENTITIES,
        _ => INSIGHTS,
    };
    let Some(known) = columns.iter().find(|known| known.column == column) else { return 0 };
    if place.key.is_empty() && place.column.eq_ignore_ascii_case(column) {
        return 100;
    }
    let at = |names: &[&str], name: &str| names.iter().position(|other| *other == name).map(|at| at as u32);
    let whole = bare(&format!("{}{}", place.column, place.key.concat()));
    let of_whole = at(known.whole, &whole).map(|at| 98 - at);
    // `referral` is the column, `source_id` what lies in it; `metadata` says nothing of what lies in it.
    let of_inner = place.key.last().and_then(|key| at(known.inner, &bare(key))).map(|at| 90 - at);
    of_whole.into_iter().chain(of_inner).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_whatsapp_blip_and_loaders_are_known() {
        let score = |table, column, place: &str| {
            let mut names = place.split('>').map(str::to_string);
            let place = Place { column: names.next().unwrap(), key: names.collect() };
            score(table, column, &place)
        };
        for (table, column, place) in [
            ("messages", "ad_id", "ad_id"),
            ("messages", "ad_id", "metadata>#wa.referral.source_id"),
            ("messages", "ad_id", "referral>source_id"),
            ("messages", "ad_id", "value>referral>sourceId"),
            ("messages", "contact_id", "FromIdentity"),
            ("messages", "bot_id", "OwnerIdentity"),
            ("messages", "direction", "key>fromMe"),
            ("events", "contact_id", "contact>Identity"),
            ("events", "contact_id", "identity"),
            ("insights", "currency", "account_currency"),
            ("insights", "loaded_at", "_airbyte_extracted_at"),
            ("insights", "loaded_at", "_fivetran_synced"),
            ("insights", "date", "date_start"),
        ] {
            assert!(score(table, column, place) >= SURE_NAME, "{place}");
        }
        assert_eq!(score("messages", "message_id", "metadata>id"), 0, "a common word inside another column says nothing");
        assert_eq!(score("messages", "contact_id", "ToIdentity"), 0);
        assert!(score("events", "contact_id", "contact>Identity") > score("events", "contact_id", "identity"));
    }
}
