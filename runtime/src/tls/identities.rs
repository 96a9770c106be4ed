//! Which certificate a server shows to whom.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::error::{Kind, TlsError};
use super::pem::{self, Identity};
use super::provider;

/// Most certificates of a server. Each handshake looks for the name in one after another.
pub const IDENTITIES_MAX: usize = 256;

/// The certificates of a server, each with its key, replaceable while it runs. Clones are the same ones.
///
/// A client that names a host (SNI, RFC 6066 section 3) is shown the first certificate that is for that name; one that names none,
/// or a name that no certificate has, the first of all.
///
/// ```
/// use corelane_runtime::tls::{Acceptor, Identities};
///
/// let pair = |name: &str| {
///     let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
///     (made.cert.pem(), made.signing_key.serialize_pem())
/// };
/// let identities = Identities::new([pair("shop.example"), pair("*.shop.example")])?;
/// let acceptor = Acceptor::builder().identities(identities.clone()).alpn("http/1.1").build()?;
/// // Connections from now on are shown these; those that are open go on.
/// identities.replace([pair("shop.example")])?;
/// # drop(acceptor);
/// # Ok::<(), corelane_runtime::tls::TlsError>(())
/// ```
#[derive(Clone)]
pub struct Identities {
    /// Locked for the moment of a copy, once in a handshake.
    current: Arc<RwLock<Set>>,
}

type Set = Arc<[Arc<CertifiedKey>]>;

impl Identities {
    /// Certificates (PEM, each with the chain behind it) and their keys (PEM). The first is shown to whom no other fits.
    ///
    /// # Errors
    /// [`is_settings`](TlsError::is_settings): there is none, there are over [`IDENTITIES_MAX`], or the PEM holds none; else a
    /// key that does not fit its certificate, or a certificate that is none for a server.
    pub fn new<C, K>(pairs: impl IntoIterator<Item = (C, K)>) -> Result<Identities, TlsError>
    where
        C: AsRef<[u8]>,
        K: AsRef<[u8]>,
    {
        Ok(Identities { current: Arc::new(RwLock::new(read(pairs)?)) })
    }

    /// Shows these from now on.
    ///
    /// # Errors
    /// As [`new`](Self::new); those before stay.
    pub fn replace<C, K>(&self, pairs: impl IntoIterator<Item = (C, K)>) -> Result<(), TlsError>
    where
        C: AsRef<[u8]>,
        K: AsRef<[u8]>,
    {
        let set = read(pairs)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    fn set(&self) -> Set {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read<C: AsRef<[u8]>, K: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (C, K)>) -> Result<Set, TlsError> {
    let provider = provider();
    let mut all = Vec::new();
    for (chain, key) in pairs {
        let Identity { chain, key } = pem::identity(chain.as_ref(), key.as_ref())?;
        let certified = CertifiedKey::from_der(chain, key, &provider)?;
        // Told now, and not at the first client that asks for a name.
        ParsedCertificate::try_from(certified.end_entity_cert()?)?;
        all.push(Arc::new(certified));
    }
    if all.is_empty() || all.len() > IDENTITIES_MAX {
        return Err(TlsError::new(Kind::NoIdentity));
    }
    Ok(all.into())
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = self.set();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |certified: &&Arc<CertifiedKey>| {
            let parsed = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
            let names = parsed.ok().zip(name.as_ref());
            names.is_some_and(|(parsed, name)| verify_server_name(&parsed, name).is_ok())
        };
        set.iter().find(fits).or(set.first()).cloned()
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("count", &self.set().len()).finish_non_exhaustive()
    }
}
