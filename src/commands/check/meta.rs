//! Meta's token, and the ad accounts as Meta knows them.

use chrono::{DateTime, Utc};

use crate::base::day::{Day, MICROS_PER_DAY};
use crate::base::error::{Error, ErrorKind};
use crate::base::progress::{LOOKING, Progress};
use crate::base::said::Said;
use crate::config::{MarketingApi, Settings};
use crate::insights::client::{Client, Token};
use crate::insights::graph::Waiting;
use crate::insights::wire::{AccountStatus, Until};

use super::finding::Findings;
use super::how::How;

/// The permission that reading figures takes, and what every token has anyway.
const NEEDED_SCOPE: &str = "ads_read";
const HARMLESS_SCOPES: [&str; 2] = [NEEDED_SCOPE, "public_profile"];
/// From when on the end of a token is worth a warning.
const TOKEN_ENDS_SOON_DAYS: i64 = 14;
/// As long one answer is waited for, and as long is paused between tries in all: a run has more patience.
const ANSWERS_WITHIN_SECONDS: u64 = 8;
const PAUSES_SECONDS: u64 = 6;

pub(super) fn check(
    settings: &Settings,
    api: &MarketingApi,
    clock: &dyn Fn() -> DateTime<Utc>,
    how: &How<'_>,
    findings: &mut Findings<'_>,
) {
    (how.progress)(Progress::Doing("waiting for Meta's answers"));
    look(settings, api, clock, how, findings);
    (how.progress)(Progress::Doing(LOOKING));
}

fn look(settings: &Settings, api: &MarketingApi, clock: &dyn Fn() -> DateTime<Utc>, how: &How<'_>, findings: &mut Findings<'_>) {
    let client = api.client_settings().and_then(|of| {
        Client::new(
            of.within(ANSWERS_WITHIN_SECONDS),
            Waiting { stopped: how.stopped, pause: None, at_most: Some(PAUSES_SECONDS) },
        )
    });
    let Some(client) = findings.take("token", client) else { return };
    let Some(token) = findings.take("token", client.token()) else { return };
    check_token(&token, clock(), findings);
    let Some(seen) = findings.take("token", client.ad_accounts()) else { return };
    let names: Vec<&str> = seen.iter().map(|account| account.id.as_str()).collect();
    findings.ok("token", format!("it sees {} ad accounts: {}", names.len(), names.join(", ")));
    for id in settings.listed_accounts() {
        let known = seen.iter().find(|account| account.id == id).cloned();
        let Some(account) = findings.take(id, known.map_or_else(|| client.account(id), Ok)) else { continue };
        let text = format!("{:?}: days in {}, amounts in {}", account.name, account.timezone_name, account.currency);
        findings.ok(id, text);
        if account.status != AccountStatus::ACTIVE {
            findings.warn(id, Said::new(format!("Meta says that the account is {}", account.status)));
        }
        for bot in settings.bots.iter().filter(|bot| bot.ad_accounts.iter().any(|listed| listed == id)) {
            if bot.zone.name() != account.timezone_name {
                let (bot, own, theirs) = (&bot.id, bot.zone.name(), &account.timezone_name);
                let said = Said::new(format!(
                    "ITS DAYS ARE NOT THE BOT'S: Meta counts cost by days in {theirs}, bot {bot} counts conversations by days in {own}"
                ));
                findings.warn(
                    id,
                    said.mend(format!("set the bot's timezone to {theirs}, or cost per conversation compares different days")),
                );
            }
        }
    }
}

fn check_token(token: &Token, now: DateTime<Utc>, findings: &mut Findings<'_>) {
    for (what, until) in [("the token", token.expires_at), ("the token's access to figures", token.data_access_expires_at)] {
        let Until::At(micros) = until else {
            let text = if until == Until::Never { "never ends" } else { "ends, if at all, at a time that Meta does not tell" };
            findings.ok("token", format!("{what} is valid and {text}"));
            continue;
        };
        let days = (micros - now.timestamp_micros()) / MICROS_PER_DAY;
        let text = format!("{what} is valid until {}, {days} more days", Day::of_instant(micros));
        if days < TOKEN_ENDS_SOON_DAYS {
            findings.warn("token", Said::new(text));
        } else {
            findings.ok("token", text);
        }
    }
    let has = |scope: &str| token.scopes.iter().any(|granted| granted == scope);
    if has(NEEDED_SCOPE) {
        findings.ok("token", format!("it has the permission {NEEDED_SCOPE}"));
    } else {
        let error = Error::new(ErrorKind::Denied, format!("the token lacks the permission {NEEDED_SCOPE}"));
        findings.fail("token", &error.mend("make a token with it; nothing more is needed"));
    }
    let more: Vec<&str> = token.scopes.iter().map(String::as_str).filter(|granted| !HARMLESS_SCOPES.contains(granted)).collect();
    if !more.is_empty() {
        let said = Said::new(format!("it has permissions that are not needed: {}", more.join(", ")));
        findings.warn("token", said.mend(format!("a token with {NEEDED_SCOPE} alone will do")));
    }
}
