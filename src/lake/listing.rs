//! Listing: the days of an input table, and what else lies in its folder.
//!
//! One listing of the store, and no file is left out in silence: each is read, is plainly no data, or is among those of which the
//! number and the first name are told. A day that has landed and cannot be read is a partition with a fault, and is refused as
//! such when it is to be read. Of a Delta table the log says which files there are, and `delta` reads it.

use std::collections::BTreeMap;

use super::delta::{Days, Live, is_table};
use super::disk::Odd;
use super::formats::refuse_formats;
use super::guess::guess;
use super::names::{Named, is_hidden, named};
use super::open::Lake;
use super::pattern::{Glob, Pattern, is_ignored, names_below};
use crate::base::day::{Day, written_ranges};
use crate::base::error::{Error, Result};
use crate::base::object::Object;

/// How the files of a table lie in its folder.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The folders of days: one pattern, or one after the other in time.
    pub patterns: Vec<Pattern>,
    pub ignore: Vec<Glob>,
    /// The file that says that a day has landed.
    pub marker: Option<String>,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { patterns: vec![Pattern::usual()], ignore: Vec::new(), marker: None }
    }
}

impl Layout {
    /// How the newest days lie, as people write it.
    pub(crate) fn example(&self) -> String {
        let parts = [("{date}", "YYYY-MM-DD"), ("{yyyymmdd}", "YYYYMMDD"), ("{yyyy}", "YYYY"), ("{mm}", "MM"), ("{dd}", "DD")];
        let Some(pattern) = self.patterns.last() else { return String::new() };
        let path = parts.iter().fold(pattern.to_string(), |path, (part, written)| path.replace(part, written));
        if pattern.is_of_files() { path } else { format!("{path}/*.parquet") }
    }
}

/// The objects of one input partition, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub day: Day,
    pub objects: Vec<Object>,
    /// Why it cannot be read, whatever its objects hold.
    pub fault: Option<Fault>,
}

/// Why a day cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: &'static str,
    pub object: String,
    pub mend: &'static str,
}

impl Fault {
    pub(crate) fn error(&self) -> Error {
        Error::data(self.message).with("object", &self.object).mend(self.mend)
    }
}

impl Partition {
    /// The partition of these objects, which can be read.
    pub fn of(day: Day, objects: Vec<Object>) -> Partition {
        Partition { day, objects, fault: None }
    }

    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// The objects, for whoever is to read them all; an error where that would not be the whole day.
    pub(crate) fn to_read(&self) -> Result<&[Object]> {
        self.fault.as_ref().map_or(Ok(&self.objects), |fault| Err(fault.error()))
    }
}

/// The landed partitions of a table, and what is to be said of files that are not read.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub partitions: BTreeMap<Day, Partition>,
    pub left_out: Vec<String>,
}

/// What was listed of a table, before files without an ending are looked into.
pub(crate) struct Listed<'a> {
    folder: &'a str,
    layout: &'a Layout,
    days: BTreeMap<Day, ListedDay>,
    /// Files that lie in no day's folder.
    beside: Vec<String>,
    /// What is said of files of a table by its log that are of no day.
    of_no_day: Option<String>,
}

#[derive(Default)]
struct ListedDay {
    files: Files,
    is_marked: bool,
}

/// Files by what their names say of them.
#[derive(Default)]
pub(crate) struct Files {
    parquet: Vec<Object>,
    plain: Vec<Object>,
    json: Vec<Object>,
    others: Vec<Object>,
    odd: Option<Odd>,
}

/// A file without an ending that is shorter than this holds no Parquet.
const SMALLEST_PARQUET: u64 = 12;

impl Files {
    /// The live files of a table by its log.
    fn live(files: Vec<(Object, Option<Odd>)>) -> Files {
        let mut live = Files::default();
        for (object, odd) in files {
            live.odd = live.odd.or(odd);
            live.parquet.push(object);
        }
        live
    }

    fn add(&mut self, object: Object, name: &str) {
        match named(name) {
            Named::Parquet => self.parquet.push(object),
            // The sign of a folder, or a marker.
            Named::Plain if object.size == 0 => {}
            Named::Plain => self.plain.push(object),
            Named::Json => self.json.push(object),
            Named::Other => self.others.push(object),
            Named::Nothing => {}
        }
    }

