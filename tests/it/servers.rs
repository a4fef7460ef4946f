//! Real storage servers for the tests: S3 (moto) and Azure Blob (Azurite), as the scripts in `tests/servers/` start them.
//!
//! They are installed below `target/servers/` by the first test that needs them, in the versions that `tests/servers/` pins; that
//! takes Python 3 with venv, Node with npm, and their package registries. Where one is missing the test fails and says which.
//! A server is started once per test process, on a free port of the loopback, and ends with it.
//!
//! Of Google Cloud Storage there is no server to be had that answers what `object_store` asks: a script of a hundred lines stands
//! in for it, which needs nothing but Python.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;

/// How long a server may take to start, or to make a bucket, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

const REGION: &str = "us-east-1";

/// Names and values for the environment of the binary.
pub type Variables = Vec<(String, String)>;

pub struct S3Server {
    server: Server,
    endpoint: String,
    access_key: String,
    secret_key: String,
}

pub struct AzureServer {
    server: Server,
    endpoint: String,
    account: String,
    key: String,
}

pub struct GcsServer {
    server: Server,
    endpoint: String,
}

/// The S3 server of this test process.
pub fn s3() -> &'static S3Server {
    static S3: OnceLock<Result<S3Server, String>> = OnceLock::new();
    S3.get_or_init(S3Server::start).as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// The Azure server of this test process.
pub fn azure() -> &'static AzureServer {
    static AZURE: OnceLock<Result<AzureServer, String>> = OnceLock::new();
    AZURE.get_or_init(AzureServer::start).as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// What stands in for Google Cloud Storage in this test process.
pub fn gcs() -> &'static GcsServer {
    static GCS: OnceLock<Result<GcsServer, String>> = OnceLock::new();
    GCS.get_or_init(GcsServer::start).as_ref().unwrap_or_else(|error| panic!("{error}"))
}

impl S3Server {
    fn start() -> Result<S3Server, String> {
        let python = python_environment("s3", "s3-requirements.txt")?;
        let (server, said) = Server::start(Command::new(python).arg(sources().join("s3.py")))?;
        let [endpoint, access_key, secret_key] = said.texts(["endpoint", "access_key", "secret_key"]);
        Ok(S3Server { server, endpoint, access_key, secret_key })
    }

    /// A new and empty bucket.
    pub fn bucket(&self) -> String {
        self.server.new_bucket()
    }

    pub fn environment(&self) -> Variables {
        self.environment_with(&self.secret_key)
    }

    /// For a client that takes no environment.
    pub fn settings(&self) -> serde_json::Value {
        let S3Server { endpoint, access_key, secret_key, .. } = self;
        serde_json::json!({"endpoint": endpoint, "access_key": access_key, "secret_key": secret_key, "region": REGION})
    }

    /// With a secret that is not the key's: whoever uses it is denied.
    pub fn environment_of_a_stranger(&self) -> Variables {
        self.environment_with(&self.secret_key.chars().rev().collect::<String>())
    }

    fn environment_with(&self, secret_key: &str) -> Variables {
        variables(&[
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", secret_key),
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ])
    }

    /// A client of the test's own.
    pub fn store(&self, bucket: &str) -> Arc<dyn ObjectStore> {
        let store = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_access_key_id(&self.access_key)
            .with_secret_access_key(&self.secret_key)
            .with_region(REGION)
            .with_bucket_name(bucket)
            .with_allow_http(true)
            .build();
        Arc::new(store.expect("settings of a client"))
    }
}

impl AzureServer {
    fn start() -> Result<AzureServer, String> {
        let installed = node_packages("azure")?;
        let (server, said) = Server::start(Command::new("node").arg(sources().join("azure.js")).arg(installed))?;
        let [endpoint, account, key] = said.texts(["endpoint", "account", "key"]);
        Ok(AzureServer { server, endpoint, account, key })
    }

    /// A new and empty container.
    pub fn container(&self) -> String {
        self.server.new_bucket()
    }

    pub fn environment(&self) -> Variables {
        self.environment_with(&self.key)
    }

