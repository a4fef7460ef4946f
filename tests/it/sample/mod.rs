//! The sample lakes of `sample_data/`, and what they must yield.
//!
//! `shop` makes one [`World`](crate::world::World) from a fixed seed; `contract` and `blip` store it as two lakes; `expected`
//! is the oracle's answer. All of it is committed, so that a newcomer needs no generator: the tests here hold the committed
//! files to the generator and the oracle, and `golden` holds the binary to them.
//!
//! After a change of the generator or of the oracle: `CTWA_WRITE_SAMPLE=1 cargo test sample_lakes_are_as_generated`.

mod ads;
mod blip;
mod contract;
mod endings;
mod exhibits;
mod expected;
mod files;
mod golden;
mod shop;

use std::fs;
use std::path::{Path, PathBuf};

use files::Files;

const REGENERATE: &str = "CTWA_WRITE_SAMPLE=1 cargo test sample_lakes_are_as_generated";

fn sample_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data")
}

fn generated() -> Files {
    let world = shop::world();
    let mut files = contract::files(&world);
    files.extend(blip::files(&world));
    files.extend(expected::files(&world));
    files
}

/// Every file below a folder of `sample_data/`.
fn committed() -> Files {
    let mut files = Files::new();
    let mut folders: Vec<PathBuf> =
        ["contract", "blip", "expected"].iter().map(|name| sample_data().join(name)).filter(|path| path.exists()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(sample_data()).expect("below sample_data").to_str().expect("a plain name");
                files.insert(name.replace('\\', "/"), fs::read(&path).expect("a readable file"));
            }
        }
    }
    files
}

#[test]
fn sample_lakes_are_as_generated() {
    let generated = generated();
    if std::env::var_os("CTWA_WRITE_SAMPLE").is_some() {
        for name in ["contract", "blip", "expected"] {
            let _ = fs::remove_dir_all(sample_data().join(name));
        }
        for (name, bytes) in &generated {
            let path = sample_data().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
            fs::write(&path, bytes).expect("a file that can be written");
        }
    }
    let committed = committed();
    let different: Vec<&String> = generated
        .keys()
        .chain(committed.keys().filter(|name| !generated.contains_key(*name)))
        .filter(|name| generated.get(*name) != committed.get(*name))
        .collect();
    assert!(different.is_empty(), "not as generated: {different:#?}\nif they should change: {REGENERATE}");
}
