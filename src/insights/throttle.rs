//! How long to wait before the next request: pure, from what Meta's answers say of its limits.
//!
//! In: the four usage headers of an answer, and throttling errors. Out: seconds to wait, for one account or for the app, which is
//! all accounts. It slows down before a limit is reached. A header that is absent or malformed says nothing. There is no clock
//! here: what was waited is subtracted from what is left to wait.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::insights::graph_error::Whom;

/// The headers that are read; names in lower case.
pub(crate) const HEADERS: [&str; 4] =
    ["x-fb-ads-insights-throttle", "x-ad-account-usage", "x-app-usage", "x-business-use-case-usage"];

/// The limits by business use case that requests of ours count against.
const OUR_USE_CASES: [&str; 2] = ["ads_insights", "ads_management"];

/// Share of a limit that is used, in percent, and the seconds to wait from there on.
const SLOW_DOWN: [(u64, u64); 4] = [(100, 300), (95, 60), (85, 10), (75, 2)];
const LONGEST_SECONDS: u64 = 900;
const ABUSE_SECONDS: u64 = 1_800;
/// How long Meta blocks an account whose score is used up.
const FULL_TIER_SECONDS: u64 = 60;
const DEVELOPMENT_TIER_SECONDS: u64 = 300;
const APP_SECONDS: u64 = 60;

/// What the headers of one answer say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub account_percent: u64,
    pub app_percent: u64,
    /// The time until the account is served again; 0 when it is.
    pub account_regain_seconds: u64,
    /// Whether the app has full access; unknown when no header says it.
    pub is_full_tier: Option<bool>,
}

impl Usage {
    /// Reads the headers by name.
    pub(crate) fn read<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Usage {
        let mut usage = Usage::default();
        let object = |name: &str| serde_json::from_str::<Value>(header(name)?).ok().filter(Value::is_object);
        if let Some(insights) = object(HEADERS[0]) {
            usage.app_percent = usage.app_percent.max(whole(&insights["app_id_util_pct"]));
            usage.account_percent = usage.account_percent.max(whole(&insights["acc_id_util_pct"]));
            usage.note_tier(&insights);
        }
        if let Some(account) = object(HEADERS[1]) {
            let percent = whole(&account["acc_id_util_pct"]);
            usage.account_percent = usage.account_percent.max(percent);
            if percent >= 100 {
                usage.account_regain_seconds = usage.account_regain_seconds.max(whole(&account["reset_time_duration"]));
            }
            usage.note_tier(&account);
        }
        if let Some(app) = object(HEADERS[2]) {
            usage.app_percent = usage.app_percent.max(used(&app));
        }
        let by_id = object(HEADERS[3]);
        let cases = by_id.iter().filter_map(Value::as_object).flat_map(|of_id| of_id.values());
        for case in cases.filter_map(Value::as_array).flatten() {
            let is_ours = case["type"].as_str().is_none_or(|name| OUR_USE_CASES.contains(&name));
            if is_ours {
                usage.account_percent = usage.account_percent.max(used(case));
                // In minutes.
                let regain = whole(&case["estimated_time_to_regain_access"]).saturating_mul(60);
                usage.account_regain_seconds = usage.account_regain_seconds.max(regain);
                usage.note_tier(case);
            }
        }
        usage
    }

    fn note_tier(&mut self, header: &Value) {
        match header["ads_api_access_tier"].as_str() {
            Some("standard_access") => self.is_full_tier = Some(true),
            Some("development_access") => self.is_full_tier = Some(false),
            _ => {}
        }
    }
}

fn used(limits: &Value) -> u64 {
    ["call_count", "total_cputime", "total_time"].iter().map(|name| whole(&limits[*name])).max().unwrap_or(0)
}

/// The whole part of a number, also of one in text; 0 for what is none.
fn whole(value: &Value) -> u64 {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return 0,
    };
    let digits = text.split('.').next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn slow_down(percent: u64) -> u64 {
    SLOW_DOWN.iter().find(|(from, _)| percent >= *from).map_or(0, |(_, seconds)| *seconds)
}

/// Who has to wait, and how long still.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    app_seconds: u64,
    account_seconds: BTreeMap<String, u64>,
    is_full_tier: Option<bool>,
}

impl Throttle {
    /// Seconds to wait before the next request for an account, or for none.
    pub(crate) fn due(&self, account: Option<&str>) -> u64 {
        let of_account = account.and_then(|account| self.account_seconds.get(account)).copied().unwrap_or(0);
        self.app_seconds.max(of_account)
    }

    /// Time has passed for everybody.
    pub(crate) fn waited(&mut self, seconds: u64) {
        self.app_seconds = self.app_seconds.saturating_sub(seconds);
        self.account_seconds.retain(|_, left| {
            *left = left.saturating_sub(seconds);
            *left > 0
        });
    }

    /// Takes in what the headers of an answer to a request for an account say.
    pub(crate) fn note(&mut self, account: Option<&str>, usage: &Usage) {
        self.is_full_tier = usage.is_full_tier.or(self.is_full_tier);
        self.app_seconds = self.app_seconds.max(slow_down(usage.app_percent));
        let seconds = match usage.account_regain_seconds {
            0 => slow_down(usage.account_percent),
            regain => regain,
        };
        self.hold(account, Whom::Account, seconds);
    }

