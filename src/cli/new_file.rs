//! A new file: written whole or not at all, never over another one unless that is asked for.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path};

use crate::base::error::{Error, Result};

/// An error where the file cannot be written because one is there.
pub(super) fn check_free(file: &Path, force: bool) -> Result<()> {
    if !force && fs::symlink_metadata(file).is_ok() {
        return Err(is_there(file));
    }
    Ok(())
}

fn is_there(file: &Path) -> Error {
    Error::usage("the file is there already, and is not written over")
        .with("file", file.display())
        .mend("give another name with --out, or --force to replace it")
}

fn unwritable(file: &Path, error: std::io::Error) -> Error {
    Error::usage("the file cannot be written")
        .with("file", file.display())
        .source(error)
        .mend("give --out a path in a folder that is there and can be written")
}

/// Writes the file at once: whoever reads it finds all of it.
pub(super) fn write(file: &Path, text: &str, force: bool) -> Result<()> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = fs::File::options().write(true).create_new(true).open(&beside).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.sync_all()
    });
    let placed = written.and_then(|()| match force {
        true => fs::rename(&beside, file),
        // A link to a name that is taken is refused, a rename is not.
        false => fs::hard_link(&beside, file),
    });
    let done = placed.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists if !force => is_there(file),
        _ => unwritable(file, error),
    });
    // The name bears our process id: nobody else's.
    let _ = fs::remove_file(&beside);
    done
}

/// A name for a pipeline: that of its file.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem().map_or("ctwa".to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// A lake as a file names it: a relative path from the file's folder on, anything else as it is.
pub(super) fn url_from(lake: &str, file: &Path) -> String {
    let path = Path::new(lake);
    if lake.contains("://") || path.is_absolute() {
        return lake.to_string();
    }
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(to), Ok(from)) = (std::path::absolute(path), std::path::absolute(folder)) else { return lake.to_string() };
    let (to, from) = (plain(&to), plain(&from));
    let alike = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = from[alike..].iter().map(|_| "..".to_string());
    let parts: Vec<String> = up.chain(to[alike..].iter().cloned()).collect();
    if parts.is_empty() { ".".to_string() } else { parts.join("/") }
}

/// The names of a whole path, without those that lead up.
fn plain(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(names.pop()),
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_named_from_the_files_folder_on() {
        for (lake, file, expected) in [
            ("lake", "p.toml", "lake"),
            ("./lake/", "p.toml", "lake"),
            ("lake", "pipelines/p.toml", "../lake"),
            ("a/lake", "a/b/p.toml", "../lake"),
            ("a", "a/p.toml", "."),
            ("/lake", "a/p.toml", "/lake"),
            ("s3://b/p", "a/p.toml", "s3://b/p"),
        ] {
            assert_eq!(url_from(lake, Path::new(file)), expected, "{lake} {file}");
        }
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        write(&file, "one", false).unwrap();
        assert!(check_free(&file, false).is_err() && write(&file, "two", false).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        write(&file, "three", true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
