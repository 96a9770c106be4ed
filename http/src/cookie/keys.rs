//! Keys that cookies are signed and encrypted with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::de::{Deserialize, Deserializer, Error as _};
use sha2::Sha256;

use super::CookieError;
use super::error::Kind;

/// Shortest secret that keys are made of, in bytes: as long as the keys themselves.
pub const SECRET_BYTES_MIN: usize = 32;

/// Keys at most, the current one included (8): each that is tried costs a decryption.
pub const KEYS_MAX: usize = 8;

const NONCE_BYTES: usize = 24;

/// The current key, which signs and encrypts, and older ones, with which cookies are still taken.
///
/// To rotate, put the new secret in front and keep the old one until the cookies made with it have expired:
///
/// ```
/// use corelane_http::cookie::Keys;
///
/// let keys = Keys::new("mMd0cYf9MbTz3dT8pfWzoLKYDbPc1Hf2")?.also("3mSvWLdGQEvKyWkTQFcbXJUnb8JhQX2a")?;
/// assert_eq!(format!("{keys:?}"), "Keys(2 keys, hidden)");
/// # Ok::<(), corelane_http::cookie::KeyError>(())
/// ```
///
/// A configuration gives one secret, or a list of them with the current one first; what is wrong with them is an error of
/// deserialisation. Each core may hold its own clone.
#[derive(Clone)]
pub struct Keys {
    /// Never empty; the first is the current one.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    signing: [u8; 32],
    encryption: [u8; 32],
}

impl Key {
    fn new(secret: &[u8]) -> Result<Key, KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError { kind: KeyKind::TooShort { bytes: secret.len() } });
        }
        let mut seen = [false; 256];
        secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        if seen.iter().filter(|seen| **seen).count() < 8 {
            return Err(KeyError { kind: KeyKind::Repetitive });
        }
        // A key for each purpose, so that a signature never helps against the encryption.
        let derive =
            |purpose: &[u8]| mac(secret, &[b"corelane cookie v1 ", purpose]).finalize().into_bytes().into();
        Ok(Key { signing: derive(b"signing"), encryption: derive(b"encryption") })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.encryption.into())
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    parts.iter().for_each(|part| mac.update(part));
    mac
}

impl Keys {
    /// Keys made of a secret of 32 random bytes or more, as `openssl rand -base64 48` prints it.
    ///
    /// # Errors
    /// The secret is shorter than [`SECRET_BYTES_MIN`], or has fewer than eight different bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Keys, KeyError> {
        Ok(Keys { keys: vec![Key::new(secret.as_ref())?] })
    }

    /// The same, taking cookies made with an older secret too.
    ///
    /// # Errors
    /// As [`Keys::new`]; or there are [`KEYS_MAX`] already.
    pub fn also(mut self, old: impl AsRef<[u8]>) -> Result<Keys, KeyError> {
        if self.keys.len() == KEYS_MAX {
            return Err(KeyError { kind: KeyKind::TooMany });
        }
        self.keys.push(Key::new(old.as_ref())?);
        Ok(self)
    }

    /// Keys that nobody knows, gone when the process ends: for tests and development.
    ///
    /// # Panics
    /// If the system gives no random numbers.
    #[track_caller]
    pub fn generate() -> Keys {
        match random::<64>().map(Keys::new) {
            Ok(Ok(keys)) => keys,
            other => panic!("no keys could be made: {other:?}"),
        }
    }

    /// Encrypts `plain` and makes it text for a cookie. `context` is authenticated with it: [`Keys::open`] takes the result
    /// with the same context only. It grows by 40 bytes and then by a third.
    ///
    /// The cipher is XChaCha20-Poly1305, whose nonces of 192 bits may be random however many there are.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, CookieError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = match self.keys[0].cipher().encrypt(&XNonce::from(nonce), payload) {
            Ok(sealed) => sealed,
            Err(_) => unreachable!("the cipher takes 256 GiB"),
        };
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// What [`Keys::seal`] was given. `None` if it was made with other keys or another context, or was changed.
    pub fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = || Payload { msg: sealed, aad: context.as_bytes() };
        self.keys.iter().find_map(|key| key.cipher().decrypt(&XNonce::from(*nonce), payload()).ok())
    }

    /// `value`, a dot, and a signature over it and the cookie's name.
    pub(super) fn sign(&self, name: &str, value: &str) -> String {
        let signature = signature(&self.keys[0], name, value).finalize().into_bytes();
        format!("{value}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The value, if one of the keys has signed it for this name. The comparison takes the same time wherever they differ.
    pub(super) fn verify<'v>(&self, name: &str, signed: &'v str) -> Option<&'v str> {
        let (value, found) = signed.rsplit_once('.')?;
        let found = URL_SAFE_NO_PAD.decode(found).ok()?;
        let is_of = |key: &Key| signature(key, name, value).verify_slice(&found).is_ok();
        self.keys.iter().any(is_of).then_some(value)
    }
}

/// Names are tokens and hold no zero byte, so name and value cannot be shifted against each other.
fn signature(key: &Key, name: &str, value: &str) -> Hmac<Sha256> {
    mac(&key.signing, &[name.as_bytes(), b"\0", value.as_bytes()])
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], CookieError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Kind::Random)?;
    Ok(bytes)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} keys, hidden)", self.keys.len())
    }
}

/// One secret, or a list of them with the current one first.
impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged, expecting = "a secret, or a list of them with the current one first")]
        enum Secrets {
            One(String),
            Several(Vec<String>),
        }
        let secrets = match Secrets::deserialize(deserializer)? {
            Secrets::One(secret) => vec![secret],
            Secrets::Several(secrets) => secrets,
        };
        let (current, old) = secrets.split_first().ok_or_else(|| D::Error::custom("no secret is given"))?;
        let keys = Keys::new(current).map_err(D::Error::custom)?;
        old.iter().try_fold(keys, Keys::also).map_err(D::Error::custom)
    }
}

/// Why a secret makes no key. Nothing of the secret shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    kind: KeyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    TooShort { bytes: usize },
    Repetitive,
    TooMany,
}

impl KeyError {
    /// True if the secret is too short, or repeats itself so much that it is no secret.
    pub fn is_weak(&self) -> bool {
        matches!(self.kind, KeyKind::TooShort { .. } | KeyKind::Repetitive)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            KeyKind::TooShort { bytes } => write!(
                f,
                "the secret has {bytes} bytes and needs {SECRET_BYTES_MIN}: `openssl rand -base64 48` makes one"
            ),
            KeyKind::Repetitive => f.write_str(
                "the secret has fewer than 8 different bytes: `openssl rand -base64 48` makes one",
            ),
            KeyKind::TooMany => write!(f, "there are {KEYS_MAX} keys already: drop the oldest"),
        }
    }
}

impl std::error::Error for KeyError {}
