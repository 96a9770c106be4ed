//! Values that must not end up in a log.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use subtle::ConstantTimeEq;

/// A value that `Debug` does not show, and that errors about the configuration do not show either.
///
/// There is no `Display` and no `Serialize`; [`Secret::expose`] is the one way to the value, and easy to search for.
/// Comparison takes the same time wherever two values of one length differ. The memory is not wiped when it is
/// dropped.
///
/// ```
/// use corelane_http::config::Secret;
///
/// let password = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{password:?}"), "Secret(hidden)");
/// assert_eq!(password.expose(), "hunter2");
/// assert!(password == Secret::new("hunter2".to_owned()));
/// ```
#[derive(Clone, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Secret<T> {
        Secret(value)
    }

    /// The value. Do not log it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<T: AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Secret<T>) -> bool {
        self.0.as_ref().ct_eq(other.0.as_ref()).into()
    }
}

impl<T: AsRef<[u8]>> Eq for Secret<T> {}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Secret<T> {
        Secret(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret<T>, D::Error> {
        // What the inner error says may quote the value.
        T::deserialize(deserializer)
            .map(Secret)
            .map_err(|_| D::Error::custom("is not valid; what it is is not shown, as it is a secret"))
    }
}