    /// Takes in an error: the `nth` in a row, from 0. What the headers asked for holds where it is longer.
    pub(crate) fn refused(&mut self, account: Option<&str>, whom: Whom, nth: u32) {
        let base = match (whom, self.is_full_tier) {
            (Whom::App, _) => APP_SECONDS,
            (Whom::Account, Some(true)) => FULL_TIER_SECONDS,
            (Whom::Account, _) => DEVELOPMENT_TIER_SECONDS,
        };
        self.hold(account, whom, base.saturating_mul(1 << nth.min(8)).min(LONGEST_SECONDS));
    }

    pub(crate) fn abused(&mut self) {
        self.hold(None, Whom::App, ABUSE_SECONDS);
    }

    fn hold(&mut self, account: Option<&str>, whom: Whom, seconds: u64) {
        match (whom, account) {
            (Whom::Account, Some(account)) => {
                if seconds > 0 {
                    let left = self.account_seconds.entry(account.to_string()).or_default();
                    *left = seconds.max(*left);
                }
            }
            _ => self.app_seconds = self.app_seconds.max(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(headers: &[(&str, &str)]) -> Usage {
        Usage::read(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_four_headers_are_read() {
        let insights =
            usage(&[(HEADERS[0], r#"{"app_id_util_pct":80,"acc_id_util_pct":10.5,"ads_api_access_tier":"standard_access"}"#)]);
        assert_eq!((insights.app_percent, insights.account_percent, insights.is_full_tier), (80, 10, Some(true)));
        let account = usage(&[(HEADERS[1], r#"{"acc_id_util_pct":9.67,"reset_time_duration":200}"#)]);
        assert_eq!((account.account_percent, account.account_regain_seconds), (9, 0));
        let spent = usage(&[(
            HEADERS[1],
            r#"{"acc_id_util_pct":100,"reset_time_duration":200,"ads_api_access_tier":"development_access"}"#,
        )]);
        assert_eq!((spent.account_regain_seconds, spent.is_full_tier), (200, Some(false)));
        let app = usage(&[(HEADERS[2], r#"{"call_count":28,"total_time":96,"total_cputime":25}"#)]);
        assert_eq!((app.app_percent, app.account_percent), (96, 0));
    }

    #[test]
    fn every_use_case_of_ours_counts_and_regaining_is_in_minutes() {
        let cases = usage(&[(
            HEADERS[3],
            r#"{"123":[{"type":"custom_audience","call_count":100,"estimated_time_to_regain_access":900},
                       {"type":"ads_management","call_count":12,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":0},
                       {"type":"ads_insights","call_count":"97","total_cputime":20,"total_time":5,"estimated_time_to_regain_access":7}]}"#,
        )]);
        assert_eq!((cases.account_percent, cases.account_regain_seconds, cases.app_percent), (97, 420, 0));
    }

    #[test]
    fn what_is_not_there_or_not_readable_says_nothing() {
        assert_eq!(usage(&[]), Usage::default());
        for text in
            ["", "{", "[]", "7", "{\"acc_id_util_pct\":null}", "{\"acc_id_util_pct\":\"much\"}", "{\"1\":7}", "{\"1\":[7,{}]}"]
        {
            let all: Vec<(&str, &str)> = HEADERS.iter().map(|name| (*name, text)).collect();
            assert_eq!(usage(&all), Usage::default(), "{text}");
        }
    }

    #[test]
    fn it_slows_down_before_the_limit_and_only_whom_it_concerns() {
        let mut last = 0;
        for (percent, seconds) in [(0, 0), (74, 0), (75, 2), (85, 10), (95, 60), (99, 60), (100, 300), (140, 300)] {
            let mut throttle = Throttle::default();
            throttle.note(Some("act_1"), &Usage { account_percent: percent, ..Usage::default() });
            assert_eq!(
                (throttle.due(Some("act_1")), throttle.due(Some("act_2")), throttle.due(None)),
                (seconds, 0, 0),
                "{percent}"
            );
            assert!(seconds >= last);
            last = seconds;
        }
        let mut throttle = Throttle::default();
        throttle.note(Some("act_1"), &Usage { app_percent: 85, account_regain_seconds: 420, ..Usage::default() });
        assert_eq!((throttle.due(Some("act_1")), throttle.due(Some("act_2"))), (420, 10), "the app's limit is everybody's");
        throttle.waited(10);
        assert_eq!((throttle.due(Some("act_1")), throttle.due(Some("act_2"))), (410, 0));
    }

    #[test]
    fn refusals_in_a_row_wait_longer_up_to_a_bound() {
        let waits = |tier: Option<bool>, whom: Whom| -> Vec<u64> {
            let wait = |nth| {
                let mut throttle = Throttle { is_full_tier: tier, ..Throttle::default() };
                throttle.refused(Some("act_1"), whom, nth);
                throttle.due(Some("act_1"))
            };
            (0..5).chain([40]).map(wait).collect()
        };
        assert_eq!(waits(Some(true), Whom::Account), [60, 120, 240, 480, 900, 900]);
        assert_eq!(waits(Some(false), Whom::Account), [300, 600, 900, 900, 900, 900]);
        assert_eq!(waits(None, Whom::Account), [300, 600, 900, 900, 900, 900]);
        assert_eq!(waits(None, Whom::App), [60, 120, 240, 480, 900, 900]);
        let mut throttle = Throttle::default();
        throttle.note(Some("act_1"), &Usage { account_regain_seconds: 3_000, ..Usage::default() });
        throttle.refused(Some("act_1"), Whom::Account, 0);
        assert_eq!(throttle.due(Some("act_1")), 3_000, "Meta's own estimate holds where it is longer");
        throttle.abused();
        assert_eq!(throttle.due(Some("act_2")), 1_800);
    }
}
