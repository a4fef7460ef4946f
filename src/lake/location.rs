//! A place named in the pipeline file: a folder of the local disk, or a prefix in a bucket.
//!
//! What follows the bucket is taken as it is written, without percent-encoding, as the stores' own command lines do. A location
//! never holds a credential: text that does is refused.

use std::fmt;
use std::path::{Component, Path as FilePath, PathBuf};

use url::Url;

use crate::base::error::{Error, Result};

/// A folder or a prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) root: Root,
    /// Its parts, with `/` between them and none at the ends.
    path: String,
}

/// Where a location's path begins.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// The root of the local disk.
    Disk,
    S3 {
        bucket: String,
    },
    /// The account is none where it comes from the environment.
    Azure {
        account: Option<StorageAccount>,
        container: String,
    },
    Gcs {
        bucket: String,
    },
}

/// A storage account of Azure, as `abfss://` names it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StorageAccount {
    pub name: String,
    /// The host, such as `acme.dfs.core.windows.net`.
    pub host: String,
}

const HOW: &str = "write s3://bucket/prefix, az://container/prefix, abfss://container@account.dfs.core.windows.net/prefix, \
                   gs://bucket/prefix, file:///path or a relative path";

impl Location {
    /// A URL, or a path relative to `base`.
    pub fn resolve(text: &str, base: &FilePath) -> Result<Location> {
        let Some((scheme, rest)) = text.split_once("://") else { return Location::folder(&base.join(text)) };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A shared access signature, or any other parameter.
        if scheme != "file" && text.contains('?') {
            return Err(Error::usage(format!("a {scheme}:// location holds parameters after a question mark"))
                .mend("remove them: credentials come from the environment"));
        }
        let bucket = |kind: &str| match authority {
            "" => Err(Error::usage(format!("{scheme}:// names no {kind}")).mend(HOW)),
            _ if authority.contains('@') => Err(holds_user()),
            name => Ok(name.to_string()),
        };
        let root = match scheme {
            "file" => return Location::file_url(text),
            "s3" => Root::S3 { bucket: bucket("bucket")? },
            "gs" => Root::Gcs { bucket: bucket("bucket")? },
            "az" => Root::Azure { account: None, container: bucket("container")? },
            "abfss" => match authority.split_once('@') {
                Some((container, host)) if !container.contains(':') && !container.is_empty() => {
                    let name = host.split('.').next().unwrap_or_default().to_string();
                    Root::Azure {
                        account: Some(StorageAccount { name, host: host.to_string() }),
                        container: container.to_string(),
                    }
                }
                Some(_) => return Err(holds_user()),
                None => Root::Azure { account: None, container: bucket("container")? },
            },
            other => return Err(Error::usage(format!("storage {other}:// is not known")).mend(HOW)),
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if let Some(part) = parts.iter().find(|part| **part == "." || **part == "..") {
            return Err(Error::usage(format!("the prefix holds the part {part:?}")).mend("write the whole prefix"));
        }
        Ok(Location { root, path: parts.join("/") })
    }

    fn file_url(text: &str) -> Result<Location> {
        let url = Url::parse(text)
            .map_err(|error| Error::usage("a file:// location is not a valid URL").source(error).mend("write file:///path"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(holds_user());
        }
        let path =
            url.to_file_path().map_err(|()| Error::usage("a file:// location is not a local path").mend("write file:///path"))?;
        Location::folder(&path)
    }

    fn folder(path: &FilePath) -> Result<Location> {
        let path = std::path::absolute(path).map_err(|error| Error::usage("the current folder cannot be found").source(error))?;
        let mut parts: Vec<&str> = Vec::new();
        for part in path.components() {
            match part {
                Component::ParentDir => drop(parts.pop()),
                Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| {
                    Error::usage(format!("the path {} is not UTF-8", path.display())).mend("rename the folder")
                })?),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(Location { root: Root::Disk, path: parts.join("/") })
    }

    pub fn join(&self, path: &str) -> Location {
        let parts = self.path.split('/').chain(path.split('/')).filter(|part| !part.is_empty());
        Location { root: self.root.clone(), path: parts.collect::<Vec<_>>().join("/") }
    }

    pub fn is_within(&self, other: &Location) -> bool {
        let with_slash = |path: &str| if path.is_empty() { String::new() } else { format!("{path}/") };
        self.root == other.root && with_slash(&self.path).starts_with(&with_slash(&other.path))
    }

    /// What every object of this location begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.path
    }

    /// Whether the ETag of a listing can be named as the version to replace. Google's stores compare generations, which listings do
    /// not show.
    pub(super) fn compares_versions(&self) -> bool {
        !matches!(self.root, Root::Gcs { .. })
    }

    pub(super) fn file_path(&self) -> Option<PathBuf> {
        (self.root == Root::Disk).then(|| PathBuf::from(format!("/{}", self.path)))
    }
}

fn holds_user() -> Error {
    Error::usage("a location holds a user name or a password").mend("remove it: credentials come from the environment")
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Root::Disk => Ok(()),
            Root::S3 { bucket } => write!(f, "s3://{bucket}"),
            Root::Azure { account: None, container } => write!(f, "az://{container}"),
            Root::Azure { account: Some(account), container } => write!(f, "abfss://{container}@{}", account.host),
            Root::Gcs { bucket } => write!(f, "gs://{bucket}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" if self.root != Root::Disk => write!(f, "{}", self.root),
            path => write!(f, "{}/{path}", self.root),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        Location::resolve(text, FilePath::new("/pipelines")).map_or_else(|error| error.to_string(), |at| at.to_string())
    }

    #[test]
    fn locations_are_read_as_people_write_them() {
        for (text, shown) in [
            ("lake", "/pipelines/lake"),
            ("../lake/./a", "/lake/a"),
            ("file:///data/la%20ke/", "/data/la ke"),
            ("s3://acme/what sapp/100%/", "s3://acme/what sapp/100%"),
            ("s3://acme", "s3://acme"),
            ("gs://acme//a//b", "gs://acme/a/b"),
            ("az://lake/a", "az://lake/a"),
            ("abfss://lake@acme.dfs.core.windows.net/a", "abfss://lake@acme.dfs.core.windows.net/a"),
            ("abfss://lake/a", "az://lake/a"),
        ] {
            assert_eq!(resolved(text), shown);
        }
    }

    #[test]
    fn what_is_no_location_is_refused_without_repeating_a_secret() {
        for text in [
            "s3://AKIA:hush@acme/a",
            "s3://hush@acme/a",
            "az://lake/a?sv=1&sig=hush",
            "abfss://lake:hush@acme.dfs.core.windows.net/a",
            "file://user:hush@host/a",
            "https://hush@acme.blob.core.windows.net/a",
            "s3:///a",
            "gs://acme/../other",
        ] {
            let error = Location::resolve(text, FilePath::new("/")).expect_err(text).to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_location_is_within_another_by_whole_parts() {
        let at = |text: &str| Location::resolve(text, FilePath::new("/")).unwrap();
        assert!(at("s3://acme/a/b").is_within(&at("s3://acme/a")));
        assert!(at("s3://acme/a").is_within(&at("s3://acme")));
        assert!(!at("s3://acme/ab").is_within(&at("s3://acme/a")));
        assert!(!at("s3://acme/a/b").is_within(&at("gs://acme/a")));
        assert_eq!(at("/a").join("b/c").to_string(), "/a/b/c");
        assert_eq!(at("s3://acme").join("b"), at("s3://acme/b"));
    }
}
