//! Who may tell of calls over the network: whoever has the token (RFC 6750).

use std::path::Path;

use axum::http::{HeaderMap, StatusCode, header};
use hmac::{Hmac, Mac as _};
use rand_core::{OsRng, RngCore as _};
use sha2::Sha256;

use super::problem::Problem;
use crate::identity::radius::{Secret, SecretError};

/// A token, compared without telling by the time it takes how much of it was right.
#[derive(Clone)]
pub struct Token {
    key: [u8; 32],
    code: Vec<u8>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads the token in the file at `path`; a line end after it is not part of it.
    ///
    /// # Errors
    /// [`SecretError`]; never with what is in the file.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        Secret::load(path).map(|secret| Self::new(secret.octets()))
    }

    /// The token of these octets.
    pub(super) fn new(octets: &[u8]) -> Self {
        let mut key = [0; 32];
        OsRng.fill_bytes(&mut key);
        let code = keyed(&key, octets).finalize().into_bytes().to_vec();
        Self { key, code }
    }

    /// Whether these are its octets. What is compared are codes under a key that nobody knows, so that their order says
    /// nothing of the token's.
    fn is(&self, octets: &[u8]) -> bool {
        keyed(&self.key, octets).verify_slice(&self.code).is_ok()
    }

    /// Lets a request pass that has the token.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
        // The scheme's case does not matter (RFC 9110, section 11.1).
        let token = given.and_then(|value| value.split_at_checked("Bearer ".len()));
        match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") && self.is(token) => Ok(()),
            _ => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "token",
                "send the token of api.token_file: `Authorization: Bearer TOKEN`",
            )),
        }
    }
}

fn keyed(key: &[u8; 32], octets: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104)");
    mac.update(octets);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("a header value"))])
    }

    #[test]
    fn only_the_whole_token_passes() {
        let token = Token::new(b"s3cret");
        for value in ["Bearer s3cret", "bearer s3cret"] {
            assert!(token.check(&headers(value)).is_ok(), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret2",
            "Bearer  s3cret",
            "Basic s3cret",
            "s3cret",
        ] {
            assert!(token.check(&headers(value)).is_err(), "{value}");
        }
        assert!(token.check(&HeaderMap::new()).is_err());
    }
}
