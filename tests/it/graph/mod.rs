//! The client of Meta's Marketing API against a server that behaves as Meta's, on a script and in its own time.

mod commands;
mod errors;
mod figures;
mod pulls;
mod runs;
mod sdk;
mod secrecy;
mod server;
pub mod shop;
mod specification;
mod world;

use std::cell::RefCell;
use std::time::Duration;

use chrono::NaiveDate;
use ctwa::base::day::DayRange;
use ctwa::base::error::Result;
use ctwa::config::ClientSettings;
use ctwa::config::secret::Secret;
use ctwa::insights::client::Client;
use ctwa::insights::graph::Waiting;

use server::{GraphServer, TOKEN, VERSION};

/// How long these tests let a server not answer.
const TIMEOUT: Duration = Duration::from_millis(300);

fn settings(server: &GraphServer) -> ClientSettings {
    ClientSettings {
        base_url: server.base_url(),
        api_version: VERSION.into(),
        token: Secret::new(TOKEN, "$META_ACCESS_TOKEN").unwrap(),
        app_secret: None,
        timeout: Duration::from_secs(20),
    }
}

/// Lets a client work, for which time passes only where it waits: in the world, not here. Gives what it waited, too.
fn with_client<T>(server: &GraphServer, settings: ClientSettings, work: impl FnOnce(&Client<'_>) -> T) -> (T, Vec<u64>) {
    let waits = RefCell::new(Vec::new());
    let pause = |seconds: u64| {
        waits.borrow_mut().push(seconds);
        server.stage().world.now += seconds as i64;
        Ok(())
    };
    let stopped = || Ok(());
    let client = Client::new(settings, Waiting { stopped: &stopped, pause: Some(&pause), at_most: None }).unwrap();
    let result = work(&client);
    assert_eq!(server.stage().violations, Vec::<String>::new(), "Meta would not take these requests");
    drop(client);
    (result, waits.into_inner())
}

fn ask<T>(server: &GraphServer, work: impl FnOnce(&Client<'_>) -> Result<T>) -> Result<T> {
    with_client(server, settings(server), work).0
}

fn days(first: &str, last: &str) -> DayRange {
    DayRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}
