//! What goes over the wire to a store: its requests are counted, what answers say beside their content is kept, and listings are read
//! without what has no address.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector};
use serde::Serialize;

use super::odd_keys;

/// How many requests were made of a store, tries that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    pub list: u64,
    pub get: u64,
    pub head: u64,
    pub put: u64,
    pub delete: u64,
}

impl Requests {
    pub fn total(&self) -> u64 {
        self.list + self.get + self.head + self.put + self.delete
    }
}

impl std::ops::Add for Requests {
    type Output = Requests;

    fn add(self, other: Requests) -> Requests {
        Requests {
            list: self.list + other.list,
            get: self.get + other.get,
            head: self.head + other.head,
            put: self.put + other.put,
            delete: self.delete + other.delete,
        }
    }
}

/// What goes over the wire to a store, and what its answers say beside their content.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    put: AtomicU64,
    delete: AtomicU64,
    answer: Mutex<AnswerHeaders>,
    /// The keys that listings had to leave out; none before one failed for such a key.
    odd_keys: Mutex<Option<BTreeSet<String>>>,
}

/// What the headers of answers say, each as the last answer had it that did.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerHeaders {
    /// The store's clock.
    pub time: Option<DateTime<Utc>>,
    /// The region a bucket lies in.
    pub region: Option<String>,
}

impl Traffic {
    pub(super) fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            list: count(&self.list),
            get: count(&self.get),
            head: count(&self.head),
            put: count(&self.put),
            delete: count(&self.delete),
        }
    }

    pub(super) fn answer(&self) -> AnswerHeaders {
        self.answer.lock().map(|answer| answer.clone()).unwrap_or_default()
    }

    /// From now on listings leave out what has no address.
    pub(super) fn leave_odd_keys_out(&self) {
        self.odd_keys.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    /// The keys without an address that were met below this one.
    pub(super) fn odd_keys_below(&self, prefix: &str) -> Vec<String> {
        let known = self.odd_keys.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().flatten().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// A listing's answer without what has no address, where some listing failed for that.
    async fn without_odd_keys(&self, answer: HttpResponse) -> Result<HttpResponse, HttpError> {
        if self.odd_keys.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let page = body.bytes().await?;
        let Some((kept, keys)) = str::from_utf8(&page).ok().and_then(odd_keys::left_out) else {
            return Ok(HttpResponse::from_parts(head, page.into()));
        };
        self.odd_keys.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().extend(keys);
        Ok(HttpResponse::from_parts(head, kept.into()))
    }

    fn note_request(&self, request: &HttpRequest) {
        let query = request.uri().query().unwrap_or_default();
        let is_delete = query.split('&').any(|part| matches!(part, "delete" | "delete="));
        let counter = match request.method().as_str() {
            "GET" if is_list(request) => &self.list,
            "POST" if is_delete => &self.delete,
            "GET" => &self.get,
            "HEAD" => &self.head,
            "DELETE" => &self.delete,
            _ => &self.put,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn note_answer(&self, answer: &HttpResponse) {
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let Ok(mut known) = self.answer.lock() else { return };
        if let Some(time) = header("date").and_then(|text| DateTime::parse_from_rfc2822(text).ok()) {
            known.time = Some(time.to_utc());
        }
        if let Some(region) = header("x-amz-bucket-region") {
            known.region = Some(region.to_string());
        }
    }
}

/// Whether a request asks for a page of a listing.
fn is_list(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method().as_str() == "GET" && query.split('&').any(|part| matches!(part, "list-type=2" | "comp=list"))
}

/// Makes clients whose requests are counted.
#[derive(Debug)]
pub(super) struct Counting(pub Arc<Traffic>);

#[derive(Debug)]
struct CountedClient {
    client: HttpClient,
    traffic: Arc<Traffic>,
}

impl HttpConnector for Counting {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CountedClient { client, traffic: self.0.clone() }))
    }
}

#[async_trait]
impl HttpService for CountedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.traffic.note_request(&request);
        let is_a_list = is_list(&request);
        let answer = self.client.execute(request).await?;
        self.traffic.note_answer(&answer);
        if is_a_list { self.traffic.without_odd_keys(answer).await } else { Ok(answer) }
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;

    use super::*;
    use crate::lake::{Lake, Layout, Location};

    /// A store that answers every request with one page of a listing.
    #[derive(Debug)]
    struct OnePage {
        page: String,
        traffic: Arc<Traffic>,
    }

    #[async_trait]
    impl HttpService for OnePage {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            Ok(HttpResponse::new(self.page.clone().into()))
        }
    }

    impl HttpConnector for OnePage {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            let (page, traffic) = (self.page.clone(), self.traffic.clone());
            let client = HttpClient::new(OnePage { page, traffic: traffic.clone() });
            Ok(HttpClient::new(CountedClient { client, traffic }))
        }
    }

    #[test]
    fn a_key_without_an_address_costs_its_day_and_no_listing() {
        let object = |key: &str| {
            let rest = "<LastModified>2026-03-05T00:00:00.000Z</LastModified><ETag>&quot;a&quot;</ETag><Size>99</Size>";
            format!("<Contents><Key>wa/messages/{key}</Key>{rest}</Contents>")
        };
        let keys =
            ["date=2026-03-01/a.parquet", "date=2026-03-02/", "date=2026-03-02//a.parquet", "date=2026-03-03//", "other//b"];
        let objects: String = keys.iter().map(|key| object(key)).collect();
        let page = format!("<ListBucketResult><KeyCount>5</KeyCount>{objects}</ListBucketResult>");
        let traffic: Arc<Traffic> = Arc::default();
        let builder = AmazonS3Builder::new().with_bucket_name("acme").with_region("sa-east-1").with_skip_signature(true);
        let store = builder.with_http_connector(OnePage { page, traffic: traffic.clone() }).build().unwrap();
        let location = Location::resolve("s3://acme/wa", std::path::Path::new("/")).unwrap();
        let prefix = object_store::path::Path::from("wa");
        let lake = Lake { traffic: traffic.clone(), prefix, ..Lake::on_store(&location, Arc::new(store)).unwrap() };

        let layout = Layout::default();
        let listing = lake.listed("messages", &layout).unwrap().settled(&lake, &|_, _| true).unwrap();
        let faults: Vec<(String, Option<String>)> = listing
            .partitions
            .values()
            .map(|partition| (partition.day.to_string(), partition.fault.as_ref().map(|fault| fault.object.clone())))
            .collect();
        let odd = Some("messages/date=2026-03-02//a.parquet".to_string());
        assert_eq!(faults, [("2026-03-01".to_string(), None), ("2026-03-02".to_string(), odd)]);
        assert!(listing.left_out[0].contains("the first is \"messages/other//b\""), "{:?}", listing.left_out);
        assert_eq!(traffic.requests().list, 2, "it is asked for once more");
    }
}
