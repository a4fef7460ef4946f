//! What a well-kept validator of JSON Schema, as editors have one, says of the pipeline files that `pipeline_file` looks at with one of
//! its own: the schema is one, and the right files are right by it, the wrong ones wrong.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::pipeline_file::{as_json, right_ones, schema, wrong_ones};
use crate::servers;

#[test]
fn a_well_kept_validator_says_the_same() {
    let python = servers::python_environment("editors", "editors-requirements.txt").unwrap_or_else(|error| panic!("{error}"));
    let right: Vec<(String, String)> = right_ones().into_iter().collect();
    let files: Vec<(bool, String, Value)> = [(true, right), (false, wrong_ones())]
        .into_iter()
        .flat_map(|(is_right, files)| files.into_iter().map(move |(name, text)| (is_right, name, as_json(&text))))
        .collect();
    let job = json!({"schema": schema(), "files": files.iter().map(|(_, _, file)| file).collect::<Vec<_>>()});
    let mut child = Command::new(python)
        .arg(servers::sources().join("schema.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the validator starts");
    child.stdin.take().expect("it was piped").write_all(job.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let verdicts: Vec<bool> = serde_json::from_slice(&output.stdout).expect("it answers");
    assert_eq!(verdicts.len(), files.len());
    for ((is_right, name, _), verdict) in files.iter().zip(verdicts) {
        assert_eq!(verdict, *is_right, "{name}");
    }
}
