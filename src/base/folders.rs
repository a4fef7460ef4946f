//! Folders of a path that say what their files' rows have in common, such as `bot_id=shop/`.
//!
//! Keys are compared without regard to case. Names may be URL-encoded. Of folders with one key the nearest to the file counts.

/// What a writer names a folder whose rows have no value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The value that the folders of a file's path have for a key. None where no folder has the key; the value is none where the folder
/// says that there is none.
pub(super) fn value_of(path: &str, key: &str) -> Option<Option<String>> {
    let key = key.trim().to_lowercase();
    let of_key = |(known, value): (String, String)| (known.trim().to_lowercase() == key).then_some(value);
    let value = folders(path).rev().find_map(of_key)?;
    Some((value.trim() != NO_VALUE).then_some(value))
}

/// The keys that the folders of a path have.
pub(crate) fn keys_of(path: &str) -> Vec<String> {
    folders(path).map(|(key, _)| key).collect()
}

fn folders(path: &str) -> impl DoubleEndedIterator<Item = (String, String)> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/');
    folders.filter_map(|name| decoded(name).split_once('=').map(|(key, value)| (key.to_string(), value.to_string())))
}

/// A name without its URL encoding.
pub(crate) fn decoded(name: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
    let bytes = name.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_value_of_the_nearest_folder() {
        let value = |path: &str, key: &str| value_of(path, key);
        let some = |text: &str| Some(Some(text.to_string()));
        assert_eq!(value("messages/date=2026-03-01/bot_id=shop/a.parquet", "bot_id"), some("shop"));
        assert_eq!(value("messages/date=2026-03-01/Bot_ID=Shop%20br%40x/hour=7/a.parquet", "bot_id"), some("Shop br@x"));
        assert_eq!(value("bot=a/date=2026-03-01/bot=b/a.parquet", "BOT"), some("b"));
        assert_eq!(value("x/k%3D1=a=b/a.parquet", "k"), some("1=a=b"), "the first sign parts them");
        assert_eq!(value("x/bot=/a.parquet", "bot"), some(""));
        assert_eq!(value("x/bot=__HIVE_DEFAULT_PARTITION__/a.parquet", "bot"), Some(None));
        assert_eq!(value("x/bot=%FF/a.parquet", "bot"), some("%FF"), "not UTF-8: as it stands");
        assert_eq!(value("x/bot=a.parquet", "bot"), None, "a file is no folder");
        assert_eq!(value("x/a.parquet", "bot"), None);
        assert_eq!(keys_of("x/date=1/bot=2/c=3.parquet"), ["date", "bot"]);
    }
}