    /// The Parquet among them in the order of names; the others stay in `others`. `plain` are those without an ending.
    fn take_parquet(&mut self, plain: &[String]) -> Vec<Object> {
        let is_parquet = |object: &Object| plain.binary_search(&object.path).is_ok();
        let (found, other): (Vec<Object>, Vec<Object>) = std::mem::take(&mut self.plain).into_iter().partition(is_parquet);
        let mut objects = std::mem::take(&mut self.parquet);
        objects.extend(found);
        self.others.extend(other);
        if objects.is_empty() {
            self.others.append(&mut self.json);
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        self.others.sort_by(|a, b| a.path.cmp(&b.path));
        objects
    }

    /// The Parquet files of a folder that has no days, and what is to be said of others. `is_known` of an object that was read
    /// before; only others are looked into.
    pub(crate) fn settled(mut self, lake: &Lake, is_known: &dyn Fn(&Object) -> bool) -> Result<(Vec<Object>, Option<String>)> {
        let plain = lake.parquet_among(self.plain.iter().map(|object| (object, is_known(object))).collect())?;
        let objects = self.take_parquet(&plain);
        if let Some(fault) = self.fault(objects.is_empty()) {
            return Err(fault.error());
        }
        let others: Vec<String> = self.others.into_iter().map(|object| object.path).collect();
        Ok((objects, told(&others, "of no kind that is read lie there")))
    }

    /// Why not all that lies here can be read, where none is Parquet or a name is odd.
    fn fault(&self, is_without_parquet: bool) -> Option<Fault> {
        match (&self.odd, self.others.first()) {
            (Some(Odd { path, message, mend }), _) => Some(Fault { message, object: path.clone(), mend }),
            (None, Some(first)) if is_without_parquet => Some(Fault {
                message: "files lie there, and none is Parquet by its name",
                object: first.path.clone(),
                mend: "land Parquet, named `.parquet`, or name the files in `ignore` if they are no rows",
            }),
            _ => None,
        }
    }
}

impl Lake {
    /// Lists a table's folder.
    pub(crate) fn listed<'a>(&self, folder: &'a str, layout: &'a Layout) -> Result<Listed<'a>> {
        let (objects, odd) = self.list_with_odd(folder)?;
        let mut listed = Listed { folder, layout, days: BTreeMap::new(), beside: Vec::new(), of_no_day: None };
        if is_table(folder, &objects) {
            listed.add_live(Live::take(self, folder, objects)?)?;
            return Ok(listed);
        }
        refuse_formats(folder, &objects)?;
        objects.into_iter().for_each(|object| listed.add(object));
        odd.into_iter().for_each(|odd| listed.add_odd(odd));
        Ok(listed)
    }

    /// Lists a folder that has no days.
    pub(crate) fn listed_files(&self, folder: &str, ignore: &[Glob]) -> Result<Files> {
        let (objects, odd) = self.list_with_odd(folder)?;
        if is_table(folder, &objects) {
            return Ok(Files::live(Live::take(self, folder, objects)?.whole()));
        }
        refuse_formats(folder, &objects)?;
        let is_read = |path: &str| {
            let names = names_below(folder, path);
            (!names.iter().any(|name| is_hidden(name)) && !is_ignored(ignore, &names)).then_some(names)
        };
        let mut files = Files::default();
        for object in objects {
            if let Some(name) = is_read(&object.path).as_ref().and_then(|names| names.last()) {
                files.add(object, name);
            }
        }
        files.odd = odd.into_iter().find(|odd| is_read(&odd.path).is_some());
        Ok(files)
    }

    /// Which of these files without an ending are Parquet: those that are known, and those that begin as Parquet does. In the order
    /// of their paths.
    fn parquet_among(&self, unsure: Vec<(&Object, bool)>) -> Result<Vec<String>> {
        let (known, unknown): (Vec<_>, Vec<_>) = unsure.into_iter().partition(|(_, is_known)| *is_known);
        let unknown: Vec<&Object> =
            unknown.into_iter().map(|(object, _)| object).filter(|object| object.size >= SMALLEST_PARQUET).collect();
        let begin_so = self.on_each(&unknown, |object| self.begins_as_parquet(object));
        let mut parquet: Vec<String> = known.into_iter().map(|(object, _)| object.path.clone()).collect();
        for (object, begins_so) in unknown.into_iter().zip(begin_so) {
            if begins_so? {
                parquet.push(object.path.clone());
            }
        }
        parquet.sort_unstable();
        Ok(parquet)
    }
}

impl Listed<'_> {
    fn day_of(&self, names: &[String]) -> Option<(Day, usize, bool)> {
        self.layout.patterns.iter().find_map(|pattern| {
            let (day, of_day) = pattern.day_of(names)?;
            Some((day, of_day, pattern.is_of_files()))
        })
    }

