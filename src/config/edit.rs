//! A setting written into the text of a pipeline file. Every byte that was there stays: comments, order, blank lines, line ends.
//!
//! Whether the setting may be made is not asked here.

use toml_edit::{Document, Item, TableLike, Value};

use crate::base::error::{Error, Result};

const LIST: &str = "conversion_events";

/// The text with one more conversion event in a bot's list, behind the first `place` of them.
pub fn with_setting(text: &str, bot_id: &str, place: usize, category: &str, effective_at: &str) -> Result<String> {
    let document = Document::parse(text)
        .map_err(|error| Error::usage(format!("the pipeline file is not TOML: {}", error.message())).mend("correct the file"))?;
    let bots = document.get("bots").map(tables).unwrap_or_default();
    let bot = bots
        .iter()
        .find(|bot| bot.table.get("id").and_then(Item::as_str) == Some(bot_id))
        .ok_or_else(|| Error::usage(format!("the pipeline file names no bot {bot_id:?}")))?;
    let setting =
        SettingText { category: Value::from(category).to_string(), effective_at: Value::from(effective_at).to_string() };
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let list = bot.table.get(LIST);
    let known = list.map(tables).unwrap_or_default();
    let neighbour = place.checked_sub(1).and_then(|i| known.get(i));
    let (at, addition) = match (list.and_then(Item::as_array), neighbour, known.first()) {
        (Some(_), Some(last), _) => match last.own_line(text) {
            // A comment behind the neighbour stays with it.
            Some(line) => {
                let (comma, end) = if line.has_comma { ("", ",") } else { (",", "") };
                let addition = format!("{line_end}{}{}{end}", line.indent, setting.inline());
                let (before, rest) = text.split_at(line.end);
                let (before, comment) = before.split_at(last.end());
                return Ok(format!("{before}{comma}{comment}{addition}{rest}"));
            }
            None => (last.end(), format!(", {}", setting.inline())),
        },
        (Some(_), None, Some(first)) => (first.start(), format!("{}, ", setting.inline())),
        (Some(array), None, None) => {
            let start = array.span().ok_or_else(no_place)?.start;
            (start + 1, setting.inline())
        }
        (None, _, _) if bot.is_inline => (bot.last_value()?, format!(", {LIST} = [{}]", setting.inline())),
        (None, Some(last), _) => {
            let indent = line_before(text, last.start());
            let header = last.start() - indent.len();
            let gap = if text[..header].ends_with(&line_end.repeat(2)) { line_end } else { "" };
            let values = line_before(text, last.first_key()?);
            (last.last_value()?, setting.table(indent, values, gap, line_end))
        }
        (None, None, _) => {
            let values = line_before(text, bot.first_key()?);
            (bot.last_value()?, setting.table(line_before(text, bot.start()), values, "", line_end))
        }
    };
    let stands_alone = addition.starts_with(line_end);
    let at = if stands_alone { end_of_line(text, at) } else { at };
    Ok(format!("{}{addition}{}", &text[..at], &text[at..]))
}

struct SettingText {
    category: String,
    effective_at: String,
}

impl SettingText {
    fn inline(&self) -> String {
        format!("{{ category = {}, effective_at = {} }}", self.category, self.effective_at)
    }

    fn table(&self, header: &str, values: &str, gap: &str, line_end: &str) -> String {
        let SettingText { category, effective_at } = self;
        let lines = [
            format!("{header}[[bots.{LIST}]]"),
            format!("{values}category = {category}"),
            format!("{values}effective_at = {effective_at}"),
        ];
        format!("{line_end}{gap}{}", lines.join(line_end))
    }
}

fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find(['\r', '\n']).map_or(text.len(), |rest| at + rest)
}

/// The blanks at the start of the line of this place.
fn line_before(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[start..at];
    &before[..before.len() - before.trim_start().len()]
}

fn no_place() -> Error {
    Error::bug("a value of the pipeline file has no place")
}

struct OwnLine<'t> {
    indent: &'t str,
    end: usize,
    has_comma: bool,
}

/// A table of a list, however it is written.
struct ListedTable<'a> {
    table: &'a dyn TableLike,
    is_inline: bool,
    span: std::ops::Range<usize>,
}

fn tables(item: &Item) -> Vec<ListedTable<'_>> {
    if let Some(list) = item.as_array_of_tables() {
        let span = |table: &toml_edit::Table| table.span().unwrap_or_default();
        return list.iter().map(|table| ListedTable { table, is_inline: false, span: span(table) }).collect();
    }
    let values = item.as_array().into_iter().flat_map(|array| array.iter());
    values
        .filter_map(|value| {
            Some(ListedTable { table: value.as_inline_table()?, is_inline: true, span: value.span().unwrap_or_default() })
        })
        .collect()
}

