//! A real browser for the tests: Chromium without a window, driven by the scripts in `tests/browser/`.
//!
//! It is installed by the first test that needs it: the browser as the system's package `chromium-headless-shell`, what drives it
//! below `target/servers/browser`, in the versions that `tests/browser/` pins. That takes Node with npm, a package registry, and on
//! a machine without the browser the right to install a Debian package. Where one is missing the test fails and says which.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const BROWSER: &str = "/usr/bin/chromium-headless-shell";
const PINS: [&str; 2] = ["package.json", "package-lock.json"];

/// Runs a script of `tests/browser/` and returns what it printed; a script that finds something wrong fails with it.
pub fn run(script: &str, args: &[&Path]) -> String {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = INSTALLED.get_or_init(install).as_ref().unwrap_or_else(|error| panic!("{error}"));
    // Node finds packages from where a script lies.
    let own = tempfile::tempdir_in(folder).expect("a folder for the scripts");
    for file in fs::read_dir(sources()).expect("tests/browser") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "js") {
            fs::copy(&path, own.path().join(path.file_name().expect("a name"))).expect("a script is copied");
        }
    }
    let output = Command::new("node")
        .arg(own.path().join(script))
        .args(args)
        .env("CTWA_TEST_BROWSER", BROWSER)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{script} cannot be started: {error}"));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{script} found something wrong:\n{said}");
    said
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Done once, again when the pins have changed or an installation was cut short, and by one of several test processes at a time.
fn install() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_BIN_EXE_ctwa")).parent().and_then(Path::parent).ok_or("target/ has no place")?;
    let folder = target.join("servers/browser");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::create(target.join("servers/browser.lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;

    if !Path::new(BROWSER).exists() {
        let needs = "tests of the page need Chromium (on Debian: apt-get install chromium-headless-shell, as root)";
        let package = ["install", "-y", "--no-install-recommends", "chromium-headless-shell"];
        if command(Command::new("apt-get").args(package), needs).is_err() {
            command(Command::new("apt-get").arg("update"), needs)?;
            command(Command::new("apt-get").args(package), needs)?;
        }
        if !Path::new(BROWSER).exists() {
            return Err(format!("{needs}: after its installation there is no {BROWSER}"));
        }
    }

    let stamp = folder.join("installed");
    let mut wanted = folder.to_string_lossy().into_owned().into_bytes();
    for pin in PINS {
        wanted.extend(fs::read(sources().join(pin)).map_err(failed)?);
    }
    if fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    fs::remove_dir_all(&folder).map_err(failed)?;
    fs::create_dir(&folder).map_err(failed)?;
    for pin in PINS {
        fs::copy(sources().join(pin), folder.join(pin)).map_err(failed)?;
    }
    command(
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder),
        "tests of the page need Node 20 or newer with npm (on Debian: apt-get install nodejs npm), and a package registry: the \
         public one, or a mirror of it named in npm's configuration",
    )?;
    fs::write(&stamp, wanted).map_err(failed)?;
    Ok(folder)
}

/// Runs a command to its end, or says what it wanted.
fn command(command: &mut Command, needs: &str) -> Result<(), String> {
    match command.stdin(Stdio::null()).env("DEBIAN_FRONTEND", "noninteractive").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            Err(format!("{needs}; {command:?} failed with {}\n{said}", output.status))
        }
        Err(error) => Err(format!("{needs}; {command:?} cannot be started: {error}")),
    }
}
