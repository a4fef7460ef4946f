//! Names of files: which hold rows, which plainly do not, and which nobody knows.

/// What the name of a file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Parquet, by its ending.
    Parquet,
    /// Without an ending: its first bytes tell.
    Plain,
    /// JSON, which beside Parquet is no data.
    Json,
    /// Plainly no data.
    Nothing,
    /// Something else.
    Other,
}

const ENDINGS: [&str; 3] = [".parquet", ".parq", ".pq"];
const COMPRESSED: [&str; 3] = [".snappy", ".gz", ".zst"];
const NO_DATA: [&str; 8] = [".crc", ".tmp", ".bak", ".inprogress", "~", "$folder$", ".md", ".txt"];

/// Whether a file of this name, in small letters, is Parquet by its ending.
pub(super) fn is_parquet(name: &str) -> bool {
    let stem = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    ENDINGS.iter().any(|ending| stem.ends_with(ending))
}

/// Whether nobody reads what is called so, nor what lies in it.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// What the name of a file says of it, in small letters.
pub(super) fn named(name: &str) -> Named {
    if is_hidden(name) || NO_DATA.iter().any(|ending| name.ends_with(ending)) || name.ends_with(".db") {
        Named::Nothing
    } else if is_parquet(name) {
        Named::Parquet
    } else if !name.contains('.') && !is_staged(name) {
        Named::Plain
    } else if name.ends_with(".json") {
        Named::Json
    } else if name.contains(".inprogress.") {
        Named::Nothing
    } else {
        Named::Other
    }
}

/// Whether a local disk's store takes a file of this name for one that is being written, and does not give it.
fn is_staged(name: &str) -> bool {
    name.split_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::pattern::compared;
    use super::*;

    #[test]
    fn a_name_says_what_a_file_holds() {
        let cases = [
            (Named::Parquet, "a.parquet a.parq a.PQ a.snappy.parquet a.parquet.snappy a.parquet.gz a.zst.parquet a.pq.zst"),
            (Named::Plain, "000001_0 part-r-00000 done part#a part#"),
            (
                Named::Nothing,
                "_SUCCESS .a.parquet.crc a.parquet.tmp a.bak a.parquet~ b_$folder$ readme.md x.TXT Thumbs.db _a.parquet \
                 a.inprogress a.inprogress.3f",
            ),
            (Named::Json, "a.json"),
            (Named::Other, "a.csv a.orc a.avro a.parquet.old a.parquet.1 a.gz 000001_0#1 a.parquet#12"),
        ];
        for (expected, names) in cases {
            for name in names.split_whitespace() {
                assert_eq!(named(&compared(name)), expected, "{name}");
            }
        }
    }
}
