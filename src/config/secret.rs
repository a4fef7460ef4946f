//! A token or an app secret: text that cannot be printed.
//!
//! In: a variable of the environment or a file, named in the pipeline file. Out: a [`Secret`], whose Debug and Display show only
//! where it was read from. It leaves this folder in two forms: as a header of a request, and as the proof of a token, which is an
//! HMAC. Text that comes from outside is scrubbed of it before anybody sees it, because Meta repeats tokens in links and errors.

use std::fmt;
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::error::{Error, ErrorKind, Result};

/// What stands in the place of a secret.
const REDACTED: &str = "[secret]";
/// How Meta's access tokens begin, and from which length on a word that does is taken for one.
const TOKEN_START: &str = "EAA";
const TOKEN_LENGTH: usize = 24;

#[derive(Clone)]
pub struct Secret {
    text: String,
    origin: String,
}

impl Secret {
    /// A text and where it comes from, such as `$META_ACCESS_TOKEN`.
    pub fn new(text: &str, origin: &str) -> Result<Secret> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Denied, format!("{origin} is blank")).mend("put the secret there"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::Denied,
                format!("{origin} holds more than the secret: blanks, or characters that no token has"),
            )
            .mend("put only the secret there, without quotes or other text"));
        }
        Ok(Secret { text: text.to_string(), origin: origin.to_string() })
    }

    pub fn from_variable(name: &str) -> Result<Secret> {
        match std::env::var(name) {
            Ok(text) => Secret::new(&text, &format!("${name}")),
            // The error of a variable that is not text repeats its content.
            Err(_) => Err(Error::new(ErrorKind::Denied, format!("the environment has no variable {name}"))
                .mend(format!("set {name} to the secret"))),
        }
    }

    pub fn from_file(path: &Path) -> Result<Secret> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Denied, "the file of the secret cannot be read")
                .with("file", &origin)
                .source(error)
                .mend("correct the path in the pipeline file, or give this user the permission")
        })?;
        Secret::new(&text, &origin)
    }

    /// The place it was read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What shows Meta that the token is used by the app that has this secret: hex HMAC-SHA256 of the token.
    pub fn proof_of(&self, token: &Secret) -> Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.text.as_bytes())
            .map_err(|error| Error::bug("an app secret is no key").source(error))?;
        mac.update(token.text.as_bytes());
        Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text without this secret.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&self.text, REDACTED)
    }
}

/// The text without words that look like a token of Meta's, whoever's it is.
pub fn scrub_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN_START) {
        let (before, from) = rest.split_at(at);
        let length = from.bytes().take_while(u8::is_ascii_alphanumeric).count();
        clean.push_str(before);
        clean.push_str(if looks_like_token(&from[..length]) { REDACTED } else { &from[..length] });
        rest = &from[length..];
    }
    clean + rest
}

/// Whether a word is as long as a token of Meta's, and begins like one.
pub fn looks_like_token(word: &str) -> bool {
    word.starts_with(TOKEN_START) && word.len() >= TOKEN_LENGTH
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{REDACTED} of {}", self.origin)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_where_it_is_from_and_nothing_else() {
        let secret = Secret::new(" s3cr3tword\n", "$TOKEN").unwrap();
        assert_eq!(secret.reveal(), "s3cr3tword");
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{:#?}", Some(&secret))] {
            assert!(shown.contains("$TOKEN") && !shown.contains("s3cr"), "{shown}");
        }
        let error = Secret::new("two words", "$TOKEN").unwrap_err().to_string();
        assert!(error.contains("$TOKEN") && !error.contains("two words"), "{error}");
        assert!(Secret::new(" \n", "$TOKEN").is_err());
        assert!(Secret::from_variable("CTWA_NO_SUCH_VARIABLE").unwrap_err().to_string().contains("CTWA_NO_SUCH_VARIABLE"));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_proof_is_an_hmac_of_the_token_under_the_app_secret() {
        let (key, token) =
            (Secret::new("Jefe", "key").unwrap(), Secret { text: "what do ya want for nothing?".into(), origin: "".into() });
        let proof = key.proof_of(&token).unwrap();
        assert_eq!(proof, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn what_looks_like_a_token_is_taken_out_of_foreign_text() {
        let secret = Secret::new("tok", "t").unwrap();
        assert_eq!(secret.scrub("a tok b tok"), "a [secret] b [secret]");
        let text = "Malformed access token EAABsbCS1iHgBAKZCZCqQZDZD! EAA EAAshort";
        assert_eq!(scrub_tokens(text), "Malformed access token [secret]! EAA EAAshort");
    }
}
