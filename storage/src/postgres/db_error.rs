//! What PostgreSQL says about an error.

use std::error::Error;
use std::fmt;

use super::proto::Fields;

/// An error or notice of the server, with all that it says about it.
///
/// The fields are those of
/// [the protocol](https://www.postgresql.org/docs/current/protocol-error-fields.html). It is `Send`, and small: one text.
#[derive(Clone, PartialEq, Eq)]
pub struct DbError {
    /// Fields as they came, each a letter, a text and a zero character.
    fields: Box<str>,
}

impl DbError {
    pub(super) fn from_fields(fields: &Fields<'_>) -> DbError {
        // Before an encoding is agreed on, messages may be in any: what is not UTF-8 is replaced.
        DbError { fields: String::from_utf8_lossy(fields.as_bytes()).into() }
    }

    fn field(&self, kind: u8) -> Option<&str> {
        self.fields
            .split_terminator('\0')
            .find(|field| field.as_bytes().first() == Some(&kind))
            .map(|field| &field[1..])
    }

    /// `ERROR`, `FATAL`, `PANIC`, or for a notice `WARNING`, `NOTICE`, `DEBUG`, `INFO`, `LOG`. Never translated.
    pub fn severity(&self) -> &str {
        // Servers before 9.6 have only the one that may be translated.
        self.field(b'V').or_else(|| self.field(b'S')).unwrap_or_default()
    }

    /// True if the server ends the connection with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity(), "FATAL" | "PANIC")
    }

    /// The [SQLSTATE](https://www.postgresql.org/docs/current/errcodes-appendix.html): five letters and digits.
    pub fn code(&self) -> &str {
        self.field(b'C').unwrap_or_default()
    }

    /// What has happened, in a line.
    pub fn message(&self) -> &str {
        self.field(b'M').unwrap_or_default()
    }

    /// More about it. May hold values of the row it is about: not for a client's eyes.
    pub fn detail(&self) -> Option<&str> {
        self.field(b'D')
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.field(b'H')
    }

    /// Where in the statement it is, in characters from one.
    pub fn position(&self) -> Option<u32> {
        self.field(b'P')?.parse().ok()
    }

    /// Where in [`internal_query`](Self::internal_query) it is, in characters from one.
    pub fn internal_position(&self) -> Option<u32> {
        self.field(b'p')?.parse().ok()
    }

    /// The statement it is in, if that is one that the server made itself.
    pub fn internal_query(&self) -> Option<&str> {
        self.field(b'q')
    }

    /// The functions and statements it happened in, innermost first.
    pub fn context(&self) -> Option<&str> {
        self.field(b'W')
    }

    /// The schema of what it is about.
    pub fn schema(&self) -> Option<&str> {
        self.field(b's')
    }

    /// The table it is about.
    pub fn table(&self) -> Option<&str> {
        self.field(b't')
    }

    /// The column it is about.
    pub fn column(&self) -> Option<&str> {
        self.field(b'c')
    }

    /// The type it is about.
    pub fn data_type(&self) -> Option<&str> {
        self.field(b'd')
    }

    /// The constraint that was broken.
    pub fn constraint(&self) -> Option<&str> {
        self.field(b'n')
    }

    /// The function of the server's source that reported it.
    pub fn routine(&self) -> Option<&str> {
        self.field(b'R')
    }
}

impl fmt::Debug for DbError {
    /// Without the detail and the context, which may hold what was stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbError")
            .field("severity", &self.severity())
            .field("code", &self.code())
            .field("message", &self.message())
            .field("constraint", &self.constraint())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.severity(), self.message(), self.code())?;
        if let Some(hint) = self.hint() {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for DbError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::proto::{Decoder, Message};

    #[test]
    fn each_field_is_found_and_what_is_not_utf8_does_no_harm() {
        let body =
            b"SFEHLER\0VERROR\0C23505\0Mdoppelter Schl\xfcssel\0Dk=1\0Hwait\0P17\0nusers_pkey\0tusers\0\0";
        let mut bytes = vec![b'E'];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        let mut decoder = Decoder::default();
        let Ok(Some(Message::Error(fields))) = decoder.decode(&mut &bytes[..]) else { panic!("an error") };
        let error = DbError::from_fields(&fields);
        assert_eq!((error.severity(), error.code(), error.is_fatal()), ("ERROR", "23505", false));
        assert_eq!(error.message(), "doppelter Schl\u{fffd}ssel");
        assert_eq!((error.detail(), error.hint(), error.position()), (Some("k=1"), Some("wait"), Some(17)));
        assert_eq!(
            (error.constraint(), error.table(), error.column()),
            (Some("users_pkey"), Some("users"), None)
        );
        assert!(!format!("{error:?} {error}").contains("k=1"), "values of rows stay out of logs");
    }
}
