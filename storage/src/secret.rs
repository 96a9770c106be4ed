//! Text that is not to be shown.

use std::fmt;

/// A password or a private key. It is never shown.
///
/// ```
/// use corelane_storage::Secret;
///
/// assert_eq!(format!("{:?}", Secret::new("swordfish")), "***");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn danger_reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
