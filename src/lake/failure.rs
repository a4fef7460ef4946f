//! What a failure of storage means for the operator: said once, while the foreign error is in hand.
//!
//! Stores tell the reason as a code in an XML body (`<Code>AccessDenied</Code>`), which is what decides here; the HTTP status
//! alone cannot tell a wrong key from a missing permission.

use std::error::Error as StdError;
use std::io;

use super::location::Root;
use super::open::Lake;
use crate::base::error::{Error, ErrorKind};

/// What was asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    List,
    Read,
    Write,
    Remove,
}

impl Operation {
    /// What allows it, in the store's own words.
    fn permission(self, root: &Root) -> &'static str {
        match (root, self) {
            (Root::S3 { .. }, Operation::List) => "s3:ListBucket",
            (Root::S3 { .. }, Operation::Read) => "s3:GetObject",
            (Root::S3 { .. }, Operation::Write) => "s3:PutObject",
            (Root::S3 { .. }, Operation::Remove) => "s3:DeleteObject",
            (Root::Azure { .. }, Operation::List | Operation::Read) => "Storage Blob Data Reader",
            (Root::Azure { .. }, Operation::Write | Operation::Remove) => "Storage Blob Data Contributor",
            (Root::Gcs { .. }, Operation::List) => "storage.objects.list",
            (Root::Gcs { .. }, Operation::Read) => "storage.objects.get",
            (Root::Gcs { .. }, Operation::Write) => "storage.objects.create",
            (Root::Gcs { .. }, Operation::Remove) => "storage.objects.delete",
            (Root::Disk, Operation::List | Operation::Read) => "read",
            (Root::Disk, Operation::Write | Operation::Remove) => "write",
        }
    }
}

/// The texts of an error and of its causes.
fn texts(error: &(dyn StdError + 'static)) -> String {
    let mut texts = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        texts.push('\n');
        texts.push_str(&inner.to_string());
        cause = inner.source();
    }
    texts
}

/// Whether the connection broke in the middle of a listing.
pub(super) fn is_broken_listing(error: &object_store::Error) -> bool {
    texts(error).contains("Error getting list response body")
}

/// Whether an answer had this HTTP status: a failed listing is of no kind, its status stands in the text.
fn has_status(whole: &str, status: &str) -> bool {
    whole.contains(&format!("status code: {status}"))
}

/// The content of the first such element.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    Some(after.split_once('<')?.0)
}

/// What the store said, in one line, with the number under which its operator finds the request.
fn answer(code: &str, whole: &str) -> String {
    let message = element(whole, "Message").map(|message| message.lines().next().unwrap_or_default());
    let request = element(whole, "RequestId").map(|id| format!("request {id}"));
    [Some(code.to_string()), message.map(str::to_string), request].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn find_io<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = inner.source();
    }
    None
}

