//! JSON Schema, as far as `docs/pipeline.schema.json` uses it (draft 7). A keyword that is not known here fails, so that nothing of the
//! schema is passed over; what a well-kept validator says of the same files is asked in `pipeline_file`.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that say nothing of what is valid.
const WORDS: [&str; 6] = ["$schema", "title", "description", "default", "definitions", "examples"];

/// What is wrong with a value, each with its place.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    Validator { root: schema }.faults(schema, value, "")
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        self.faults(schema, value, "").is_empty()
    }

    fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
        if let Some(target) = schema.get("$ref") {
            let target = target.as_str().and_then(|target| target.strip_prefix("#")).expect("a reference within the schema");
            return self.faults(self.root.pointer(target).unwrap_or_else(|| panic!("{target} is not there")), value, place);
        }
        schema.keys().flat_map(|keyword| self.faults_of(schema, keyword, value, place)).collect()
    }

    fn faults_of(&self, schema: &Map<String, Value>, keyword: &str, value: &Value, place: &str) -> Vec<String> {
        let of = &schema[keyword];
        let unless = |is_valid: bool| if is_valid { Vec::new() } else { vec![format!("{place}: {value} breaks {keyword} {of}")] };
        let many = || of.as_array().expect("a list of schemas");
        match keyword {
            word if WORDS.contains(&word) => Vec::new(),
            "type" => unless(is_of_type(value, of.as_str().expect("one type"))),
            "const" => unless(value == of),
            "enum" => unless(of.as_array().expect("a list").contains(value)),
            "pattern" => unless(value.as_str().is_none_or(|text| pattern(of).is_match(text))),
            "minLength" => {
                unless(value.as_str().is_none_or(|text| text.chars().count() as u64 >= of.as_u64().expect("a number")))
            }
            "minItems" => unless(value.as_array().is_none_or(|items| items.len() as u64 >= of.as_u64().expect("a number"))),
            "minimum" => unless(value.as_f64().is_none_or(|number| number >= of.as_f64().expect("a number"))),
            "maximum" => unless(value.as_f64().is_none_or(|number| number <= of.as_f64().expect("a number"))),
            "not" => unless(!self.is_valid(of, value)),
            "allOf" => many().iter().flat_map(|schema| self.faults(schema, value, place)).collect(),
            "anyOf" => unless(many().iter().any(|schema| self.is_valid(schema, value))),
            "oneOf" => unless(many().iter().filter(|schema| self.is_valid(schema, value)).count() == 1),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(i, item)| self.faults(of, item, &format!("{place}/{i}"))).collect()
            }
            "properties" => {
                let known = value.as_object().into_iter().flatten().filter_map(|(key, inner)| Some((key, inner, of.get(key)?)));
                known.flat_map(|(key, inner, schema)| self.faults(schema, inner, &format!("{place}/{key}"))).collect()
            }
            "required" => {
                let names = of.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name"));
                unless(value.as_object().is_none_or(|object| names.into_iter().all(|name| object.contains_key(name))))
            }
            "additionalProperties" => {
                assert_eq!(*of, Value::Bool(false));
                let known: BTreeSet<&String> = schema["properties"].as_object().expect("properties").keys().collect();
                unless(value.as_object().is_none_or(|object| object.keys().all(|key| known.contains(key))))
            }
            other => panic!("the keyword {other} is not known here"),
        }
    }
}

fn pattern(of: &Value) -> Regex {
    Regex::new(of.as_str().expect("a pattern")).unwrap_or_else(|error| panic!("{of}: {error}"))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type {other} is not known here"),
    }
}
