//! The status of a bot's insights on a day (`insights_status` of `bot_days`).

use crate::config::{Bot, Settings};

/// `is_whole` tells whether an account's figures of the day are all there, `is_final` whether they do not change any more.
pub(crate) fn insights_status(
    settings: &Settings,
    bot: &Bot,
    is_whole: &dyn Fn(&str) -> bool,
    is_final: &dyn Fn(&str) -> bool,
) -> &'static str {
    if settings.insights.is_none() || bot.ad_accounts.is_empty() {
        return "none";
    }
    if !bot.ad_accounts.iter().all(|account| is_whole(account)) {
        return "missing";
    }
    if bot.ad_accounts.iter().all(|account| is_final(account)) { "final" } else { "provisional" }
}
