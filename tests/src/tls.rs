//! Certificates for tests of TLS: an authority of one's own, and what it has signed.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// A certificate authority that nobody else knows. It has signed a certificate for a server at `localhost` and
/// `127.0.0.1`, and one for a client; all of them stand in files, as PEM, which go with it.
#[derive(Debug, Clone)]
pub struct Authority(Arc<TempDir>);

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("tls-").tempdir().expect("a temporary folder");
        let authority = Self(Arc::new(dir));
        let key = || KeyPair::generate().expect("a key can be made");
        let mut params = named("the tests' authority", []);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, key()).expect("an authority can be made");
        write(&authority.root_path(), &root.pem());
        for (name, purpose) in
            [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut params = named(name, ["localhost", "127.0.0.1"]);
            params.extended_key_usages = vec![purpose];
            let key = key();
            let certificate = params.signed_by(&key, &root).expect("a certificate can be signed");
            write(&authority.path(&format!("{name}.crt")), &certificate.pem());
            write(&authority.path(&format!("{name}.key")), &key.serialize_pem());
        }
        authority
    }

    /// The authority's own certificate, which clients have to be given.
    pub fn root_path(&self) -> PathBuf {
        self.path("root.crt")
    }

    /// The server's certificate.
    pub fn server_path(&self) -> PathBuf {
        self.path("server.crt")
    }

    /// The key of the server's certificate.
    pub fn server_key_path(&self) -> PathBuf {
        self.path("server.key")
    }

    /// The client's certificate.
    pub fn client_path(&self) -> PathBuf {
        self.path("client.crt")
    }

    /// The key of the client's certificate.
    pub fn client_key_path(&self) -> PathBuf {
        self.path("client.key")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn named<const N: usize>(name: &str, addresses: [&str; N]) -> CertificateParams {
    let addresses = addresses.map(str::to_owned);
    let mut params = CertificateParams::new(addresses).expect("these are addresses");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn write(path: &Path, pem: &str) {
    fs::write(path, pem).expect("a file can be written");
}
