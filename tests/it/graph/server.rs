//! An HTTP server that answers as Meta's Graph API does, out of a [`World`] and on a script.
//!
//! It checks every request: method, path and version, parameter and field names against Meta's published specification, the token,
//! the proof of the app secret, and that no token stands in an address. What breaks these rules is refused as Meta refuses it, and
//! noted in `violations`, which a test looks at in the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tiny_http::{Header, Request, Response, Server};
use url::form_urlencoded;

use super::specification;
use super::world::{Parameters, Refusal, World, refusal};

/// The token and the app secret of these tests, which must never be seen anywhere.
pub const TOKEN: &str = "EAAGm0PX4ZCpsBAKtokenThatNobodyMayEverSee7ZDZD";
pub const APP_SECRET: &str = "5ecre7ofth3appthatn0b0dymayever5ee";
pub const VERSION: &str = "v26.0";

/// What shows that the token is used by its app.
pub fn proof() -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).expect("a key");
    mac.update(TOKEN.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What happens to the next requests whose method and path fit.
pub struct Fault {
    /// Such as `GET act_123/insights`; an end of it will do. `reach`: what is asked about ranges as a whole.
    pub at: &'static str,
    pub times: usize,
    pub what: What,
}

#[derive(Clone)]
pub enum What {
    Refuse(u16, Refusal),
    /// Not Meta's JSON.
    Say(u16, &'static str),
    /// No answer, ever.
    Hang,
}

/// What a report run says at a poll; the last stays.
#[derive(Clone)]
pub enum Poll {
    Says(&'static str, u64),
    Fails(Refusal),
    FailsSilently,
    /// There is no such run any more.
    Gone,
}

struct Run {
    node: String,
    parameters: Parameters,
    polls: VecDeque<Poll>,
    /// Whether it has been told that the run is completed.
    told: bool,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Below the version.
    pub path: String,
    pub parameters: Parameters,
}

impl Seen {
    /// `GET act_123/insights`.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Default)]
pub struct Stage {
    pub world: World,
    pub faults: Vec<Fault>,
    /// Headers of the next answers, one set each.
    pub headers: VecDeque<Vec<(&'static str, &'static str)>>,
    /// What each report run says, in the order of submission; without, it is completed at once.
    pub runs: VecDeque<Vec<Poll>>,
    pub page_rows: usize,
    /// Which pages of a list hold no row, but a link to the next.
    pub empty_pages: BTreeSet<usize>,
    /// What is said, once, to a request for a page after the first.
    pub refuse_after: Option<Refusal>,
    pub wants_proof: bool,
    pub scopes: Vec<(&'static str, &'static str)>,
    /// What `debug_token` says; none: the token may not ask.
    pub debug_token: Option<Value>,
    /// As Meta's own client does it.
    pub takes_token_in_address: bool,
    /// Whether the id of a run comes as a number.
    pub bare_run_ids: bool,
    pub seen: Vec<Seen>,
    pub violations: Vec<String>,
    submitted: BTreeMap<String, Run>,
    hung: Vec<Request>,
}

pub struct GraphServer {
    stage: Arc<Mutex<Stage>>,
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl GraphServer {
    pub fn start(world: World) -> GraphServer {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port"));
        let scopes = vec![("ads_read", "granted")];
        let stage = Arc::new(Mutex::new(Stage { world, page_rows: 1_000, scopes, ..Stage::default() }));
        let (listener, shared, base) = (server.clone(), stage.clone(), format!("http://{}", server.server_addr()));
        let thread = std::thread::spawn(move || {
            while let Ok(request) = listener.recv() {
                let mut stage = shared.lock().expect("no test has failed meanwhile");
                stage.serve(request, &base);
            }
        });
        GraphServer { stage, server, thread: Some(thread) }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    pub fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("the server goes on")
    }

    /// What was called, and then forgotten.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.stage().seen).iter().map(Seen::call).collect()
    }
}

impl Drop for GraphServer {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server failed");
        }
    }
}

type Answer = Result<Value, (u16, Refusal)>;

impl Stage {
    fn serve(&mut self, mut request: Request, base: &str) {
        let mut body = String::new();
        request.as_reader().read_to_string(&mut body).expect("a body of text");
        let method = request.method().to_string();
        let (address, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
        let pairs = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<(String, String)>>();
        let mut parameters: Parameters = pairs(query).into_iter().collect();
        parameters.extend(pairs(&body));
        // A list of fields comes with commas or as JSON.
        if let Some(fields) = parameters.get_mut("fields")
            && let Ok(list) = serde_json::from_str::<Vec<String>>(fields)
        {
            *fields = list.join(",");
        }
        let path = address.trim_start_matches('/');
        let (version, path) = path.split_once('/').unwrap_or((path, ""));
        let (version, path) = (version.to_string(), path.to_string());
        if request.url().contains(TOKEN) && !self.takes_token_in_address {
            self.violations.push(format!("a token in an address: {address}"));
        }
        let bearer = request
            .headers()
            .iter()
            .find(|header| header.field.equiv("authorization"))
            .and_then(|header| header.value.as_str().strip_prefix("Bearer ").map(str::to_string));
        let headers = self.headers.pop_front().unwrap_or_default();
        let given = parameters.remove("access_token");
        let token = bearer.or(given.filter(|_| self.takes_token_in_address));
        let call = format!("{method} {path}");
        self.seen.push(Seen { method: method.clone(), path: path.clone(), parameters: parameters.clone() });
        let checked = self.admit(&version, token.as_deref(), &mut parameters);
        if checked.is_ok()
            && let Some(fault) = self.faults.iter_mut().find(|fault| {
                let is_of_reach = fault.at == "reach" && parameters.contains_key("time_ranges");
                fault.times > 0 && (is_of_reach || call.ends_with(fault.at))
            })
        {
            fault.times -= 1;
            match fault.what.clone() {
                What::Refuse(status, refusal) => return respond(request, status, &error_of(&refusal), &headers),
                What::Say(status, text) => return respond(request, status, text, &headers),
                What::Hang => return self.hung.push(request),
            }
        }
        if parameters.contains_key("after")
            && let Some(refusal) = self.refuse_after.take()
        {
            return respond(request, 400, &error_of(&refusal), &headers);
        }
        let answer = checked.and_then(|()| self.route(&method, &path, &parameters, base));
        match answer {
            Ok(value) => respond(request, 200, &value.to_string(), &headers),
            Err((status, refusal)) => respond(request, status, &error_of(&refusal), &headers),
        }
    }

    fn admit(&mut self, version: &str, token: Option<&str>, parameters: &mut Parameters) -> Result<(), (u16, Refusal)> {
        if version != VERSION {
            let message =
                "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: v26.0.";
            return Err((400, refusal(2635, None, message)));
        }
        if token != Some(TOKEN) {
            // Meta repeats what it was given.
            let given = token.unwrap_or_default();
            return Err((401, refusal(190, Some(467), format!("Error validating access token: {given} was invalidated"))));
        }
        let given = parameters.remove("appsecret_proof");
        let right = proof();
        match given {
            None if self.wants_proof => {
                Err((400, refusal(100, None, "API calls from the server require an appsecret_proof argument")))
            }
            Some(given) if given != right => {
                Err((400, refusal(100, None, "Invalid appsecret_proof provided in the API argument")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses and notes names that are not in the specification.
    fn known(
        &mut self,
        what: &str,
        given: impl IntoIterator<Item = String>,
        known: &BTreeSet<String>,
    ) -> Result<(), (u16, Refusal)> {
        for name in given {
            if !known.contains(&name) {
                self.violations.push(format!("{what} {name:?} is not in the specification"));
                return Err((400, refusal(100, None, format!("(#100) {what} {name}"))));
            }
        }
        Ok(())
    }

    fn check(&mut self, parameters: &Parameters, edge: Option<&str>, object: &str) -> Result<(), (u16, Refusal)> {
        let mut names = match edge {
            Some(edge) => {
                let mut names = specification::parameters(edge);
                names.extend(specification::general("every list"));
                names
            }
            None => BTreeSet::from(["fields".to_string()]),
        };
        if object == "AdReportRun" && edge.is_none() {
            names.insert("fields".into());
        }
        self.known("parameter", parameters.keys().cloned(), &names)?;
        let fields = parameters.get("fields").cloned().unwrap_or_default();
        // adset{id,name}: the fields of an object inside.
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        let mut rest = fields.as_str();
        while !rest.is_empty() {
            let end = rest.find([',', '{']).unwrap_or(rest.len());
            outer.push(rest[..end].to_string());
            rest = match rest.as_bytes().get(end) {
                Some(b'{') => {
                    let (inside, after) = rest[end + 1..].split_once('}').expect("closed");
                    let parent = if outer.last().is_some_and(|name| name == "adset") { "AdSet" } else { "Campaign" };
                    inner.push((parent, inside.split(',').map(str::to_string).collect::<Vec<_>>()));
                    after.strip_prefix(',').unwrap_or(after)
                }
                Some(_) => &rest[end + 1..],
                None => "",
            };
        }
        self.known("field", outer, &specification::fields(object))?;
        for (parent, names) in inner {
            self.known("field", names, &specification::fields(parent))?;
        }
        Ok(())
    }

    fn route(&mut self, method: &str, path: &str, parameters: &Parameters, base: &str) -> Answer {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (method, parts.as_slice()) {
            ("POST", []) => self.batch(parameters),
            ("GET", ["me", "permissions"]) => {
                self.check(parameters, Some("User GET permissions"), "AdAccount")?;
                let rows = self.scopes.iter().map(|(name, status)| json!({ "permission": name, "status": status })).collect();
                Ok(self.page(path, rows, parameters, base))
            }
            ("GET", ["me", "adaccounts"]) => {
                self.check(parameters, Some("User GET adaccounts"), "AdAccount")?;
                let visible = self.world.accounts.iter().filter(|account| account.visible);
                let rows = visible.map(World::account_object).map(|row| only(row, parameters)).collect();
                Ok(self.page(path, rows, parameters, base))
            }
            ("GET", [node, "insights"]) if self.submitted.contains_key(*node) => {
                self.check(parameters, Some("AdReportRun GET insights"), "AdsInsights")?;
                let run = &self.submitted[*node];
                if !run.told {
                    self.violations.push(format!("run {node} was read before its end"));
                }
                if matches!(run.polls.front(), Some(Poll::Gone)) {
                    return Err((400, refusal(100, Some(33), "Object does not exist")));
                }
                let rows = self.world.insights(&run.node, &run.parameters, self.world.limit_of_runs.as_ref())?;
                Ok(self.page(path, rows, parameters, base))
            }
            ("GET", [node, "insights"]) => {
                self.check(parameters, Some(&format!("{} GET insights", kind(node))), "AdsInsights")?;
                let rows = self.noted(|stage| stage.world.insights(node, parameters, stage.world.limit.as_ref()))?;
                Ok(self.page(path, rows, parameters, base))
            }
            ("POST", [node, "insights"]) => {
                self.check(parameters, Some(&format!("{} POST insights", kind(node))), "AdsInsights")?;
                let over =
                    self.noted(|stage| match stage.world.insights(node, parameters, stage.world.limit_of_runs.as_ref()) {
                        // That it is too large shows only in the run.
                        Err((_, refusal)) if Some(&refusal) == stage.world.limit_of_runs.as_ref().map(|limit| &limit.refusal) => {
                            Ok(Some(refusal))
                        }
                        answer => answer.map(|_| None),
                    })?;
                let mut polls: VecDeque<Poll> = self.runs.pop_front().unwrap_or_default().into();
                polls.extend(over.map(Poll::Fails));
                let id = (6_023_920_149_000 + self.submitted.len() as u64).to_string();
                self.submitted
                    .insert(id.clone(), Run { node: node.to_string(), parameters: parameters.clone(), polls, told: false });
                Ok(if self.bare_run_ids {
                    json!({ "report_run_id": id.parse::<u64>().expect("digits") })
                } else {
                    json!({ "report_run_id": id })
                })
            }
            ("GET", [run]) if self.submitted.contains_key(*run) => {
                self.check(parameters, None, "AdReportRun")?;
                let known = self.submitted.get_mut(*run).expect("submitted");
                let now = known.polls.front().cloned().unwrap_or(Poll::Says("Job Completed", 100));
                known.told |= matches!(now, Poll::Says("Job Completed", 100));
                if known.polls.len() > 1 {
                    known.polls.pop_front();
                }
                let says = |status: &str, percent: u64| json!({ "id": run, "async_status": status, "async_percent_completion": percent });
                match now {
                    Poll::Says(status, percent) => Ok(says(status, percent)),
                    Poll::FailsSilently => Ok(says("Job Failed", 0)),
                    Poll::Gone => Err((400, refusal(100, Some(33), "Object does not exist"))),
                    Poll::Fails(Refusal(code, subcode, message)) => {
                        let mut state = says("Job Failed", 0);
                        state["error_code"] = json!(code);
                        state["error_subcode"] = json!(subcode);
                        state["error_message"] = json!(message);
                        Ok(state)
                    }
                }
            }
            ("GET", [node]) => {
                let object = kind(node);
                self.check(parameters, None, object)?;
                let found = match node.strip_prefix("act_") {
                    Some(id) => self.world.account(id).map(World::account_object),
                    None => self.world.ad(node).map(World::ad_object),
                };
                let found =
                    found.ok_or_else(|| (400, refusal(100, Some(33), format!("Object with ID '{node}' does not exist"))))?;
                Ok(only(found, parameters))
            }
            _ => {
                self.violations.push(format!("{method} {path} is not a call"));
                Err((400, refusal(2500, None, "Unknown path components")))
            }
        }
    }

    /// Notes a plain 100: a question that Meta would not understand.
    fn noted<T>(&mut self, ask: impl FnOnce(&Stage) -> Result<T, (u16, Refusal)>) -> Result<T, (u16, Refusal)> {
        let answer = ask(self);
        if let Err((_, Refusal(100, None, message))) = &answer {
            self.violations.push(message.clone());
        }
        answer
    }

    fn batch(&mut self, parameters: &Parameters) -> Answer {
        self.known("parameter", parameters.keys().cloned(), &specification::general("batch"))?;
        let calls: Value = serde_json::from_str(&parameters["batch"]).expect("JSON");
        let call = calls[0]["relative_url"].as_str().expect("an address");
        let (path, query) = call.split_once('?').expect("parameters");
        let pairs: Parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        self.known("parameter", pairs.keys().cloned(), &specification::general("debug_token"))?;
        let sound =
            path == "debug_token" && calls[0]["method"] == "GET" && pairs.get("input_token").is_some_and(|token| token == TOKEN);
        if !sound {
            self.violations.push(format!("batch of {path}"));
        }
        let (code, body) = match &self.debug_token {
            Some(token) => (200, json!({ "data": token }).to_string()),
            None => {
                let message = "(#100) You must provide an app access token, or a user access token that is an owner or developer of the app";
                (400, error_of(&refusal(100, None, message)))
            }
        };
        Ok(json!([{ "code": code, "body": body }]))
    }

    /// A page of a list. Its cursors are there also on the last, its link to the next carries the token, as Meta's does.
    fn page(&self, path: &str, rows: Vec<Value>, parameters: &Parameters, base: &str) -> Value {
        // A cursor: the number of the page, and where its rows begin.
        let (number, start) = match parameters.get("after") {
            Some(cursor) => {
                let (number, start) = cursor.split_once('Z').expect("a cursor of ours");
                (number.parse().expect("a number"), start.parse().expect("a number"))
            }
            None => (0, 0),
        };
        let asked: usize = parameters.get("limit").map_or(25, |limit| limit.parse().expect("a number"));
        let count = if self.empty_pages.contains(&number) { 0 } else { asked.min(self.page_rows) };
        let end = (start + count).min(rows.len());
        let mut answer = json!({ "data": rows[start..end] });
        // Beyond the last page there is nothing, as on a list without rows.
        if start < rows.len() {
            let after = format!("{}Z{end}", number + 1);
            answer["paging"] = json!({ "cursors": { "before": format!("{number}Z{start}"), "after": after } });
            if end < rows.len() {
                answer["paging"]["next"] =
                    json!(format!("{base}/{VERSION}/{path}?access_token={TOKEN}&limit={asked}&after={after}"));
            }
        }
        answer
    }
}

fn kind(node: &str) -> &'static str {
    if node.starts_with("act_") { "AdAccount" } else { "Ad" }
}

/// The fields that were asked, and the id.
fn only(mut object: Value, parameters: &Parameters) -> Value {
    let fields = parameters.get("fields").map(String::as_str).unwrap_or_default();
    object
        .as_object_mut()
        .expect("an object")
        .retain(|name, _| name == "id" || fields.split([',', '{', '}']).any(|field| field == name));
    object
}

fn error_of(Refusal(code, subcode, message): &Refusal) -> String {
    let mut error = json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbCdEfGhIjK" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
    }
    json!({ "error": error }).to_string()
}

fn respond(request: Request, status: u16, body: &str, headers: &[(&str, &str)]) {
    let mut response = Response::from_string(body).with_status_code(status);
    for (name, value) in headers.iter().chain(&[("Content-Type", "application/json; charset=UTF-8")]) {
        response.add_header(Header::from_bytes(name.as_bytes(), value.as_bytes()).expect("a header"));
    }
    // Whoever asked may have gone away.
    let _ = request.respond(response);
}
