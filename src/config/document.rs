//! A TOML document read key by key: each value is asked for by name and type, every mistake names its line, and keys that
//! nobody asked for are errors that name the nearest valid one.

use std::cell::RefCell;
use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::base::alike::nearest;
use crate::base::error::{Error, Result};

/// The text of a file with its name, to turn a span into `file:line:column`.
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    pub fn parse(&self) -> Result<Document<&str>> {
        Document::parse(self.text.as_str()).map_err(|error| {
            Error::usage(format!("the pipeline file is not TOML: {}", error.message()))
                .with("at", self.place(error.span()))
                .mend("correct the file there")
        })
    }

    fn place(&self, span: Option<Range<usize>>) -> String {
        let Some(span) = span else { return self.name.clone() };
        let before = &self.text[..span.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

/// A value with the place it stands at.
#[derive(Clone)]
pub struct Placed<T> {
    pub value: T,
    pub place: String,
}

impl<T> Placed<T> {
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::usage(message).with("at", &self.place)
    }

    /// Reads the value further; an error is given the place.
    pub fn try_map<U>(self, read: impl FnOnce(T) -> Result<U>) -> Result<Placed<U>> {
        let place = self.place;
        match read(self.value) {
            Ok(value) => Ok(Placed { value, place }),
            Err(error) => Err(error.with("at", place)),
        }
    }
}

/// One table of the document.
pub struct Section<'a> {
    source: &'a Source,
    table: &'a dyn TableLike,
    path: String,
    place: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub fn root(source: &'a Source, document: &'a Document<&str>) -> Section<'a> {
        Section { source, table: document.as_table(), path: String::new(), place: source.name.clone(), asked: RefCell::default() }
    }

    fn of(&self, item: &'a Item, path: String) -> Result<Section<'a>> {
        let place = self.source.place(item.span());
        match item.as_table_like() {
            Some(table) => Ok(Section { source: self.source, table, path, place, asked: RefCell::default() }),
            None => Err(Error::usage(format!("`{path}` is {}, a table is needed", item.type_name())).with("at", place)),
        }
    }

    fn item(&self, key: &'static str) -> Option<&'a Item> {
        self.asked.borrow_mut().push(key);
        self.table.get(key).filter(|item| !item.is_none())
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    fn mistyped(&self, key: &str, item: &Item, wanted: &str) -> Error {
        Error::usage(format!("`{}` is {}, {wanted} is needed", self.path_of(key), item.type_name()))
            .with("at", self.source.place(item.span()))
    }

    /// Where a key stands, if it does; it is not one that is valid for that.
    pub fn place_of(&self, key: &'static str) -> Option<Placed<()>> {
        let item = self.table.get(key).filter(|item| !item.is_none());
        item.map(|item| Placed { value: (), place: self.source.place(item.span()) })
    }

    /// An error about this whole section.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::usage(message).with("at", &self.place)
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn text(&self, key: &'static str) -> Result<Option<Placed<String>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        match item.as_str() {
            Some(text) => Ok(Some(Placed { value: text.to_string(), place: self.source.place(item.span()) })),
            None => Err(self.mistyped(key, item, "a text")),
        }
    }

    pub fn required_text(&self, key: &'static str) -> Result<Placed<String>> {
        let text = self
            .text(key)?
            .ok_or_else(|| self.error(format!("`{}` is missing", self.path_of(key))).mend(format!("add {key} = \"...\"")))?;
        if text.value.trim().is_empty() {
            return Err(text.error(format!("`{}` is blank", self.path_of(key))));
        }
        Ok(text)
    }

    pub fn integer(&self, key: &'static str) -> Result<Option<Placed<i64>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        match item.as_integer() {
            Some(value) => Ok(Some(Placed { value, place: self.source.place(item.span()) })),
            None => Err(self.mistyped(key, item, "a whole number")),
        }
    }

    pub fn flag(&self, key: &'static str) -> Result<Option<Placed<bool>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        match item.as_bool() {
            Some(value) => Ok(Some(Placed { value, place: self.source.place(item.span()) })),
            None => Err(self.mistyped(key, item, "true or false")),
        }
    }

    pub fn number(&self, key: &'static str) -> Result<Option<Placed<f64>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        match item.as_float().or_else(|| item.as_integer().map(|value| value as f64)) {
            Some(value) => Ok(Some(Placed { value, place: self.source.place(item.span()) })),
            None => Err(self.mistyped(key, item, "a number")),
        }
    }

    pub fn texts(&self, key: &'static str) -> Result<Vec<Placed<String>>> {
        let Some(item) = self.item(key) else { return Ok(Vec::new()) };
        let Some(array) = item.as_array() else { return Err(self.mistyped(key, item, "a list of texts")) };
        array
            .iter()
            .map(|value| match value.as_str() {
                Some(text) => Ok(Placed { value: text.to_string(), place: self.source.place(value.span()) }),
                None => Err(Error::usage(format!("`{}` holds {}, texts are needed", self.path_of(key), value.type_name()))
                    .with("at", self.source.place(value.span()))),
            })
            .collect()
    }

    pub fn integers(&self, key: &'static str) -> Result<Option<Vec<Placed<i64>>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        let Some(array) = item.as_array() else { return Err(self.mistyped(key, item, "a list of whole numbers")) };
        let each = array.iter().map(|value| match value.as_integer() {
            Some(number) => Ok(Placed { value: number, place: self.source.place(value.span()) }),
            None => Err(Error::usage(format!("`{}` holds {}, whole numbers are needed", self.path_of(key), value.type_name()))
                .with("at", self.source.place(value.span()))),
        });
        each.collect::<Result<_>>().map(Some)
    }

    pub fn section(&self, key: &'static str) -> Result<Option<Section<'a>>> {
        self.item(key).map(|item| self.of(item, self.path_of(key))).transpose()
    }

    /// The tables of `[[key]]`, or of `key = [{ .. }]`.
    pub fn sections(&self, key: &'static str) -> Result<Vec<Section<'a>>> {
        let Some(item) = self.item(key) else { return Ok(Vec::new()) };
        let path = self.path_of(key);
        if let Some(tables) = item.as_array_of_tables() {
            let section = |table: &'a toml_edit::Table| Section {
                source: self.source,
                table,
                path: path.clone(),
                place: self.source.place(table.span()),
                asked: RefCell::default(),
            };
            return Ok(tables.iter().map(section).collect());
        }
        let Some(array) = item.as_array() else { return Err(self.mistyped(key, item, "a list of tables")) };
        let section = |value: &'a toml_edit::Value| match value.as_inline_table() {
            Some(table) => Ok(Section {
                source: self.source,
                table,
                path: path.clone(),
                place: self.source.place(value.span()),
                asked: RefCell::default(),
            }),
            None => Err(Error::usage(format!("`{path}` holds {}, tables are needed", value.type_name()))
                .with("at", self.source.place(value.span()))),
        };
        array.iter().map(section).collect()
    }

    /// One entry of a section whose keys are data: a text, a table, or a list of these, each given to `read`.
    pub fn alternatives<T>(&self, key: &'static str, read: impl Fn(Alternative<'a>) -> Result<T>) -> Result<Option<Vec<T>>> {
        let Some(item) = self.item(key) else { return Ok(None) };
        let path = self.path_of(key);
        let one = |entry: &'a Item| match entry.as_str() {
            Some(text) => read(Alternative::Text(text.to_string())),
            None => read(Alternative::Section(self.of(entry, path.clone())?)),
        };
        let Some(array) = item.as_array() else { return Ok(Some(vec![one(item)?])) };
        let each = array.iter().map(|value| match (value.as_str(), value.as_inline_table()) {
            (Some(text), _) => read(Alternative::Text(text.to_string())),
            (_, Some(table)) => read(Alternative::Section(Section {
                source: self.source,
                table,
                path: path.clone(),
                place: self.source.place(value.span()),
                asked: RefCell::default(),
            })),
            _ => Err(Error::usage(format!("`{path}` holds {}, column names or tables are needed", value.type_name()))
                .with("at", self.source.place(value.span()))),
        });
        each.collect::<Result<_>>().map(Some)
    }

    /// Every key has been asked for, or it is an error.
    pub fn finish(&self) -> Result<()> {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if asked.contains(&key) {
                continue;
            }
            let span = self.table.get_key_value(key).and_then(|(key, item)| key.span().or(item.span()));
            if names_a_secret(key) {
                let error = Error::usage(format!("`{}`: a secret does not belong in a pipeline file", self.path_of(key)));
                return Err(error
                    .with("at", self.source.place(span))
                    .mend("remove it, and renew the secret if others could see this file: secrets come from the environment"));
            }
            let near = nearest(asked.iter().copied(), key);
            let mut valid: Vec<&str> = asked.clone();
            valid.sort_unstable();
            valid.dedup();
            return Err(Error::usage(format!("unknown key `{}`", self.path_of(key))).with("at", self.source.place(span)).mend(
                match near {
                    Some(near) => format!("did you mean `{near}`? (valid here: {})", valid.join(", ")),
                    None => format!("remove it (valid here: {})", valid.join(", ")),
                },
            ));
        }
        Ok(())
    }
}

/// Keys under which people write credentials of storage and of Meta.
fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "password", "token", "credential", "access_key", "account_key", "sas"].iter().any(|word| key.contains(word))
}

pub enum Alternative<'a> {
    Text(String),
    Section(Section<'a>),
}
