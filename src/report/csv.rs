//! The report as CSV: a header, one line per row, commas, quotes where needed, LF, UTF-8 without mark. NULL is empty.
//!
//! **Formulas.** Titles are written by strangers, and a spreadsheet runs a cell that starts with `=`. So a text cell whose first
//! character is `=`, `+`, `-`, `@`, tab or carriage return gets an apostrophe before it, as OWASP's page on CSV injection
//! advises. Numbers are never changed. `raw` leaves every text as it came, for programs. Spreadsheets also round long ids: import
//! them as text.

use crate::base::error::{Error, Result};

use super::sheet::{Sheet, Value};

pub(super) fn render(sheet: &Sheet<'_>, raw: bool) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::bug("the report cannot be written as CSV").source(error);
    writer.write_record(sheet.columns.iter().map(|(name, _)| name)).map_err(failed)?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(|value| text(value, raw))).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Error::bug("the report cannot be written as CSV").source(error.into_error()))
}

fn text(value: &Value<'_>, raw: bool) -> String {
    match value {
        Value::Null => String::new(),
        Value::Day(day) => day.to_string(),
        Value::Text(text) if !raw && text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::Text(text) => text.to_string(),
        Value::Instant { local, .. } => local.clone(),
        Value::Count(count) => count.to_string(),
        Value::Amount(amount) => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::amount::Amount;
    use crate::report::model::{Grain, Report, ReportRow};
    use crate::report::sample;

    fn lines(report: &Report, raw: bool) -> Vec<String> {
        String::from_utf8(render(&report.sheet(), raw).unwrap()).unwrap().lines().map(str::to_string).collect()
    }

    #[test]
    fn a_header_and_null_as_nothing() {
        let lines = lines(&sample::report(Grain::Range, vec![sample::row()]), false);
        assert_eq!(
            lines,
            [
                "bot_id,ad_id,ad_title,ad_type,currency,spend,reach,conversations,cost_per_conversation,conversions,\
                 cost_per_conversion,conversion_rate,reach_min,reach_max,spend_unknown_days,unconfigured_days",
                "shop-br,120226305854810726,Promoção,ad,BRL,12.500000,,4,3.125000,,,,10,30,0,3",
            ]
        );
    }

    #[test]
    fn texts_that_a_spreadsheet_would_run_are_guarded_numbers_are_not() {
        for title in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            let row = ReportRow { ad_title: Some(title.to_string()), spend: Some(Amount(-1)), ..sample::row() };
            let report = sample::report(Grain::Range, vec![row]);
            let guarded = String::from_utf8(render(&report.sheet(), false).unwrap()).unwrap();
            assert!(guarded.contains(&format!("'{title}")), "{guarded}");
            assert!(guarded.contains(",-0.000001,"), "{guarded}");
            let raw = String::from_utf8(render(&report.sheet(), true).unwrap()).unwrap();
            assert!(raw.contains(title) && !raw.contains('\''), "{raw}");
        }
        let plain = lines(&sample::report(Grain::Range, vec![sample::row()]), false);
        assert!(!plain[1].contains('\''));
    }
}
