//! README.md shows what is true: its first command prints what is shown below it, its pipeline file is one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lake::{self, Lake};
use crate::scene::Scene;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first code block after this line of README.md.
fn block_after(line: &str) -> String {
    let readme = fs::read_to_string(repository().join("README.md")).expect("README.md");
    let mut lines =
        readme.lines().skip_while(|found| !found.contains(line)).skip_while(|found| !found.starts_with("```")).skip(1);
    lines.by_ref().take_while(|found| *found != "```").map(|line| format!("{line}\n")).collect()
}

#[test]
fn first_command_prints_what_is_shown() {
    let command = block_after("<!-- command: first -->").replace('\n', " ");
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
    assert_eq!(trimmed(&printed), trimmed(&block_after("It ends with:")), "README.md shows something else");
}

#[test]
fn pipeline_file_is_one() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
    fs::create_dir(scene.lake.dir.join("lake")).expect("it is made");
    scene.pipeline(&block_after("## Your own lake"));
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 3, "what is missing is the lake's content alone: {}", ran.stderr);
}
