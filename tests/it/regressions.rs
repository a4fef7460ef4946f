//! Faults that were found by trial, a test for each, named for what was wrong.

use crate::cases::report_rows;
use crate::scene::{DAYS, Scene};

/// Days that are not published went by the bot's own settings, where the supposed ones were asked for.
#[test]
fn supposed_settings_hold_on_days_that_are_not_published() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    // The bot is configured from 2026-02-01 on, and published from 2026-03-01 on.
    let range = ["--from", "2026-01-30", "--to", DAYS[3], "--bot", "shop", "--format", "json"];
    let ran = scene.ctwa("what-if", &[&range, ["--category", "purchase"].as_slice()].concat());
    let rows = report_rows(&ran.stdout).expect("it is JSON");
    let cell = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(cell("unconfigured_days"), ["2", "2"]);
    assert_eq!(cell("unconfigured_days_if"), ["0", "0"]);
    // Both sides know the published days, and those alone.
    assert_eq!(cell("conversion_rate_difference"), ["0.000000", "0.000000"]);
}
