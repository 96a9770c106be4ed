//! What a server says before the first command, in a form that outlives the buffer it came in.

use std::sync::Arc;

use crate::postgres::DbError;
use crate::postgres::proto::{Authentication, Message};

/// A server's message during startup.
pub(super) enum Step {
    Authenticated,
    Cleartext,
    Md5([u8; 4]),
    /// Which of the mechanisms that we know are offered.
    Sasl {
        plain: bool,
        plus: bool,
    },
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
    /// A method that is not known here, by its number.
    OtherMethod(i32),
    Key {
        process_id: i32,
        secret_key: Vec<u8>,
    },
    Parameter(String, String),
    Ready,
    /// The first value of a row, as text.
    Row(Option<Vec<u8>>),
    Error(Arc<DbError>),
    /// Notices, and what frames a row.
    PassOver,
    /// What has no place here.
    Unexpected(&'static str),
}

impl Step {
    pub(super) fn of(message: Message<'_>) -> Step {
        match message {
            Message::Authentication(authentication) => Step::authentication(authentication),
            Message::BackendKeyData { process_id, secret_key } => {
                Step::Key { process_id, secret_key: secret_key.to_vec() }
            }
            Message::ParameterStatus { name, value } => Step::Parameter(name.to_owned(), value.to_owned()),
            Message::Ready(_) => Step::Ready,
            Message::Row(row) => Step::Row(row.values().next().flatten().map(<[u8]>::to_vec)),
            Message::Error(fields) => Step::Error(Arc::new(DbError::from_fields(&fields))),
            Message::Notice(fields) => {
                let notice = DbError::from_fields(&fields);
                tracing::debug!(
                    severity = notice.severity(),
                    message = notice.message(),
                    "postgresql notice"
                );
                Step::PassOver
            }
            Message::RowDescription(_) | Message::Complete(_) | Message::NegotiateVersion { .. } => {
                Step::PassOver
            }
            _ => Step::Unexpected("a message of a statement, before there was one"),
        }
    }

    fn authentication(authentication: Authentication<'_>) -> Step {
        match authentication {
            Authentication::Ok => Step::Authenticated,
            Authentication::Cleartext => Step::Cleartext,
            Authentication::Md5 { salt } => Step::Md5(salt),
            Authentication::Sasl(mechanisms) => {
                let (mut plain, mut plus) = (false, false);
                for name in mechanisms {
                    plain |= name == "SCRAM-SHA-256";
                    plus |= name == "SCRAM-SHA-256-PLUS";
                }
                Step::Sasl { plain, plus }
            }
            Authentication::SaslContinue(data) => Step::SaslContinue(data.to_vec()),
            Authentication::SaslFinal(data) => Step::SaslFinal(data.to_vec()),
            Authentication::Other(number) => Step::OtherMethod(number),
            _ => Step::OtherMethod(-1),
        }
    }
}
