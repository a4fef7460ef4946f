//! Opens the store of a location with the credentials that the environment holds.
//!
//! The names are those that each store's own tools use, as `object_store` reads them: `AWS_*`, `AZURE_*`, `GOOGLE_*`; without keys
//! the identity of the machine or of the workload is asked for. `AZURE_STORAGE_CONNECTION_STRING` is read here. A request that
//! fails in passing is made again, ten times within three minutes at most.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::location::{Location, Root};
use super::traffic::{Counting, Traffic};
use crate::base::error::{Error, Result};

/// Variables of the environment that say how storage is reached. Their values are secrets: they are never shown.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Variables without a store's prefix: the identity of a machine on Azure, and how long to try again.
const OTHER_VARIABLES: [&str; 3] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", RETRY_TIMEOUT];

/// Seconds within which a failed request is made again.
pub(super) const RETRY_TIMEOUT: &str = "CTWA_RETRY_TIMEOUT";

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Environment {
        let is_known = |name: &str| {
            ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)) || OTHER_VARIABLES.contains(&name)
        };
        Environment(variables.into_iter().filter(|(name, value)| is_known(name) && !value.is_empty()).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Environment {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What a builder knows by these names.
    fn settings<K: std::str::FromStr>(&self, prefix: &str) -> impl Iterator<Item = (K, String)> {
        let own = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        own.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
    }

    fn retry(&self) -> Result<RetryConfig> {
        let seconds = match self.get(RETRY_TIMEOUT) {
            Some(text) => text
                .parse()
                .map_err(|_| Error::usage(format!("{RETRY_TIMEOUT} is {text:?}")).mend("give a whole number of seconds"))?,
            None => 180,
        };
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(15), base: 2.0 };
        Ok(RetryConfig { backoff, max_retries: 10, retry_timeout: Duration::from_secs(seconds) })
    }
}

/// A large answer may take this long; what is missing of it is then asked for anew.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// The store that a location lies in.
pub(super) fn open(location: &Location, environment: &Environment, traffic: &Arc<Traffic>) -> Result<Arc<dyn ObjectStore>> {
    let http = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
    let connector = Counting(traffic.clone());
    let retry = environment.retry()?;
    let opened: object_store::Result<Arc<dyn ObjectStore>> = match &location.root {
        Root::Disk => Ok(Arc::new(LocalFileSystem::new())),
        Root::S3 { bucket } => {
            refuse_profile(environment)?;
            let mut builder = AmazonS3Builder::new().with_client_options(http);
            for (key, value) in environment.settings("AWS_") {
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(connector);
            builder.build().map(|store| Arc::new(store) as _)
        }
        Root::Azure { account, container } => {
            let mut builder = MicrosoftAzureBuilder::new().with_client_options(http);
            for (key, value) in azure_settings(environment) {
                builder = builder.with_config(key, value);
            }
            if let Some(account) = account {
                builder = builder.with_account(&account.name);
                match account.host.split_once(".dfs.") {
                    Some((_, "core.windows.net")) | None => {}
                    Some((_, "fabric.microsoft.com")) => builder = builder.with_use_fabric_endpoint(true),
                    // Another of Azure's clouds.
                    Some((name, suffix)) => builder = builder.with_endpoint(format!("https://{name}.blob.{suffix}")),
                }
            }
            let builder = builder.with_container_name(container).with_retry(retry).with_http_connector(connector);
            builder.build().map(|store| Arc::new(store) as _)
        }
        Root::Gcs { bucket } => {
            let mut builder = GoogleCloudStorageBuilder::new().with_client_options(http);
            for (key, value) in environment.settings("GOOGLE_") {
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(connector);
            builder.build().map(|store| Arc::new(store) as _)
        }
    };
    opened.map_err(|error| {
        Error::usage("the store cannot be reached with these settings")
            .with("location", location)
            .source(error)
            .mend(format!("correct the {} variables of the environment", location.root.variables()))
    })
}

impl Root {
    /// The variables that reach it.
    pub(super) fn variables(&self) -> &'static str {
        match self {
            Root::Disk => "",
            Root::S3 { .. } => "AWS_*",
            Root::Azure { .. } => "AZURE_*",
            Root::Gcs { .. } => "GOOGLE_*",
        }
    }

    /// The endpoint that requests go to, where the environment names one, with the variable that does.
    pub(super) fn endpoint<'a>(&self, environment: &'a Environment) -> Option<(&'static str, &'a str)> {
        let names: &[&'static str] = match self {
            Root::Disk => &[],
            Root::S3 { .. } => &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
            Root::Azure { .. } => &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
            Root::Gcs { .. } => &["GOOGLE_BASE_URL"],
        };
        names.iter().find_map(|name| Some((*name, environment.get(name)?)))
    }
}