impl Lake {
    /// An error of the store, classified by what the operator does about it.
    pub(super) fn failure(&self, operation: Operation, path: &str, error: object_store::Error) -> Error {
        let root = &self.location.root;
        let whole = texts(&error);
        let meaning = match root {
            Root::Disk => None,
            _ => self.no_answer(&whole).or_else(|| self.refusal(operation, &error, &whole)),
        };
        let error_of = |kind, message: &str, mend: &str| Error::new(kind, message).mend(mend);
        let bare = meaning.unwrap_or_else(|| match &error {
            object_store::Error::NotFound { .. } => error_of(
                ErrorKind::Unavailable,
                "an object that was listed is gone",
                "run again: it was replaced or removed meanwhile",
            ),
            object_store::Error::Precondition { .. } if operation == Operation::Read => error_of(
                ErrorKind::Unavailable,
                "an object was replaced while it was read",
                "run again: the new one is read then",
            ),
            _ if find_io(&error).is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) => {
                error_of(ErrorKind::Denied, "storage denies access", "give this user the permission on this path")
            }
            _ => error_of(ErrorKind::Unavailable, "storage failed", "run again when it answers"),
        });
        let of_object = bare.with("object", if path.is_empty() { "." } else { path });
        if *root == Root::Disk {
            return of_object.source(error);
        }
        let known = of_object.with("location", &self.location);
        match element(&whole, "Code") {
            // The rest of the body is markup.
            Some(code) => known.with("answer", answer(code, &whole)),
            None => known.source(error),
        }
    }

    /// The store answered, and refused for a reason that trying again does not mend.
    fn refusal(&self, operation: Operation, error: &object_store::Error, whole: &str) -> Option<Error> {
        let code = element(whole, "Code").unwrap_or_default();
        let of_code = self.wrong_name(code).or_else(|| self.wrong_credential(code)).or_else(|| self.wrong_region(code, whole));
        of_code.or_else(|| self.no_permission(operation, error, whole)).or_else(|| self.no_store(operation, whole))
    }

    fn wrong_name(&self, code: &str) -> Option<Error> {
        let root = &self.location.root;
        match code {
            "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" => Some(
                Error::usage(format!("{root} does not exist"))
                    .with("endpoint", self.endpoint_text())
                    .mend("correct the url of the lake, or the endpoint and account of the environment"),
            ),
            "InvalidBucketName" => {
                Some(Error::usage(format!("{root} is not a valid bucket name")).mend("correct the url of the lake"))
            }
            _ => None,
        }
    }

    fn wrong_credential(&self, code: &str) -> Option<Error> {
        let denied = |message: &str, mend: &str| Some(Error::new(ErrorKind::Denied, message).mend(mend));
        match code {
            "SignatureDoesNotMatch" | "AuthenticationFailed" => {
                let variables = self.location.root.variables();
                denied(
                    &format!("storage refuses the signature: the secret in the {variables} variables is wrong"),
                    "set the secret that belongs to the key",
                )
            }
            "InvalidAccessKeyId" => {
                denied("storage does not know the access key", "set AWS_ACCESS_KEY_ID to a key of this store")
            }
            "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" => {
                denied("the session token of the credential is invalid or has expired", "get new credentials and run again")
            }
            "RequestTimeTooSkewed" => {
                denied("storage refuses this machine's clock", "set the clock of this machine by the network's time")
            }
            _ => None,
        }
    }

    fn wrong_region(&self, code: &str, whole: &str) -> Option<Error> {
        let root = &self.location.root;
        let is_elsewhere = matches!(
            code,
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException"
        ) || whole.contains("Received redirect without LOCATION");
        if !is_elsewhere || !matches!(root, Root::S3 { .. }) {
            return None;
        }
        let right = element(whole, "Region").map(str::to_string).or(self.traffic.answer().region);
        let error = Error::usage(match &right {
            Some(region) => format!("{root} lies in region {region}, not in {}", self.region_text()),
            None => format!("{root} lies in another region than {}", self.region_text()),
        });
        let region = right.unwrap_or_else(|| "the bucket's region".to_string());
        Some(error.mend(format!("set AWS_REGION to {region}")))
    }

    fn no_permission(&self, operation: Operation, error: &object_store::Error, whole: &str) -> Option<Error> {
        let is_denied =
            matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
                || has_status(whole, "401")
                || has_status(whole, "403");
        let permission = operation.permission(&self.location.root);
        is_denied.then(|| {
            Error::new(ErrorKind::Denied, "storage denies access")
                .with("permission", permission)
                .mend(format!("give this credential {permission} on {}", self.location))
        })
    }

    /// No store answers a listing like this: something else listens there.
    fn no_store(&self, operation: Operation, whole: &str) -> Option<Error> {
        let root = &self.location.root;
        let variables = root.variables();
        (operation == Operation::List && has_status(whole, "404")).then(|| {
            Error::usage(format!("nothing at the endpoint knows {root}"))
                .with("endpoint", self.endpoint_text())
                .mend(format!("correct the endpoint among the {variables} variables, or the url in the pipeline file"))
        })
    }

    /// The store did not answer, or not in its language.
    fn no_answer(&self, whole: &str) -> Option<Error> {
        let unavailable = |message: &str| Some(Error::new(ErrorKind::Unavailable, message));
        let holds = |texts: &[&str]| texts.iter().any(|text| whole.contains(text));
        // Where an identity of the machine is asked for: Amazon's, Azure's, Google's.
        if holds(&["/latest/api/token", "/metadata/identity/", "/computeMetadata/"]) {
            let error = Error::new(ErrorKind::Denied, format!("there are no credentials for {}", self.location.root));
            return Some(
                error.mend(format!("set the {} variables, or give this machine an identity", self.location.root.variables())),
            );
        }
        if holds(&["URL scheme is not allowed"]) {
            let error = Error::usage("the endpoint is http://, which is not encrypted").with("endpoint", self.endpoint_text());
            return Some(error.mend("use https://, or set AWS_ALLOW_HTTP, AZURE_ALLOW_HTTP or GOOGLE_ALLOW_HTTP to true"));
        }
        let mend = "correct the endpoint, or run again when it answers";
        if holds(&["tcp connect error", "dns error", "client error (Connect)", "error trying to connect"]) {
            return unavailable("storage cannot be reached").map(|error| error.with("endpoint", self.endpoint_text()).mend(mend));
        }
        if holds(&["Got invalid list response", "Error parsing", "invalid XML"]) {
            return unavailable("the reply is not one that such a store gives")
                .map(|error| error.with("endpoint", self.endpoint_text()).mend(mend));
        }
        None
    }

    fn endpoint_text(&self) -> String {
        let root = &self.location.root;
        match (root.endpoint(&self.environment), root) {
            // What stands before an @ could be a password.
            (Some((name, endpoint)), _) => format!("{} ({name})", endpoint.rsplit('@').next().unwrap_or_default()),
            (None, Root::S3 { .. }) => format!("Amazon S3, region {}", self.region_text()),
            (None, Root::Azure { .. }) => "Azure Blob Storage".to_string(),
            (None, Root::Gcs { .. }) => "Google Cloud Storage".to_string(),
            (None, Root::Disk) => "local disk".to_string(),
        }
    }

    /// The region that requests to S3 are signed for.
    pub(super) fn region(&self) -> Option<String> {
        let named = self.environment.get("AWS_REGION").or(self.environment.get("AWS_DEFAULT_REGION"));
        let is_s3 = matches!(self.location.root, Root::S3 { .. });
        is_s3.then(|| named.map_or("us-east-1 (no AWS_REGION is set)".to_string(), str::to_string))
    }

    fn region_text(&self) -> String {
        self.region().unwrap_or_default()
    }
}
