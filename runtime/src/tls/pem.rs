//! Certificates and keys out of PEM.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{Kind, TlsError};

/// A certificate with those that lead to its root, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

pub(super) fn identity(chain: &[u8], key: &[u8]) -> Result<Identity, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::new(Kind::Pem("private key")))?;
    Ok(Identity { chain: certificates(chain)?, key })
}

/// All certificates of a text; at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = || TlsError::new(Kind::Pem("certificate"));
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| bad())?;
    if found.is_empty() { Err(bad()) } else { Ok(found) }
}