    /// With a key that is not the account's: whoever uses it is denied.
    pub fn environment_of_a_stranger(&self) -> Variables {
        // Still base64, of which the end is not free.
        let (most, end) = self.key.split_at(self.key.len() - 8);
        self.environment_with(&(most.chars().rev().collect::<String>() + end))
    }

    fn environment_with(&self, key: &str) -> Variables {
        variables(&[
            ("AZURE_STORAGE_ACCOUNT_NAME", &self.account),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
            ("AZURE_STORAGE_ENDPOINT", &self.endpoint),
            ("AZURE_ALLOW_HTTP", "true"),
        ])
    }

    /// A client of the test's own.
    pub fn store(&self, container: &str) -> Arc<dyn ObjectStore> {
        let store = MicrosoftAzureBuilder::new()
            .with_endpoint(self.endpoint.clone())
            .with_account(&self.account)
            .with_access_key(&self.key)
            .with_container_name(container)
            .with_allow_http(true)
            .build();
        Arc::new(store.expect("settings of a client"))
    }
}

impl GcsServer {
    fn start() -> Result<GcsServer, String> {
        let (server, said) = Server::start(Command::new("python3").arg(sources().join("gcs.py")))?;
        let [endpoint] = said.texts(["endpoint"]);
        Ok(GcsServer { server, endpoint })
    }

    /// A new and empty bucket.
    pub fn bucket(&self) -> String {
        self.server.new_bucket()
    }

    pub fn environment(&self) -> Variables {
        // Without this key, which is nobody's, object_store would ask the machine for its identity: nothing may leave the loopback.
        let key = r#"{"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": true}"#;
        variables(&[("GOOGLE_BASE_URL", &self.endpoint), ("GOOGLE_SERVICE_ACCOUNT_KEY", key), ("GOOGLE_ALLOW_HTTP", "true")])
    }
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

// ------------------------------------------------------------------------------------------------------------- running

/// A child that serves as long as its input is open. The system closes that when the test process ends, however it ends.
struct Server {
    child: Child,
    lines: Mutex<Receiver<String>>,
    buckets: AtomicUsize,
}

/// What a server says of itself when it is ready.
struct Said(serde_json::Value);

impl Said {
    fn texts<const N: usize>(&self, names: [&str; N]) -> [String; N] {
        names.map(|name| self.0[name].as_str().unwrap_or_else(|| panic!("the server does not say its {name}")).to_owned())
    }
}

impl Server {
    fn start(command: &mut Command) -> Result<(Server, Said), String> {
        let mut complaints = tempfile::tempfile().map_err(|error| error.to_string())?;
        let stderr = complaints.try_clone().map_err(|error| error.to_string())?;
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = started.map_err(|error| format!("{command:?} cannot be started: {error}"))?;
        let stdout = child.stdout.take().ok_or("a server has no output")?;
        let (line, lines) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let ready = lines.recv_timeout(PATIENCE).map_err(|error| error.to_string());
        let said = ready.and_then(|text| serde_json::from_str(&text).map_err(|error| format!("{error}: {text}")));
        match said {
            Ok(said) => {
                let server = Server { child, lines: Mutex::new(lines), buckets: AtomicUsize::new(0) };
                Ok((server, Said(said)))
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let mut text = String::new();
                let _ = complaints.rewind().and_then(|()| complaints.read_to_string(&mut text));
                Err(format!("{command:?} is not ready: {error}\n{text}"))
            }
        }
    }

