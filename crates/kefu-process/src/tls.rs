//! The one TLS set-up: rustls with ring and the CA certificates of the system, handed to the clients.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum TlsError {
    #[error(
        "no CA certificates found on this system; install the package ca-certificates, or set SSL_CERT_FILE"
    )]
    NoRoots,
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Makes ring the provider for clients that ask the process for one. Harmless when repeated.
pub fn install() {
    // The error only says that one is installed already, which is what is wanted.
    let _ = ring::default_provider().install_default();
}

/// TLS towards servers whose certificates the system trusts.
pub fn client_config() -> Result<ClientConfig, TlsError> {
    client_config_if(true)
}

/// The same; but when no TLS URL is configured (`needed` is false), a system without CA certificates is no error:
/// the configuration then trusts nobody.
pub fn client_config_if(needed: bool) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single certificates that cannot be read or parsed are passed over, as other clients do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if needed && roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_tls_url_a_missing_ca_store_is_no_error() {
        install();
        install();
        client_config_if(false).unwrap();
    }
}
