//! An HTTP server that stands in front of a storage server and fails as it is told to. It counts what passes.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that has come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// From 1, in the order of arrival.
    pub nth: usize,
    pub method: String,
    /// Path and query, as they stand in the request.
    pub target: String,
}

impl Request {
    pub fn is_list(&self) -> bool {
        self.method == "GET" && (self.target.contains("list-type=2") || self.target.contains("comp=list"))
    }

    /// Whether it is about this object or listing.
    pub fn is_about(&self, part: &str) -> bool {
        self.target.contains(part) || self.target.contains(&part.replace('/', "%2F"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status and body; the store hears nothing.
    Answer(u16, &'static str),
    /// Never answered; the store hears nothing.
    Silence,
    /// The store does it, and there is never an answer.
    DoneInSilence,
    /// The store does it, and the connection breaks before the reply.
    LostReply,
    /// The connection breaks in the middle of a good reply's body.
    CutBody,
    /// A good reply stops in the middle of its body and stays so.
    StuckBody,
    /// A listing as it was when it was first asked for.
    StaleListing,
}

pub const SLOW_DOWN: Fault =
    Fault::Answer(503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>");
pub const INTERNAL_ERROR: Fault =
    Fault::Answer(500, "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>");

type Script = Box<dyn Fn(&Request) -> Option<Fault> + Send + Sync>;

/// Stands until it is dropped; a connection that is open then ends with its client.
pub struct Proxy {
    endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    script: Script,
    seen: Mutex<Vec<Request>>,
    body_bytes: Mutex<u64>,
    listings: Mutex<BTreeMap<String, Vec<u8>>>,
    is_over: std::sync::atomic::AtomicBool,
}

impl Proxy {
    /// In front of an endpoint `http://host:port/...`.
    pub fn start(endpoint: &str, script: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let rest = endpoint.strip_prefix("http://").expect("an http endpoint");
        let (upstream, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            script: Box::new(script),
            seen: Mutex::default(),
            body_bytes: Mutex::default(),
            listings: Mutex::default(),
            is_over: false.into(),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                let serving = serving.clone();
                // A client that goes away is no error of the proxy.
                thread::spawn(move || drop(serving.serve(connection)));
            }
        });
        Proxy { endpoint: format!("http://{address}{path}"), shared }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What has come in so far.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Of all replies' bodies.
    pub fn body_bytes(&self) -> u64 {
        *self.shared.body_bytes.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        // The listener looks at the sign when somebody comes.
        let _ = TcpStream::connect(self.endpoint["http://".len()..].split('/').next().unwrap_or_default());
    }
}

impl Shared {
    /// One request, after which the connection is closed.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head).expect("a head in text");
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let length = header(&head, "content-length").map_or(0, |text| text.parse().expect("a number"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = {
            let mut seen = self.seen.lock().unwrap();
            let request = Request { nth: seen.len() + 1, method, target };
            seen.push(request.clone());
            request
        };
        let fault = (self.script)(&request);
        let mut client = client;
        match fault {
            Some(Fault::Answer(status, body)) => {
                let head = format!("HTTP/1.1 {status} As told\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                return client.write_all((head + body).as_bytes());
            }
            Some(Fault::Silence) => return wait_for_end(&mut reader),
            _ => {}
        }
        let reply = self.forward(&head, &body)?;
        let split = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(reply.len(), |at| at + 4);
        let whole = if request.is_list() && fault == Some(Fault::StaleListing) {
            self.listings.lock().unwrap().entry(request.target.clone()).or_insert(reply).clone()
        } else {
            if request.is_list() {
                self.listings.lock().unwrap().entry(request.target.clone()).or_insert(reply.clone());
            }
            reply
        };
        *self.body_bytes.lock().unwrap() += (whole.len() - split.min(whole.len())) as u64;
        let half = split + (whole.len() - split) / 2;
        let is_good = whole.get(9) == Some(&b'2');
        match fault.filter(|fault| is_good || !matches!(fault, Fault::CutBody | Fault::StuckBody)) {
            Some(Fault::LostReply) => client.shutdown(Shutdown::Both),
            Some(Fault::DoneInSilence) => wait_for_end(&mut reader),
            Some(Fault::CutBody) => client.write_all(&whole[..half]),
            Some(Fault::StuckBody) => {
                client.write_all(&whole[..half])?;
                client.flush()?;
                wait_for_end(&mut reader)
            }
            _ => client.write_all(&whole),
        }
    }

    /// The store's whole reply.
    fn forward(&self, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(&self.upstream)?;
        let kept = head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head = kept.chain(["connection: close", "", ""]).collect::<Vec<_>>().join("\r\n");
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(body)?;
        let mut reply = Vec::new();
        upstream.read_to_end(&mut reply)?;
        Ok(reply)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// Until the client has had enough.
fn wait_for_end(reader: &mut BufReader<TcpStream>) -> io::Result<()> {
    reader.read_to_end(&mut Vec::new()).map(drop)
}