    fn add(&mut self, object: Object) {
        let names = names_below(self.folder, &object.path);
        let Some((name, folders)) = names.split_last() else { return };
        match self.day_of(&names) {
            Some((day, of_day, is_file)) if of_day < names.len() || is_file => {
                let of = self.days.entry(day).or_default();
                let is_direct = of_day + 1 == names.len();
                let is_marker = is_direct && object.path.rsplit('/').next() == self.layout.marker.as_deref();
                of.is_marked |= is_marker;
                let is_below_hidden = folders.iter().skip(of_day).any(|folder| is_hidden(folder));
                if !is_marker && !is_below_hidden && !is_ignored(&self.layout.ignore, &names) {
                    of.files.add(object, name);
                }
            }
            // The sign of a day's folder.
            Some(_) => {}
            None => {
                let is_nothing = match named(name) {
                    Named::Nothing => true,
                    Named::Plain => object.size == 0,
                    _ => false,
                };
                let is_below_hidden = folders.iter().any(|folder| is_hidden(folder));
                if !is_nothing && !is_below_hidden && !is_ignored(&self.layout.ignore, &names) {
                    self.beside.push(object.path);
                }
            }
        }
    }

    /// A table by its log has no folders to mark, and no files that nobody knows.
    fn add_live(&mut self, live: Live) -> Result<()> {
        let folder = self.folder;
        if let Some(marker) = &self.layout.marker {
            return Err(Error::usage(format!("{folder}/ is a Delta table, in which no marker says that a day has landed"))
                .with("marker", format!("{marker:?}"))
                .mend("remove `marker` of this table from the pipeline file: a day has landed when the log has a file of it"));
        }
        let Days { days, others } = live.by_days(folder, &self.layout.patterns)?;
        self.days =
            days.into_iter().map(|(day, files)| (day, ListedDay { files: Files::live(files), is_marked: false })).collect();
        self.of_no_day = others.first().map(|first| {
            let (has, is) = if others.len() == 1 { ("file has", "is") } else { ("files have", "are") };
            format!("{} {has} no day in the partition column and {is} not read, the first is {first:?}", others.len())
        });
        Ok(())
    }

    fn add_odd(&mut self, odd: Odd) {
        let names = names_below(self.folder, &odd.path);
        let is_nothing = names.last().is_none_or(|name| named(name) == Named::Nothing) || is_ignored(&self.layout.ignore, &names);
        match self.day_of(&names) {
            Some((day, of_day, _)) if !is_nothing && !names.iter().skip(of_day).any(|name| is_hidden(name)) => {
                self.days.entry(day).or_default().files.odd.get_or_insert(odd);
            }
            None if !is_nothing && !names.iter().any(|name| is_hidden(name)) => self.beside.push(odd.path),
            _ => {}
        }
    }

