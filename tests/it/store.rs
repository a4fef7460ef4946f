//! A store in memory that fails where it is told to, remembers what was put into it, and goes by a clock of its own.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Put,
    Delete,
    List,
    Get,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The call does nothing and fails.
    Refused,
    /// The call does its work, and its reply is lost.
    LostReply,
    /// The call does its work, its reply is lost, and it is tried again.
    Repeated,
    /// This call and all after it fail, of whatever kind.
    Down,
}

/// The call that fails: the `nth` of its kind about this path, from 1. Calls about different paths may come in any order.
#[derive(Clone, Debug)]
pub struct Fault {
    pub call: Call,
    pub path: String,
    pub nth: usize,
    pub how: How,
}

type Hook = Box<dyn FnOnce() + Send>;

pub struct Faulty {
    pub inner: InMemory,
    fault: Option<Fault>,
    calls: Mutex<Vec<(Call, String)>>,
    has_failed: AtomicBool,
    puts: Mutex<Vec<(String, Bytes)>>,
    clock: Mutex<DateTime<Utc>>,
    /// When what lies there was put, by that clock.
    put_at: Arc<Mutex<HashMap<Path, DateTime<Utc>>>>,
    hook: Mutex<Option<(Call, String, Hook)>>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.fault)
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Faulty {
    pub fn new(inner: InMemory, fault: Option<Fault>) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner,
            fault,
            calls: Mutex::default(),
            has_failed: AtomicBool::new(false),
            puts: Mutex::default(),
            clock: Mutex::default(),
            put_at: Arc::default(),
            hook: Mutex::default(),
        })
    }

    /// A store that holds the same, and does not fail.
    pub fn mended(&self) -> Arc<Faulty> {
        let mended = Faulty::new(self.inner.fork(), None);
        *mended.clock.lock().unwrap() = *self.clock.lock().unwrap();
        mended.put_at.lock().unwrap().clone_from(&self.put_at.lock().unwrap());
        mended
    }

    /// What the store's clock shows from now on.
    pub fn set_clock(&self, time: DateTime<Utc>) {
        *self.clock.lock().unwrap() = time;
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// All calls so far: kind and path.
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.calls.lock().unwrap().clone()
    }

    /// What was put so far, also by puts that failed: path, bytes.
    pub fn puts(&self) -> Vec<(String, Bytes)> {
        self.puts.lock().unwrap().clone()
    }

    /// Done once, before the next such call about this path takes effect.
    pub fn before_next(&self, call: Call, path: &str, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap() = Some((call, path.to_string(), Box::new(hook)));
    }

    /// On a thread of its own: it may wait for a store, too.
    fn run_hook(&self, call: Call, path: &Path) {
        let is_awaited = |(awaited, about, _): &mut (Call, String, Hook)| (*awaited, about.as_str()) == (call, path.as_ref());
        let hook = self.hook.lock().unwrap().take_if(is_awaited);
        if let Some((_, _, hook)) = hook {
            std::thread::spawn(hook).join().expect("the hook comes to its end");
        }
    }

    /// How this call fails, if it does.
    fn fate(&self, call: Call, path: &Path) -> Option<How> {
        self.run_hook(call, path);
        let made = (call, path.to_string());
        let mut calls = self.calls.lock().unwrap();
        calls.push(made.clone());
        let fault = self.fault.as_ref()?;
        if self.has_failed() {
            return (fault.how == How::Down).then_some(How::Down);
        }
        let is_it =
            fault.call == call && fault.path == made.1 && fault.nth == calls.iter().filter(|earlier| **earlier == made).count();
        self.has_failed.store(is_it, Ordering::Relaxed);
        is_it.then_some(fault.how)
    }
}

fn error() -> Error {
    Error::Generic { store: "Faulty", source: "the storage is not in the mood".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fate = self.fate(Call::Put, location);
        self.puts.lock().unwrap().push((location.to_string(), payload.clone().into()));
        let put_at = *self.clock.lock().unwrap();
        let put = match fate {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(How::LostReply) => {
                self.inner.put_opts(location, payload, opts).await?;
                self.put_at.lock().unwrap().insert(location.clone(), put_at);
                return Err(error());
            }
            Some(How::Repeated) => {
                self.inner.put_opts(location, payload.clone(), opts.clone()).await?;
                self.put_at.lock().unwrap().insert(location.clone(), put_at);
                self.inner.put_opts(location, payload, opts).await
            }
            Some(How::Refused | How::Down) => Err(error()),
        };
        if put.is_ok() {
            self.put_at.lock().unwrap().insert(location.clone(), put_at);
        }
        put
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("an object is put at once, but {location} is put in parts")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.fate(Call::Get, location) {
            None => self.inner.get_opts(location, options).await,
            Some(_) => Err(error()),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.fate(Call::Get, location) {
            None => self.inner.get_ranges(location, ranges).await,
            Some(_) => Err(error()),
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // Callers remove one object at a time.
        let location = futures::FutureExt::now_or_never(locations.into_future()).and_then(|(location, _)| location);
        let Some(Ok(location)) = location else { return stream::empty().boxed() };
        let fate = self.fate(Call::Delete, &location);
        if matches!(fate, Some(How::Refused | How::Down)) {
            return stream::iter([Err(error())]).boxed();
        }
        let deleted = self.inner.delete_stream(stream::iter([Ok(location)]).boxed());
        match fate {
            None => deleted,
            Some(_) => deleted.map(|_| Err(error())).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fate(Call::List, prefix.unwrap_or(&Path::default())) {
            None => {
                let put_at = self.put_at.clone();
                let told = move |meta: ObjectMeta| {
                    let put_at = put_at.lock().unwrap().get(&meta.location).copied();
                    ObjectMeta { last_modified: put_at.unwrap_or(meta.last_modified), ..meta }
                };
                self.inner.list(prefix).map(move |meta| meta.map(&told)).boxed()
            }
            Some(_) => stream::iter([Err(error())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        panic!("objects are put, but {from} is copied to {to}")
    }
}
