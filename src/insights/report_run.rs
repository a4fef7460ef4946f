//! An asynchronous report run: what to do next, from what it says of itself. Pure.
//!
//! In: the answer to a poll, how often and how long was polled before. Out: a [`NextStep`]. A run is done only when it says
//! `Job Completed` and 100 percent: it says 100 while it still runs, and some runs never finish.

use serde_json::Value;

use crate::base::error::{Error, Result};
use crate::insights::graph_error::GraphError;

/// What is asked of a run. The errors are told since v25.0.
pub(crate) const FIELDS: &str = "async_status,async_percent_completion,error_code,error_subcode,error_message";

/// How long a run is waited for.
const LONGEST_SECONDS: u64 = 3_600;
const FIRST_POLL_SECONDS: u64 = 2;
const SLOWEST_POLL_SECONDS: u64 = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportRunState {
    pub status: String,
    pub percent: u64,
    pub failure: Option<GraphError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    Poll {
        after_seconds: u64,
    },
    Read,
    /// The run says why it failed.
    Failed(GraphError),
    /// It failed without a reason.
    FailedSilently,
    /// Meta let it expire: the same can be submitted again.
    Skipped,
    /// It has run longer than any does.
    Endless,
}

impl ReportRunState {
    pub(crate) fn read(answer: &Value) -> Result<ReportRunState> {
        let odd = |field: &'static str| {
            Err(Error::data(format!("a report run has no readable {field}"))
                .with("field", field)
                .with("value", answer.get(field).unwrap_or(&Value::Null)))
        };
        let Some(status) = answer.get("async_status").and_then(Value::as_str) else { return odd("async_status") };
        let percent = match answer.get("async_percent_completion") {
            None => Some(0),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let Some(percent) = percent else { return odd("async_percent_completion") };
        Ok(ReportRunState { status: status.to_string(), percent, failure: GraphError::of_run(answer) })
    }

    /// `polls` and `waited_seconds` count from the start of the run.
    pub(crate) fn step(&self, polls: u32, waited_seconds: u64) -> NextStep {
        match self.status.as_str() {
            "Job Completed" if self.percent >= 100 => return NextStep::Read,
            "Job Failed" => return self.failure.clone().map_or(NextStep::FailedSilently, NextStep::Failed),
            "Job Skipped" => return NextStep::Skipped,
            // Also a status that is not known yet: the bound ends it.
            _ => {}
        }
        if waited_seconds >= LONGEST_SECONDS {
            return NextStep::Endless;
        }
        let seconds = FIRST_POLL_SECONDS.saturating_mul(1 << polls.min(16)).min(SLOWEST_POLL_SECONDS);
        NextStep::Poll { after_seconds: seconds.min(LONGEST_SECONDS - waited_seconds) }
    }
}

/// The id of a run that was submitted: documented as a text of digits, and shown as a number.
pub(crate) fn run_id(answer: &Value) -> Result<String> {
    let id = match answer.get("report_run_id") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::data("a report run has no readable report_run_id")
            .with("field", "report_run_id")
            .with("value", answer.get("report_run_id").unwrap_or(&Value::Null)));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(status: &str, percent: u64) -> ReportRunState {
        ReportRunState { status: status.into(), percent, failure: None }
    }

    #[test]
    fn only_completed_at_100_percent_is_read() {
        assert_eq!(state("Job Completed", 100).step(0, 0), NextStep::Read);
        for (status, percent) in
            [("Job Completed", 99), ("Job Running", 100), ("Job Started", 0), ("Job Not Started", 0), ("Job Pondering", 100)]
        {
            assert_eq!(state(status, percent).step(0, 0), NextStep::Poll { after_seconds: 2 }, "{status} {percent}");
        }
        assert_eq!(state("Job Skipped", 0).step(0, 0), NextStep::Skipped);
        assert_eq!(state("Job Failed", 100).step(0, 0), NextStep::FailedSilently);
    }

    #[test]
    fn polls_come_slower_and_end_after_an_hour() {
        let (mut waited, mut polls, mut waits) = (0, 0, Vec::new());
        while let NextStep::Poll { after_seconds } = state("Job Running", 0).step(polls, waited) {
            waits.push(after_seconds);
            waited += after_seconds;
            polls += 1;
        }
        assert_eq!(waits[..7], [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waited, 3_600);
        assert_eq!(state("Job Running", 100).step(polls, waited), NextStep::Endless);
        assert_eq!(state("Job Completed", 100).step(polls, waited), NextStep::Read, "a late end is an end");
    }

    #[test]
    fn a_run_is_read_as_metas_pages_show_it() {
        let run = json!({ "id": "6", "async_status": "Job Failed", "async_percent_completion": 0,
                          "error_code": -3, "error_subcode": 1504045, "error_message": "Too much" });
        let failure = ReportRunState::read(&run).unwrap().failure.unwrap();
        assert_eq!((failure.code, failure.subcode), (-3, Some(1504045)));
        for id in [json!({ "report_run_id": "6023920149050" }), json!({ "report_run_id": 6023920149050_u64 })] {
            assert_eq!(run_id(&id).unwrap(), "6023920149050");
        }
        for odd in
            [json!({}), json!({ "report_run_id": null }), json!({ "report_run_id": "../me" }), json!({ "report_run_id": -1 })]
        {
            assert!(run_id(&odd).is_err(), "{odd}");
        }
        for odd in
            [json!({}), json!({ "async_status": 3 }), json!({ "async_status": "Job Running", "async_percent_completion": [] })]
        {
            assert!(ReportRunState::read(&odd).is_err(), "{odd}");
        }
    }
}