    /// The landed partitions. `is_known` of an object that was read before; only others are looked into.
    pub(crate) fn settled(self, lake: &Lake, is_known: &dyn Fn(Day, &Object) -> bool) -> Result<Listing> {
        let plain = self.days.iter().flat_map(|(day, of)| of.files.plain.iter().map(move |object| (*day, object)));
        let parquet = lake.parquet_among(plain.map(|(day, object)| (object, is_known(day, object))).collect())?;
        self.check_days()?;
        let mut listing = Listing::default();
        let (mut others, mut unmarked) = (Vec::new(), Vec::new());
        for (day, mut of) in self.days {
            let objects = of.files.take_parquet(&parquet);
            others.extend(of.files.others.iter().map(|object| object.path.clone()));
            let fault = of.files.fault(objects.is_empty());
            let is_landed = match self.layout.marker {
                Some(_) => of.is_marked,
                None => !objects.is_empty() || fault.is_some(),
            };
            if !is_landed && (!objects.is_empty() || fault.is_some()) {
                unmarked.push(day);
            }
            if is_landed {
                // What is refused is never what a receipt holds.
                let objects = if fault.is_some() { std::mem::take(&mut of.files.others) } else { objects };
                listing.partitions.insert(day, Partition { day, objects, fault });
            }
        }
        // The newest day alone may be one that is being written.
        let last = listing.partitions.keys().next_back();
        if last.is_some_and(|last| unmarked.iter().filter(|day| *day > last).count() == 1) {
            unmarked.pop();
        }
        listing.left_out.extend(told_unmarked(&unmarked, self.layout.marker.as_deref()));
        listing.left_out.extend(told(&others, "of no kind that is read lie under days"));
        listing.left_out.extend(self.of_no_day);
        listing.left_out.extend(told(&self.beside, "lie in the folder of no day and are not read"));
        let days_beside = self.beside.iter().filter_map(|path| guess(path[self.folder.len()..].trim_start_matches('/')));
        if let Some((pattern, day)) = days_beside.min() {
            let patterns = self.layout.patterns.iter().map(Pattern::to_string).chain([pattern]);
            let patterns: Vec<String> = patterns.map(|text| format!("{text:?}")).collect();
            listing.left_out.push(format!(
                "some of them look like days, such as {day}; where they hold rows of the table, write partition = [{}]",
                patterns.join(", ")
            ));
        }
        Ok(listing)
    }

    /// Days that lie where no pattern finds them are not days that have not landed.
    fn check_days(&self) -> Result<()> {
        let Listed { folder, layout, .. } = self;
        let last = self.days.keys().next_back().copied();
        let mut newer: Vec<(Day, String, &String)> = Vec::new();
        for path in &self.beside {
            newer.extend(guess(path[folder.len()..].trim_start_matches('/')).map(|(pattern, day)| (day, pattern, path)));
        }
        newer.retain(|(day, ..)| last.is_none_or(|last| *day > last));
        newer.sort();
        let written: Vec<String> = layout.patterns.iter().map(|pattern| format!("{:?}", pattern.to_string())).collect();
        let written = written.join(", ");
        match (last, newer.last(), self.beside.first()) {
            (None, Some((_, pattern, path)), _) => {
                let days = written_ranges(newer.iter().map(|(day, ..)| *day));
                Err(Error::usage(format!("no folder of {folder}/ fits the pattern of its days, {written}, and others are there"))
                    .with("found", path)
                    .with("days", days)
                    .mend(format!("write partition = {pattern:?} for this table in the pipeline file")))
            }
            (None, None, Some(path)) => {
                Err(Error::usage(format!("no folder of {folder}/ fits the pattern of its days, {written}, and others are there"))
                    .with("found", path)
                    .with("files", self.beside.len())
                    .mend(
                        "write the pattern of its days as `partition` for this table in the pipeline file, such as \
                         partition = \"dt={date}\" or \"year={yyyy}/month={mm}/day={dd}\"",
                    ))
            }
            (Some(last), Some((_, pattern, path)), _) => {
                let days = written_ranges(newer.iter().map(|(day, ..)| *day));
                Err(Error::usage(format!("newer days of {folder}/ lie in another form: its pattern, {written}, ends at {last}"))
                    .with("found", path)
                    .with("days", days)
                    .mend(format!(
                        "write partition = [{written}, {pattern:?}] for this table in the pipeline file, or name what is no day \
                         in `ignore`"
                    )))
            }
            _ => Ok(()),
        }
    }
}

/// What is said of days that hold files and not the marker.
fn told_unmarked(days: &[Day], marker: Option<&str>) -> Option<String> {
    let marker = marker.filter(|_| !days.is_empty())?;
    let (what, have) = if days.len() == 1 { ("day holds", "it has") } else { ("days hold", "they have") };
    let written = written_ranges(days.iter().copied());
    Some(format!(
        "{} {what} files and no marker {marker:?}, so {have} not landed: {written}; have the loader write the marker when a day is whole, \
         or correct or remove `marker`",
        days.len()
    ))
}

/// The number of these files and the first of them, as a warning.
fn told(paths: &[String], what: &str) -> Option<String> {
    let first = paths.iter().min()?;
    let (files, number) = (if paths.len() == 1 { "file" } else { "files" }, paths.len());
    let what = if number == 1 { what.replace("lie ", "lies ").replace("are ", "is ") } else { what.to_string() };
    Some(format!("{number} {files} {what}, the first is {first:?}; name what is no data in `ignore`"))
}
