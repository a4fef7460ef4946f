//! One request to Meta, one answer: the only user of the HTTP client, synchronous outside, asynchronous inside.
//!
//! In: a [`GraphRequest`]. Out: status, usage headers and text of the answer, or why there is none. The token travels as
//! `Authorization: Bearer` and nowhere else; the text of an answer is scrubbed of it before anybody sees it, and no error holds an
//! address. Redirections are not followed, and only a loopback address is asked without TLS. Proxies come from the usual
//! `HTTPS_PROXY` and `NO_PROXY`, certificates from the system or `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Url, redirect};
use serde_json::json;

use crate::base::error::{Error, ErrorKind, Result};
use crate::config::secret::scrub_tokens;
use crate::config::{ClientSettings, base_url, is_loopback};
use crate::insights::throttle;

const CONNECT_SECONDS: u64 = 20;
/// How often a stop is looked for while waiting.
const STOP_CHECK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    /// What Meta knows of the token itself. The call that tells it takes the token as a parameter of its address: as the part of a
    /// batch it travels in the body.
    DebugToken,
}

/// A request without address, version and token.
#[derive(Clone, Debug)]
pub struct GraphRequest {
    pub method: Method,
    /// The path below the version, such as `act_1/insights`.
    pub path: String,
    pub parameters: Vec<(&'static str, String)>,
}

impl GraphRequest {
    pub fn get(path: impl Into<String>, parameters: Vec<(&'static str, String)>) -> GraphRequest {
        GraphRequest { method: Method::Get, path: path.into(), parameters }
    }

    pub fn post(path: impl Into<String>, parameters: Vec<(&'static str, String)>) -> GraphRequest {
        GraphRequest { method: Method::Post, path: path.into(), parameters }
    }

    pub fn debug_token() -> GraphRequest {
        GraphRequest { method: Method::DebugToken, path: String::new(), parameters: Vec::new() }
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoReply {
    /// None in time. The request may be too large.
    TimedOut(Error),
    Unreachable(Error),
    /// None is waited for: somebody wants us to stop, or the request is a fault of ours.
    Stopped(Error),
}

pub struct Http {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    settings: ClientSettings,
    base: Url,
    proof: Option<String>,
}

impl Http {
    pub fn new(settings: ClientSettings) -> Result<Http> {
        let base = base_url(&settings.base_url)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("ctwa/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .timeout(settings.timeout)
            .redirect(redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Reading the system's certificates takes a moment.
            builder = builder.tls_built_in_root_certs(false);
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no HTTP client can be made")
                .source(error)
                .mend("see whether SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables are right")
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Unavailable, "no threads can be started for HTTP").source(error))?;
        let proof = settings.app_secret.as_ref().map(|secret| secret.proof_of(&settings.token)).transpose()?;
        Ok(Http { client, runtime, settings, base, proof })
    }

    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    pub fn send(&self, request: &GraphRequest, stopped: &dyn Fn() -> Result<()>) -> Result<Reply, NoReply> {
        let prepared = self.prepare(request).map_err(NoReply::Stopped)?;
        self.runtime.block_on(async {
            let mut answer = std::pin::pin!(self.exchange(prepared));
            loop {
                stopped().map_err(NoReply::Stopped)?;
                if let Ok(answer) = tokio::time::timeout(STOP_CHECK, &mut answer).await {
                    return answer;
                }
            }
        })
    }

    /// Waits in real time, until it is over or somebody wants us to stop.
    pub fn pause(&self, seconds: u64, stopped: &dyn Fn() -> Result<()>) -> Result<()> {
        self.runtime.block_on(async {
            let mut pause = std::pin::pin!(tokio::time::sleep(Duration::from_secs(seconds)));
            loop {
                stopped()?;
                if tokio::time::timeout(STOP_CHECK, &mut pause).await.is_ok() {
                    return Ok(());
                }
            }
        })
    }

    fn prepare(&self, request: &GraphRequest) -> Result<reqwest::Request> {
        let failed = |error: reqwest::Error| Error::bug("a request cannot be written").source(error.without_url());
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::bug("the base URL has no path"))?
            .pop_if_empty()
            .push(&self.settings.api_version)
            .extend(request.path.split('/'));
        let batch;
        let mut parameters: Vec<(&str, &str)> = request.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        parameters.extend(self.proof.as_deref().map(|proof| ("appsecret_proof", proof)));
        let builder = match request.method {
            Method::Get => {
                url.query_pairs_mut().extend_pairs(parameters);
                self.client.get(url)
            }
            Method::Post => self.client.post(url).form(&parameters),
            Method::DebugToken => {
                let mut about = self.base.clone();
                about.query_pairs_mut().clear().append_pair("input_token", self.settings.token.reveal());
                let about = format!("debug_token?{}", about.query().unwrap_or_default());
                batch = json!([{ "method": "GET", "relative_url": about }]).to_string();
                parameters.push(("batch", &batch));
                self.client.post(url).form(&parameters)
            }
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.settings.token.reveal()))
            .map_err(|_| Error::bug("a checked token is no header"))?;
        bearer.set_sensitive(true);
        builder.header(AUTHORIZATION, bearer).build().map_err(failed)
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Reply, NoReply> {
        let answer = self.client.execute(request).await.map_err(|error| self.no_reply(error))?;
        let status = answer.status().as_u16();
        let header = |name: &'static str| Some((name, answer.headers().get(name)?.to_str().ok()?.to_string()));
        let headers = throttle::HEADERS.into_iter().filter_map(header).collect();
        let text = answer.text().await.map_err(|error| self.no_reply(error))?;
        Ok(Reply { status, text: self.scrub(&text), headers })
    }

    fn scrub(&self, text: &str) -> String {
        let mut clean = self.settings.token.scrub(text);
        if let Some(secret) = &self.settings.app_secret {
            clean = secret.scrub(&clean);
        }
        scrub_tokens(&clean)
    }

    fn no_reply(&self, error: reqwest::Error) -> NoReply {
        let is_late = error.is_timeout() && !error.is_connect();
        let told =
            Error::new(ErrorKind::Unavailable, if is_late { "Meta did not answer in time" } else { "Meta cannot be reached" })
                .with("host", self.base.host_str().unwrap_or_default())
                .source(error.without_url())
                .mend("see that this machine reaches base_url, if need be by HTTPS_PROXY, and run again");
        if is_late { NoReply::TimedOut(told) } else { NoReply::Unreachable(told) }
    }
}
