//! Certificates for `rediss://`.

use redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

use super::address::Address;
use crate::Error;

/// Sees to it that rustls has a provider of cryptography.
fn choose_provider() {
    if CryptoProvider::get_default().is_none() {
        // A program that chose another provider has installed it by now.
        let _ = ring::default_provider().install_default();
    }
}

/// Certificates, in PEM: an authority instead of the system's, and the client's own.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) authority: Option<Vec<u8>>,
    /// A certificate and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    /// The address with these certificates.
    pub(crate) fn apply(&self, mut address: Address) -> Result<Address, Error> {
        let option = if self.authority.is_some() { "tls_ca" } else { "tls_client" };
        if !address.is_tls() {
            return match (&self.authority, &self.client) {
                (None, None) => Ok(address),
                _ => {
                    let reason = "the URL does not ask for TLS; write `rediss://…`".to_owned();
                    Err(Error::Option { option, reason })
                }
            };
        }
        choose_provider();
        for info in address.infos_mut() {
            *info = self.add_to(info).map_err(|reason| Error::Option { option, reason })?;
        }
        Ok(address)
    }

    /// The address of a client, which has its certificates already.
    pub(crate) fn of_client(&self, address: Address) -> Result<Address, Error> {
        let option = match (&self.authority, &self.client) {
            (None, None) => {
                if address.is_tls() {
                    choose_provider();
                }
                return Ok(address);
            }
            (Some(_), _) => "tls_ca",
            (None, Some(_)) => "tls_client",
        };
        let reason =
            "certificates are the client's; give them to it: `redis::Client::build_with_tls(…)`".to_owned();
        Err(Error::Option { option, reason })
    }

    /// How to connect, with these certificates.
    fn add_to(&self, info: &ConnectionInfo) -> Result<ConnectionInfo, String> {
        let begins = |pem: &[u8]| pem.windows(10).any(|part| part == b"-----BEGIN");
        let all =
            self.authority.iter().chain(self.client.iter().flat_map(|(certificate, key)| [certificate, key]));
        for pem in all {
            if !begins(pem) {
                return Err("it is not in PEM; give what begins with `-----BEGIN`".to_owned());
            }
        }
        if self.authority.is_none() && self.client.is_none() {
            return Ok(info.clone());
        }
        let client_tls =
            self.client.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let certificates = TlsCertificates { client_tls, root_cert: self.authority.clone() };
        let client = Client::build_with_tls(info.clone(), certificates).map_err(|error| error.to_string())?;
        Ok(client.get_connection_info().clone())
    }
}
