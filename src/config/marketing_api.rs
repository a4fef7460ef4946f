//! How insights are fetched from Meta's Marketing API: the part of `[insights]` that holds for `source = "marketing-api"`.
//!
//! In: the section. Out: [`MarketingApi`], checked. The token itself never stands in the file, only where it is to be read; it is
//! read when a client is made, so that commands that do not fetch need none.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::document::{Placed, Section};
use super::secret::{self, Secret};
use crate::base::error::{Error, Result};

/// The newest version whose behaviour is known here.
const DEFAULT_VERSION: &str = "v26.0";
/// The first version whose failed report runs say why.
const OLDEST_VERSION: (u32, u32) = (25, 0);
/// The longest window that Meta can answer for: it keeps 37 months.
const LONGEST_WINDOW_DAYS: i64 = 1_123;

#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The address, such as `https://graph.facebook.com`.
    pub base_url: String,
    /// The version, such as `v26.0`.
    pub api_version: String,
    pub token: Secret,
    /// The secret of the app that the token belongs to, where Meta wants proof of it.
    pub app_secret: Option<Secret>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl ClientSettings {
    /// With no more patience than this for an answer.
    pub(crate) fn within(self, seconds: u64) -> ClientSettings {
        ClientSettings { timeout: self.timeout.min(Duration::from_secs(seconds)), ..self }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketingApi {
    pub token: TokenPlace,
    /// The variable with the secret of the token's app, where the app wants proof of it.
    pub app_secret_env: Option<String>,
    pub base_url: String,
    pub api_version: String,
    /// How many days Meta still changes a day's figures.
    pub restate_days: i32,
    /// An account's day is fetched at most this often, unless incomplete.
    pub refetch_after_hours: i64,
    /// Trailing windows, in days, whose exact reach is fetched every night; ascending.
    pub reach_windows: Vec<i32>,
    pub timeout_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    Variable(String),
    File(PathBuf),
}

impl MarketingApi {
    /// Reads the keys of the section; a relative `token_file` is resolved against `base`.
    pub fn read(section: &Section<'_>, base: &Path) -> Result<MarketingApi> {
        let token = match (variable(section, "token_env")?, section.text("token_file")?) {
            (Some(_), Some(file)) => {
                return Err(file.error("both token_env and token_file are given").mend("keep one of them"));
            }
            (None, Some(file)) if file.value.trim().is_empty() => return Err(file.error("token_file is blank")),
            (None, Some(file)) => TokenPlace::File(base.join(file.value)),
            (name, None) => TokenPlace::Variable(name.unwrap_or("META_ACCESS_TOKEN".to_string())),
        };
        let app_secret_env = variable(section, "app_secret_env")?;
        let base_url = match section.text("base_url")? {
            Some(url) => {
                base_url(&url.value).map_err(|error| error.with("at", &url.place))?;
                url.value
            }
            None => "https://graph.facebook.com".to_string(),
        };
        let api_version = match section.text("api_version")? {
            Some(version) => version.try_map(checked_version)?.value,
            None => DEFAULT_VERSION.to_string(),
        };
        let mut reach_windows = Vec::new();
        let windows = section.integers("reach_windows")?;
        for days in windows.iter().flatten() {
            let days = within(days, "a window of reach_windows", 1, LONGEST_WINDOW_DAYS)? as i32;
            reach_windows.push(days);
        }
        if windows.is_none() {
            reach_windows.extend([7, 28, 90]);
        }
        reach_windows.sort_unstable();
        reach_windows.dedup();
        Ok(MarketingApi {
            token,
            app_secret_env,
            base_url,
            api_version,
            restate_days: integer(section, "restate_days", 28, 1, 90)? as i32,
            refetch_after_hours: integer(section, "refetch_after_hours", 20, 0, 168)?,
            reach_windows,
            timeout_seconds: integer(section, "timeout_seconds", 120, 1, 600)?.unsigned_abs(),
        })
    }

    /// What a client needs, with the secrets, read from where the file says they are.
    pub fn client_settings(&self) -> Result<ClientSettings> {
        let token = match &self.token {
            TokenPlace::Variable(name) => Secret::from_variable(name)?,
            TokenPlace::File(path) => Secret::from_file(path)?,
        };
        Ok(ClientSettings {
            base_url: self.base_url.clone(),
            api_version: self.api_version.clone(),
            token,
            app_secret: self.app_secret_env.as_deref().map(Secret::from_variable).transpose()?,
            timeout: Duration::from_secs(self.timeout_seconds),
        })
    }
}

/// The name of a variable. Whoever writes the secret itself here is told so, without repeating it.
fn variable(section: &Section<'_>, key: &'static str) -> Result<Option<String>> {
    let Some(name) = section.text(key)? else { return Ok(None) };
    let is_name = name.value.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name || secret::looks_like_token(&name.value) {
        return Err(name.error(format!("{key} is not the name of an environment variable")).mend(
            "put the secret into a variable, and write the variable's name here; the secret itself never stands in the file",
        ));
    }
    Ok(Some(name.value))
}

fn checked_version(text: String) -> Result<String> {
    let parts = text.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
    let version: Option<(u32, u32)> = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match version {
        None => Err(Error::usage(format!("{text:?} is not an API version")).mend(format!("write it as {DEFAULT_VERSION}"))),
        Some(version) if version < OLDEST_VERSION => {
            let (major, minor) = OLDEST_VERSION;
            Err(Error::usage(format!("API version {text} is too old, v{major}.{minor} is needed"))
                .mend(format!("write {DEFAULT_VERSION}")))
        }
        Some(_) => Ok(text),
    }
}

fn integer(section: &Section<'_>, key: &'static str, default: i64, least: i64, most: i64) -> Result<i64> {
    section.integer(key)?.map_or(Ok(default), |value| within(&value, key, least, most))
}

fn within(value: &Placed<i64>, what: &str, least: i64, most: i64) -> Result<i64> {
    if (least..=most).contains(&value.value) {
        return Ok(value.value);
    }
    Err(value.error(format!("{what} is {}, a number from {least} to {most} is needed", value.value)))
}

/// An address that the token may be sent to.
pub fn base_url(text: &str) -> Result<Url> {
    let wrong = |what: &str| Error::usage(format!("base_url {what}"));
    let url = Url::parse(text)
        .map_err(|error| wrong(&format!("{text:?} is not a URL")).source(error).mend("write https://graph.facebook.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or a password").mend("remove it"));
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(wrong(&format!("{text:?} would have the token sent unencrypted")).mend("write it with https://"));
    }
    Ok(url)
}

pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::document::Source;
    use super::*;

    fn read(text: &str) -> Result<MarketingApi> {
        let source = Source::new("a.toml", text);
        let document = source.parse()?;
        let section = Section::root(&source, &document);
        let settings = MarketingApi::read(&section, Path::new("/etc/ctwa"))?;
        section.finish()?;
        Ok(settings)
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let settings = read("").unwrap();
        assert_eq!(
            settings,
            MarketingApi {
                token: TokenPlace::Variable("META_ACCESS_TOKEN".into()),
                app_secret_env: None,
                base_url: "https://graph.facebook.com".into(),
                api_version: "v26.0".into(),
                restate_days: 28,
                refetch_after_hours: 20,
                reach_windows: vec![7, 28, 90],
                timeout_seconds: 120,
            }
        );
    }

    #[test]
    fn every_key_is_read() {
        let settings = read(
            "token_file = \"secrets/token\"\napp_secret_env = \"APP_SECRET\"\nbase_url = \"http://127.0.0.1:9/graph\"\napi_version = \"v25.0\"\n\
             restate_days = 35\nrefetch_after_hours = 0\nreach_windows = [28, 7, 28]\ntimeout_seconds = 30",
        )
        .unwrap();
        assert_eq!(
            settings,
            MarketingApi {
                token: TokenPlace::File("/etc/ctwa/secrets/token".into()),
                app_secret_env: Some("APP_SECRET".into()),
                base_url: "http://127.0.0.1:9/graph".into(),
                api_version: "v25.0".into(),
                restate_days: 35,
                refetch_after_hours: 0,
                reach_windows: vec![7, 28],
                timeout_seconds: 30,
            }
        );
        assert_eq!(read("reach_windows = []").unwrap().reach_windows, Vec::<i32>::new());
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_never_with_a_secret() {
        let token = "EAABsbCS1iHgBAKZCZCqQZDZD0123456789";
        for (text, says) in [
            ("token_env = \"A\"\ntoken_file = \"b\"".to_string(), "both token_env and token_file"),
            (format!("token_env = \"{token}\""), "token_env is not the name of an environment variable"),
            (format!("token = \"{token}\""), "a secret does not belong in a pipeline file"),
            ("token_env = \"MY TOKEN\"".to_string(), "token_env is not the name"),
            ("app_secret_env = \"0123456789abcdef\"".to_string(), "app_secret_env is not the name"),
            ("token_file = \" \"".to_string(), "token_file is blank"),
            ("base_url = \"http://graph.facebook.com\"".to_string(), "unencrypted"),
            ("base_url = \"graph\"".to_string(), "not a URL"),
            ("base_url = \"https://a:b@graph.facebook.com\"".to_string(), "user name"),
            ("api_version = \"26\"".to_string(), "\"26\" is not an API version"),
            ("api_version = \"v24.0\"".to_string(), "v24.0 is too old, v25.0 is needed"),
            ("restate_days = 0".to_string(), "restate_days is 0, a number from 1 to 90"),
            ("refetch_after_hours = -1".to_string(), "refetch_after_hours is -1"),
            ("reach_windows = [7, 0]".to_string(), "a window of reach_windows is 0"),
            ("reach_windows = 7".to_string(), "a list of whole numbers"),
            ("reach_windows = [\"7\"]".to_string(), "whole numbers"),
            ("timeout_seconds = 0".to_string(), "timeout_seconds is 0"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("a.toml:"), "{text}: {error}");
            assert!(!error.contains(token), "{error}");
        }
    }
}
