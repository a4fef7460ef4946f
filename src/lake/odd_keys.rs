//! Keys that cannot be addressed: a store may hold objects under names that `object_store` has no path for, with nothing between two
//! slashes, `.` or `..` between them, or a sign that does not print. One of them makes a whole listing fail.
//!
//! In: the XML of a listing's page. Out: the same without those objects, and their keys, for whoever tells of them.

use object_store::path::Path;

/// What surrounds an object and its key in a page: of Amazon's and Google's stores, and of Azure's.
const TAGS: [(&str, &str); 2] = [("Contents", "Key"), ("Blob", "Name")];

/// A page without objects that cannot be addressed, and the keys of those; none where all can be.
pub(super) fn left_out(page: &str) -> Option<(String, Vec<String>)> {
    let (mut rest, mut kept, mut keys) = (page, String::with_capacity(page.len()), Vec::new());
    while let Some((before, object, after)) =
        TAGS.iter().filter_map(|(tag, key)| next(rest, tag, key)).min_by_key(|(at, ..)| at.len())
    {
        kept.push_str(before);
        match object {
            Object { key: Some(key), .. } if Path::parse(&key).is_err() => keys.push(key),
            Object { text, .. } => kept.push_str(text),
        }
        rest = after;
    }
    kept.push_str(rest);
    (!keys.is_empty()).then_some((kept, keys))
}

struct Object<'p> {
    /// With its tags.
    text: &'p str,
    key: Option<String>,
}

/// The next object of a page, with what stands before and after it.
fn next<'p>(page: &'p str, tag: &str, of_key: &str) -> Option<(&'p str, Object<'p>, &'p str)> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let start = page.find(&open)?;
    let end = start + page[start..].find(&close)? + close.len();
    let text = &page[start..end];
    let key = text.split_once(&format!("<{of_key}>")).and_then(|(_, key)| key.split_once(&format!("</{of_key}>")));
    Some((&page[..start], Object { text, key: key.map(|(key, _)| unescaped(key)) }, &page[end..]))
}

/// A text of XML as it is meant.
fn unescaped(text: &str) -> String {
    let (mut rest, mut meant) = (text, String::with_capacity(text.len()));
    while let Some((before, entity)) = rest.split_once('&') {
        meant.push_str(before);
        let Some((name, after)) = entity.split_once(';') else {
            rest = entity;
            continue;
        };
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let letter = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
                Some(digits) => number(digits, 16),
                None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
            },
        };
        meant.extend(letter);
        rest = after;
    }
    meant.push_str(rest);
    meant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_an_address_are_left_out_of_a_page_and_told() {
        let object = |key: &str| format!("<Contents><Key>{key}</Key><Size>3</Size></Contents>");
        let page = |keys: &[&str]| {
            let objects: String = keys.iter().map(|key| object(key)).collect();
            format!(
                "<ListBucketResult><Name>lake</Name><KeyCount>9</KeyCount>{objects}<IsTruncated>false</IsTruncated></ListBucketResult>"
            )
        };
        let good = ["wa/m/date=1/a.parquet", "wa/m/date=1/", "wa/a &amp; b/&lt;c&gt;.parquet", "wa/%2F/x", "wa/\u{e9}"];
        assert!(left_out(&page(&good)).is_none());
        let odd = ["wa//a.parquet", "wa/./b", "wa/../c", "wa/d&#9;e", "wa/f&#xA;g", "wa/&quot;//h"];
        let all: Vec<&str> = odd.iter().zip(good).flat_map(|(odd, good)| [*odd, good]).chain([odd[5]]).collect();
        let (kept, keys) = left_out(&page(&all)).expect("some have no address");
        assert_eq!(kept, page(&good));
        assert_eq!(keys, ["wa//a.parquet", "wa/./b", "wa/../c", "wa/d\te", "wa/f\ng", "wa/\"//h"]);
        let azure = "<Blobs><Blob><Name>wa//a</Name></Blob><Blob><Name>wa/b</Name></Blob></Blobs>";
        let expected = ("<Blobs><Blob><Name>wa/b</Name></Blob></Blobs>".to_string(), vec!["wa//a".to_string()]);
        assert_eq!(left_out(azure), Some(expected));
        assert_eq!(left_out("<Contents><Key>a//b"), None, "what is cut off is nobody's");
    }
}