/// Profiles live in files that other tools read; their keys would be silently left out.
fn refuse_profile(environment: &Environment) -> Result<()> {
    let has_keys = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        .iter()
        .chain(&["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SKIP_SIGNATURE"])
        .any(|name| environment.get(name).is_some());
    match environment.get("AWS_PROFILE") {
        Some(profile) if !has_keys => Err(Error::usage(format!("AWS_PROFILE names {profile:?}, profiles are not read"))
            .mend("set the keys instead: eval \"$(aws configure export-credentials --format env)\"")),
        _ => Ok(()),
    }
}

/// What the environment says of Azure, in the names that its tools use and those of `object_store`; the latter win.
fn azure_settings(environment: &Environment) -> Vec<(AzureConfigKey, String)> {
    let mut settings = Vec::new();
    let mut take = |key, value: Option<&str>| settings.extend(value.map(|value| (key, value.to_string())));
    let parts: BTreeMap<&str, &str> = environment
        .get("AZURE_STORAGE_CONNECTION_STRING")
        .map(|text| text.split(';').filter_map(|part| part.split_once('=')).collect())
        .unwrap_or_default();
    let part = |name: &str| parts.get(name).copied();
    take(AzureConfigKey::AccountName, part("AccountName"));
    take(AzureConfigKey::AccessKey, part("AccountKey"));
    take(AzureConfigKey::SasKey, part("SharedAccessSignature"));
    let elsewhere = match (part("AccountName"), part("EndpointSuffix")) {
        (Some(account), Some(suffix)) if suffix != "core.windows.net" => Some(format!("https://{account}.blob.{suffix}")),
        _ => None,
    };
    let endpoint = part("BlobEndpoint").or(elsewhere.as_deref());
    take(AzureConfigKey::Endpoint, endpoint.map(|endpoint| endpoint.trim_end_matches('/')));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        take(AzureConfigKey::Client(ClientConfigKey::AllowHttp), Some("true"));
    }
    take(AzureConfigKey::AccountName, environment.get("AZURE_STORAGE_ACCOUNT"));
    take(AzureConfigKey::AccessKey, environment.get("AZURE_STORAGE_KEY"));
    take(AzureConfigKey::MsiEndpoint, environment.get("IDENTITY_ENDPOINT"));
    settings.extend(environment.settings("AZURE_"));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn opened(location: &str, variables: &[(&str, &str)]) -> String {
        let location = Location::resolve(location, std::path::Path::new("/")).unwrap();
        match open(&location, &environment(variables), &Arc::default()) {
            Ok(store) => store.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_environment_shows_names_only() {
        let environment = environment(&[("AWS_SECRET_ACCESS_KEY", "hush"), ("HOME", "/root"), ("AWS_REGION", "")]);
        assert_eq!(format!("{environment:?}"), "[\"AWS_SECRET_ACCESS_KEY\"]");
    }

    #[test]
    fn stores_open_with_the_variables_of_their_own_tools() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "sa-east-1")];
        assert_eq!(opened("s3://acme/a", &keys), "AmazonS3(acme)");
        assert!(opened("s3://acme/a", &[("AWS_PROFILE", "work")]).contains("export-credentials"));
        let account = [("AZURE_STORAGE_ACCOUNT", "acme"), ("AZURE_STORAGE_KEY", "aGVq")];
        assert_eq!(opened("az://lake", &account), "MicrosoftAzure { account: acme, container: lake }");
        let string = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=aGVsbA==;EndpointSuffix=core.windows.net";
        assert_eq!(
            opened("az://lake", &[("AZURE_STORAGE_CONNECTION_STRING", string)]),
            "MicrosoftAzure { account: acme, container: lake }"
        );
        assert_eq!(
            opened("abfss://lake@other.dfs.core.windows.net/a", &account),
            "MicrosoftAzure { account: other, container: lake }"
        );
        assert!(opened("az://lake", &[]).contains("AZURE_*"));
        assert_eq!(opened("gs://acme", &[("GOOGLE_SKIP_SIGNATURE", "true")]), "GoogleCloudStorage(acme)");
    }

    #[test]
    fn a_connection_string_is_taken_apart() {
        let string = "AccountName=acme;AccountKey=aGVsbA==;BlobEndpoint=http://127.0.0.1:10000/acme/";
        let settings =
            azure_settings(&environment(&[("AZURE_STORAGE_CONNECTION_STRING", string), ("AZURE_STORAGE_ACCOUNT_NAME", "other")]));
        let text = |(key, value): &(AzureConfigKey, String)| format!("{} {value}", key.as_ref());
        assert_eq!(
            settings.iter().map(text).collect::<Vec<_>>(),
            [
                "azure_storage_account_name acme",
                "azure_storage_account_key aGVsbA==",
                "azure_storage_endpoint http://127.0.0.1:10000/acme",
                "allow_http true",
                "azure_storage_account_name other"
            ]
        );
    }

    #[test]
    fn the_time_for_retries_is_a_number_of_seconds() {
        assert_eq!(environment(&[(RETRY_TIMEOUT, "7")]).retry().unwrap().retry_timeout, Duration::from_secs(7));
        assert!(environment(&[(RETRY_TIMEOUT, "7s")]).retry().is_err());
    }
}
