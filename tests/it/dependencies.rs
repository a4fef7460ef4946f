//! What the project depends on: licences, banned crates, sources and duplicates as deny.toml says, and nothing that is not used.
//!
//! `cargo deny` says the same and knows the advisories too, which takes a network. Here are asked `Cargo.lock`, which has the
//! crates of every system, and `cargo tree`, which tells what is compiled on this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A crate, or `crate:VERSION` with the start of a version.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    dependencies: BTreeMap<String, toml::Value>,
    dev_dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    rust_version: String,
}

/// A crate that is compiled here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Compiled {
    name: String,
    version: String,
    licence: String,
    /// How code names it.
    imported_as: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn compiled() -> BTreeSet<Compiled> {
    let tree = ["tree", "--locked", "--offline", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}|{l}|{lib}"];
    let ran = Command::new(env!("CARGO")).args(tree).current_dir(root()).output().expect("cargo tree runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).expect("text");
    let named = |line: &str| {
        // `some-name v1.2.3 (proc-macro)|MIT|some_name (*)`: what was shown before is marked.
        let [package, licence, library] = line.trim_end_matches(" (*)").split('|').collect::<Vec<_>>()[..] else { return None };
        let mut words = package.split_whitespace();
        let (name, version) = (words.next()?.to_string(), words.next()?.trim_start_matches('v').to_string());
        Some(Compiled { name, version, licence: licence.to_string(), imported_as: library.to_string() })
    };
    let compiled: BTreeSet<Compiled> =
        text.lines().map(|line| named(line).unwrap_or_else(|| panic!("{line:?} names a crate"))).collect();
    assert!(compiled.len() > 100, "the tree is read");
    compiled
}

/// Whether a licence's expression (SPDX, or older with `/` for OR) can be satisfied by what is allowed.
fn is_satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    // Of the words outside parentheses, the one that binds least is looked for first.
    for (word, all) in [(" OR ", false), ("/", false), (" AND ", true)] {
        let parts = outside_parentheses(expression, word);
        if parts.len() > 1 {
            let is = |part: &&str| is_satisfied(part, allowed);
            return if all { parts.iter().all(is) } else { parts.iter().any(is) };
        }
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_satisfied(inner, allowed),
        None => allowed.contains(expression),
    }
}

fn outside_parentheses<'e>(expression: &'e str, word: &str) -> Vec<&'e str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in expression.match_indices(word) {
        let before = &expression[start..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(before);
            start = at + word.len();
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[test]
fn licence_expressions_are_read_as_they_bind() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_string).into_iter().collect();
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC", "GPL-3.0 AND BSL-1.0 OR MIT"]
    {
        assert!(is_satisfied(good, &allowed), "{good}");
    }
    assert!(is_satisfied("Apache-2.0 WITH LLVM-exception OR Apache-2.0", &allowed));
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "Apache-2.0"] {
        assert!(!is_satisfied(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_licence_is_allowed_and_every_allowed_one_is_needed() {
    let allowed = read::<Rules>("deny.toml").licenses.allow;
    let compiled = compiled();
    for found in &compiled {
        assert!(is_satisfied(&found.licence, &allowed), "{found:?} has a licence that deny.toml does not allow");
    }
    for licence in &allowed {
        assert!(compiled.iter().any(|found| found.licence.contains(licence)), "no crate has {licence}: take it out of deny.toml");
    }
}

#[test]
fn no_banned_crate_is_locked_and_all_come_from_one_registry() {
    let rules: Rules = read("deny.toml");
    let lock: Lock = read("Cargo.lock");
    for banned in &rules.bans.deny {
        assert!(lock.package.iter().all(|found| found.name != banned.name), "{} is locked: {}", banned.name, banned.reason);
    }
    let registries: Vec<String> = rules.sources.allow_registry.iter().map(|url| format!("registry+{url}")).collect();
    for found in &lock.package {
        let is_known = found.source.as_ref().is_none_or(|source| registries.contains(source));
        assert!(is_known, "{} comes from {:?}", found.name, found.source);
    }
    for one in ["rustls", "ring"] {
        assert!(lock.package.iter().any(|found| found.name == one), "{one} is the TLS");
    }
}

/// Two versions of one crate are two in the binary, and their types are not each other's.
#[test]
fn crates_that_are_there_twice_are_named_with_the_reason() {
    let skip = read::<Rules>("deny.toml").bans.skip;
    let is_named = |name: &str, version: &str| {
        skip.iter().any(|named| {
            let (of, start) = named.name.split_once(':').expect("crate:VERSION");
            of == name && (version == start || version.starts_with(&format!("{start}.")))
        })
    };
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in compiled() {
        versions.entry(found.name).or_default().insert(found.version);
    }
    for (name, versions) in &versions {
        let unnamed: Vec<&String> = versions.iter().filter(|version| !is_named(name, version)).collect();
        assert!(unnamed.len() <= 1, "{name} is there as {versions:?}: deny.toml does not say why");
    }
    let lock: Lock = read("Cargo.lock");
    for named in &skip {
        let (of, _) = named.name.split_once(':').expect("crate:VERSION");
        let locked: Vec<&Locked> = lock.package.iter().filter(|found| found.name == of).collect();
        let is_there = locked.len() > 1 && locked.iter().any(|found| is_named(&found.name, &found.version));
        assert!(is_there, "{} is not there beside another version: take it out of deny.toml", named.name);
        assert!(!named.reason.trim().is_empty(), "{} has no reason", named.name);
    }
}

/// The text of all sources below these folders, without comments.
fn code(folders: &[&str]) -> String {
    let mut code = String::new();
    let mut next: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = next.pop() {
        if path.is_dir() {
            next.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.extend(lines.flat_map(|line| [line, "\n"]));
        }
    }
    code
}

#[test]
fn every_dependency_is_used_where_it_is_asked_for() {
    let manifest: Manifest = read("Cargo.toml");
    let compiled = compiled();
    let places = [(manifest.dependencies, code(&["src"])), (manifest.dev_dependencies, code(&["src", "tests", "benches"]))];
    for (dependencies, code) in &places {
        assert!(!dependencies.is_empty());
        for name in dependencies.keys() {
            let found =
                compiled.iter().find(|found| found.name == *name).unwrap_or_else(|| panic!("{name} is not compiled here"));
            let path = format!("{}::", found.imported_as);
            let in_a_word = |before: &str| before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
            let is_used = code.match_indices(&path).any(|(at, _)| !in_a_word(&code[..at]));
            assert!(is_used, "nobody names {path}: take {name} out of Cargo.toml");
        }
    }
}

#[test]
fn the_compiler_is_the_oldest_that_is_promised() {
    let toolchain: toml::Table = read("rust-toolchain.toml");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a channel");
    assert_eq!(channel, format!("{}.0", read::<Manifest>("Cargo.toml").package.rust_version));
}
