//! Who sent a request, and how a response shows that it is ours.

use hmac::{Hmac, Mac as _};
use md5::digest::{CtOutput, Output};
use md5::{Digest as _, Md5};

use super::attribute::kind;
use super::packet::{ACCOUNTING_RESPONSE, AUTHENTICATOR_OCTETS, HEADER_OCTETS, Packet};
use super::secret::Secret;

/// An Accounting-Request whose sender knows the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a>(Packet<'a>);

/// The sender does not know the secret, or the packet was changed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authenticator is not what the client's secret gives")]
pub struct BadAuthenticator;

impl<'a> Packet<'a> {
    /// Checks the Request Authenticator (RFC 2866, section 3), and Message-Authenticator if there is one (RFC 2869,
    /// section 5.14).
    ///
    /// # Errors
    /// [`BadAuthenticator`] if either is wrong.
    pub fn verify(self, secret: &Secret) -> Result<Verified<'a>, BadAuthenticator> {
        let octets = self.octets();
        let given = CtOutput::<Md5>::from(Output::<Md5>::from(self.authenticator()));
        let computed = Md5::new()
            .chain_update(&octets[..4])
            .chain_update([0; AUTHENTICATOR_OCTETS])
            .chain_update(&octets[HEADER_OCTETS..])
            .chain_update(secret.octets());
        // Compared in constant time, so that nobody can feel his way to an authenticator.
        if CtOutput::from(computed.finalize()) != given {
            return Err(BadAuthenticator);
        }
        if let Some(at) = self.message_authenticator() {
            verify_message_authenticator(octets, at, secret)?;
        }
        Ok(Verified(self))
    }
}

/// As for other requests whose authenticator is a digest (RFC 5176, section 3.4): both authenticators count as zeros.
fn verify_message_authenticator(octets: &[u8], at: usize, secret: &Secret) -> Result<(), BadAuthenticator> {
    let (before, rest) = octets.split_at_checked(at).ok_or(BadAuthenticator)?;
    let (given, after) = rest.split_at_checked(AUTHENTICATOR_OCTETS).ok_or(BadAuthenticator)?;
    let mac = Hmac::<Md5>::new_from_slice(secret.octets()).map_err(|_| BadAuthenticator)?;
    let mac = mac
        .chain_update(&before[..4])
        .chain_update([0; AUTHENTICATOR_OCTETS])
        .chain_update(&before[HEADER_OCTETS..])
        .chain_update([0; AUTHENTICATOR_OCTETS])
        .chain_update(after);
    mac.verify_slice(given).map_err(|_| BadAuthenticator)
}

impl<'a> Verified<'a> {
    /// What was verified.
    pub fn packet(&self) -> Packet<'a> {
        self.0
    }

    /// The Accounting-Response (RFC 2866, section 4.2), signed. It has the request's Proxy-State attributes, unchanged
    /// and in order (RFC 2865, section 5.33), so it is no longer than the request.
    pub fn response(&self, secret: &Secret) -> Vec<u8> {
        let mut response = vec![ACCOUNTING_RESPONSE, self.0.identifier(), 0, 0];
        response.extend(self.0.authenticator());
        for attribute in self.0.attributes().filter(|attribute| attribute.kind == kind::PROXY_STATE) {
            // Two octets of header and at most 253 of value.
            let length = u8::try_from(attribute.value.len() + 2).unwrap_or(u8::MAX);
            response.extend([attribute.kind, length]);
            response.extend(attribute.value);
        }
        let length = u16::try_from(response.len()).unwrap_or(u16::MAX);
        response[2..4].copy_from_slice(&length.to_be_bytes());
        let digest = Md5::new().chain_update(&response).chain_update(secret.octets()).finalize();
        response[4..HEADER_OCTETS].copy_from_slice(&digest);
        response
    }
}
