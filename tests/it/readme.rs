//! What the texts of the repository show is true: README's first command prints what is shown, the pipeline file that is shown is one,
//! the commands for contributors run what they name, and no path leads nowhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::documents::{block_after, read};
use crate::lake::{self, Lake};
use crate::scene::Scene;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn first_command_prints_what_is_shown() {
    let (readme, whole) = (read("README.md"), read("sample_data/README.md"));
    let command = block_after(&readme, "<!-- command: first -->").replace('\n', " ");
    let folder = tempfile::tempdir().expect("a folder for the test");
    let pipeline = "pipelines/sample.toml";
    let text = fs::read_to_string(repository().join(pipeline)).expect("the sample's pipeline file");
    let sample = repository().join("sample_data/contract");
    // The reader's own output in target/ stays as it is.
    let text = text.replace("\"../target/sample\"", "\"out\"");
    let text = text.replace("\"../sample_data/contract\"", &format!("{:?}", sample.display().to_string()));
    let lake = Lake { dir: folder.path().into(), pipeline: folder.path().join("sample.toml"), output: PathBuf::from("out") };
    fs::write(&lake.pipeline, text).expect("the pipeline file is written");
    let mut printed = String::new();
    for part in command.split("&&") {
        let args = part.trim().strip_prefix("cargo run --locked -- ").unwrap_or_else(|| panic!("{part:?} runs ctwa"));
        let args: Vec<&str> = args.split_whitespace().map(|arg| if arg == pipeline { "sample.toml" } else { arg }).collect();
        let ran = lake::ctwa(&lake, &args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        printed += &ran.stdout;
    }
    let trimmed = |text: &str| text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    let shown = trimmed(&block_after(&whole, "They print:"));
    assert_eq!(trimmed(&printed), shown, "sample_data/README.md shows something else");
    let (_, behind) = readme.split_once("```text").expect("README.md shows what it prints");
    let excerpt = trimmed(behind.trim_start().split("```").next().expect("the block ends"));
    assert!(excerpt.lines().count() > 5 && shown.contains(&excerpt), "README.md shows something else\n{excerpt}");
}

#[test]
fn pipeline_file_is_one() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
    fs::create_dir(scene.lake.dir.join("lake")).expect("it is made");
    scene.pipeline(&block_after(&read("docs/pipeline-file.md"), "<!-- pipeline: example -->"));
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 3, "what is missing is the lake's content alone: {}", ran.stderr);
}

/// The names of all tests of this binary.
fn tests() -> Vec<String> {
    let ran = Command::new(std::env::current_exe().expect("this binary")).arg("--list").output().expect("it tells its tests");
    let text = String::from_utf8(ran.stdout).expect("text");
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_string).collect()
}

/// The lines of a text's code blocks that a shell runs.
fn shell_lines(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.trim_start() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.starts_with('#') => lines.push(line.to_string()),
            _ => {}
        }
    }
    lines
}

/// Whether what a filter asks for is there: a test of this binary, or one beside the code of a file of `src`.
fn is_there(filter: &str, of_lib: bool, whole: bool, tests: &[String]) -> bool {
    if !of_lib {
        return tests.iter().any(|test| if whole { test == filter } else { test.contains(filter) });
    }
    let file = format!("src/{}.rs", filter.trim_end_matches("::").replace("::", "/"));
    fs::read_to_string(repository().join(file)).is_ok_and(|text| text.contains("#[test]"))
}

#[test]
fn commands_for_contributors_run_what_they_name() {
    let lines = shell_lines(&read("CONTRIBUTING.md"));
    let parsed = Command::new("bash").args(["-n", "-c", &lines.join("\n")]).output().expect("bash parses the commands");
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    let tests = tests();
    let mut filters = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.contains('=')).collect();
        let (is_lib, rest) = match words.as_slice() {
            [".ci/run"] | [".ci/run", "fast"] | ["git", "diff", ..] | ["cargo", "test", "--locked"] => continue,
            ["cargo", "test", "--locked", "--test", "it", rest @ ..] => (false, rest),
            ["cargo", "test", "--locked", "--lib", rest @ ..] => (true, rest),
            _ => panic!("nobody has looked at {line:?}"),
        };
        let (filter, is_whole) = match rest {
            [filter] => (filter, false),
            [filter, "--", "--exact"] => (filter, true),
            _ => panic!("{line:?} names one filter"),
        };
        assert!(is_there(filter, is_lib, is_whole, &tests), "{line:?} would run no test");
        filters += 1;
    }
    assert!(filters > 2, "the commands are read");
}

#[test]
fn the_fast_lane_leaves_out_tests_that_are_there() {
    let script = read(".ci/run");
    let tests = tests();
    for list in ["NEED_MORE", "TAKE_LONG"] {
        let (_, rest) = script.split_once(&format!("readonly {list}=(")).unwrap_or_else(|| panic!(".ci/run has the list {list}"));
        let (names, _) = rest.split_once(')').expect("the list ends");
        assert!(names.split_whitespace().count() > 2);
        for name in names.split_whitespace() {
            assert!(tests.iter().any(|test| test.starts_with(name)), "no test begins with {name} of {list}");
        }
    }
}

/// The texts (`.md`) that lie in a folder.
fn texts(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(folder)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The anchors of a text's headings: small letters, without signs, blanks as hyphens.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor = |heading: &str| heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
    headings.map(anchor).collect()
}

#[test]
fn paths_in_texts_lead_somewhere() {
    let files: Vec<PathBuf> =
        ["", "docs", "docs/decisions", "benches", "tests/cases"].iter().flat_map(|folder| texts(folder)).collect();
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let folder = file.parent().expect("a folder");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        let links: Vec<&str> = links.filter(|link| !link.contains("://")).collect();
        for link in &links {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let of = if path.is_empty() { file.clone() } else { folder.join(path) };
            let is_there =
                heading.is_empty() || anchors(&fs::read_to_string(&of).expect("a text")).contains(&heading.to_string());
            assert!(is_there, "{} links to {link}, which is no heading there", file.display());
        }
        let links = links.into_iter().filter_map(|link| link.split('#').next()).filter(|path| !path.is_empty());
        let links = links.map(|path| folder.join(path));
        let rooted = ["src/", "tests/", "docs/", "benches/", ".ci/"];
        let quoted = text.split('`').skip(1).step_by(2);
        let quoted =
            quoted.filter(|quoted| rooted.iter().any(|root| quoted.starts_with(root)) && !quoted.contains([' ', '*', '<']));
        for path in links.chain(quoted.map(|path| repository().join(path))) {
            assert!(path.exists(), "{} names {}, which is not there", file.display(), path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "paths are found");
}