    fn new_bucket(&self) -> String {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let lines = self.lines.lock().unwrap_or_else(|held| held.into_inner());
        let mut stdin = self.child.stdin.as_ref().expect("it was piped");
        writeln!(stdin, "{name}").and_then(|()| stdin.flush()).expect("the server reads");
        assert_eq!(lines.recv_timeout(PATIENCE).as_ref(), Ok(&name), "the server makes a bucket");
        name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------------------------- installing

/// Where the scripts and the pinned versions are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

/// Where everything is installed: kept from run to run, and never part of a commit.
fn installed_below() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below target").join("servers")
}

/// The interpreter of a virtual environment that holds what a requirements file of `tests/servers/` lists.
pub fn python_environment(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let python = |folder: &Path| folder.join("bin/python");
    let folder = installed(name, &[requirements], |folder| {
        command(
            Command::new("python3").args(["-m", "venv"]).arg(folder),
            "tests need Python 3.10 or newer with its venv module (on Debian: apt-get install python3 python3-venv)",
        )?;
        command(
            Command::new(python(folder))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
                .arg(sources().join(requirements)),
            "tests need a Python package index: the public one, or a mirror of it named in pip's configuration",
        )
    })?;
    Ok(python(&folder))
}

/// A folder with the packages that `package-lock.json` of `tests/servers/` lists.
fn node_packages(name: &str) -> Result<PathBuf, String> {
    let pins = ["package.json", "package-lock.json"];
    installed(name, &pins, |folder| {
        for pin in pins {
            fs::copy(sources().join(pin), folder.join(pin)).map_err(|error| format!("{pin}: {error}"))?;
        }
        command(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(folder),
            "tests need Node 20 or newer with npm (on Debian: apt-get install nodejs npm), and a package registry: the public \
             one, or a mirror of it named in npm's configuration",
        )
    })
}

/// The folder in which this is installed: done once, again when its pins have changed or its installation was cut short, and
/// by one of several test processes at a time.
fn installed(name: &str, pins: &[&str], install: impl Fn(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let mut pinned = Vec::new();
    for pin in pins {
        pinned.extend(fs::read(sources().join(pin)).map_err(|error| format!("{pin}: {error}"))?);
    }
    kept(name, &pinned, install)
}

/// A folder that is made once, and again when what it is made of has changed or its making was cut short; by one of several test
/// processes at a time.
pub fn kept(name: &str, made_of: &[u8], install: impl Fn(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let folder = installed_below().join(name);
    let stamp = folder.join("installed");
    let attempt = || -> io::Result<(File, Vec<u8>)> {
        fs::create_dir_all(installed_below())?;
        let lock = File::create(installed_below().join(format!("{name}.lock")))?;
        lock.lock()?;
        // A virtual environment works only where it was made.
        let mut wanted = folder.to_string_lossy().into_owned().into_bytes();
        wanted.extend(made_of);
        Ok((lock, wanted))
    };
    let (_lock, wanted) = attempt().map_err(|error| format!("{}: {error}", folder.display()))?;
    if fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir(&folder).map_err(failed)?;
    install(&folder)?;
    fs::write(&stamp, wanted).map_err(failed)?;
    Ok(folder)
}

/// Runs a command to its end, or says what it wanted.
fn command(command: &mut Command, needs: &str) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            Err(format!("{needs}; {command:?} failed with {}\n{said}", output.status))
        }
        Err(error) => Err(format!("{needs}; {command:?} cannot be started: {error}")),
    }
}

// --------------------------------------------------------------------------------------------------------------- tests

#[test]
fn a_server_ends_when_its_input_does() {
    let python = python_environment("s3", "s3-requirements.txt").expect("it can be installed");
    let node = node_packages("azure").expect("it can be installed");
    let mut commands = [Command::new(python), Command::new("node"), Command::new("python3")];
    commands[0].arg(sources().join("s3.py"));
    commands[1].arg(sources().join("azure.js")).arg(node);
    commands[2].arg(sources().join("gcs.py"));
    for command in &mut commands {
        let (mut server, _) = Server::start(command).expect("it starts");
        drop(server.child.stdin.take());
        let (ended, end) = channel();
        std::thread::spawn(move || ended.send(server.child.wait().map(|status| status.success())));
        let end = end.recv_timeout(PATIENCE).expect("it ends").expect("it can be waited for");
        assert!(end, "{command:?} fails at its end");
    }
}

#[test]
fn what_is_missing_for_a_server_is_said() {
    let said = command(Command::new("no-such-python3").arg("-m"), "tests need Python").expect_err("there is none");
    assert!(said.starts_with("tests need Python; ") && said.contains("no-such-python3"), "{said}");
    let said = command(Command::new("sh").args(["-c", "echo of this >&2; exit 3"]), "tests need a shell").expect_err("it fails");
    assert!(said.starts_with("tests need a shell; ") && said.ends_with("exit status: 3\nof this\n"), "{said}");
}