impl ListedTable<'_> {
    fn start(&self) -> usize {
        self.span.start
    }

    fn end(&self) -> usize {
        self.span.end
    }

    /// Its line, where it stands there alone.
    fn own_line<'t>(&self, text: &'t str) -> Option<OwnLine<'t>> {
        let indent = line_before(text, self.start());
        text[..self.start()].strip_suffix(indent)?.strip_suffix('\n')?;
        let end = end_of_line(text, self.end());
        let rest = text[self.end()..end].trim_start();
        let after_comma = rest.strip_prefix(',');
        let comment = after_comma.unwrap_or(rest).trim_start();
        (comment.is_empty() || comment.starts_with('#')).then_some(OwnLine { indent, end, has_comma: after_comma.is_some() })
    }

    /// The end of the last value of its own.
    fn last_value(&self) -> Result<usize> {
        let ends = self.table.iter().filter_map(|(_, item)| item.as_value()?.span());
        ends.map(|span| span.end).max().ok_or_else(no_place)
    }

    fn first_key(&self) -> Result<usize> {
        let keys = self.table.iter().filter(|(_, item)| item.is_value());
        let starts = keys.filter_map(|(key, _)| self.table.get_key_value(key)?.0.span());
        starts.map(|span| span.start).min().ok_or_else(no_place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "category = 'sale \"x\"'\neffective_at = \"T\"";

    fn added(text: &str, place: usize) -> String {
        let edited = with_setting(text, "b", place, "sale \"x\"", "T").unwrap();
        edited.parse::<toml_edit::DocumentMut>().unwrap_or_else(|error| panic!("{error}\n{edited}"));
        edited
    }

    #[test]
    fn behind_the_last_one_with_its_comments() {
        let text = "# top\n[[bots]]\nid = 'b' # mine\n[[bots.conversion_events]]\n# why\ncategory = 'c'\neffective_at = 'A' # since\n# next\n\n[[bots]]\nid = 'z'\n";
        let here = "effective_at = 'A' # since";
        let expected = text.replace(here, &format!("{here}\n[[bots.conversion_events]]\n{LINE}"));
        assert_eq!(added(text, 1), expected);
    }

    #[test]
    fn with_the_blank_lines_indents_and_line_ends_of_its_neighbour() {
        let text = "[[bots]]\nid = 'b'\n\n  [[bots.conversion_events]]\n    category = 'c'\n    effective_at = 'A'";
        let expected = format!("{text}\n\n  [[bots.conversion_events]]\n    category = 'sale \"x\"'\n    effective_at = \"T\"");
        assert_eq!(added(text, 1), expected, "at the end of a file without a last line end, too");
        let crlf = text.replace('\n', "\r\n") + "\r\n";
        assert_eq!(added(&crlf, 1), expected.replace('\n', "\r\n") + "\r\n");
    }

    #[test]
    fn the_first_one_and_one_before_another() {
        let text = "[[bots]]\nid = 'b'\ntimezone = 'UTC'  # zone\n\n[[bots]]\nid = 'z'\n";
        let here = "timezone = 'UTC'  # zone";
        assert_eq!(added(text, 0), text.replace(here, &format!("{here}\n[[bots.conversion_events]]\n{LINE}")));
        let text = "[[bots]]\nid = 'b'\n[[bots.conversion_events]]\ncategory = 'later'\neffective_at = 'Z'\n";
        assert_eq!(added(text, 0), text.replace("id = 'b'", &format!("id = 'b'\n[[bots.conversion_events]]\n{LINE}")));
    }

    #[test]
    fn in_lists_on_one_line_and_on_many() {
        let one = "{ category = 'sale \"x\"', effective_at = \"T\" }";
        let known = "{ category = 'c', effective_at = 'A' }";
        for (list, place, expected) in [
            ("[]".to_string(), 0, format!("[{one}]")),
            (format!("[{known}]"), 1, format!("[{known}, {one}]")),
            (format!("[{known}]"), 0, format!("[{one}, {known}]")),
            (format!("[\n  {known}, # since\n]"), 1, format!("[\n  {known}, # since\n  {one},\n]")),
            (format!("[\n\t{known} # since\n]"), 1, format!("[\n\t{known}, # since\n\t{one}\n]")),
            (format!("[\n{known} ]"), 1, format!("[\n{known}, {one} ]")),
        ] {
            let text = format!("[[bots]]\nid = 'b'\nconversion_events = {list}\ntimezone = 'UTC'\n");
            assert_eq!(added(&text, place), text.replace(&list, &expected));
        }
        let text = "bots = [{ id = 'b', timezone = 'UTC' }, { id = 'z' }]\n";
        let expected = text.replacen(" }", &format!(", conversion_events = [{one}] }}"), 1);
        assert_eq!(added(text, 0), expected);
    }
}
