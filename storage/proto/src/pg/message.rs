//! What a server says.

use super::error::DecodeError;
use super::parts::{Columns, Fields, Mechanisms, Oids, RowBody};
use super::read::Reader;

/// One message of a server, checked to its end. It borrows from what was received.
///
/// See [Message Formats](https://www.postgresql.org/docs/current/protocol-message-formats.html).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A step of the authentication, or its success.
    Authentication(Authentication<'a>),
    /// What a request to cancel has to name.
    BackendKeyData {
        /// The server's process.
        process_id: i32,
        /// Four bytes in protocol 3.0, up to 256 in 3.2.
        secret_key: &'a [u8],
    },
    /// A setting has this value, now.
    ParameterStatus {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// The server does not speak the minor version or the options that were asked for.
    NegotiateVersion {
        /// The newest minor version it does.
        newest: i32,
        /// How many options it does not know.
        unknown_options: i32,
    },
    /// The server waits for the next command.
    Ready(Status),
    /// The command failed.
    Error(Fields<'a>),
    /// Something that is no answer: a warning, for instance.
    Notice(Fields<'a>),
    /// Somebody notified a channel that this connection listens to.
    Notification {
        /// The process of the connection that did.
        process_id: i32,
        /// The channel.
        channel: &'a str,
        /// What was said with it.
        payload: &'a str,
    },
    /// A statement was prepared.
    ParseComplete,
    /// A portal was made.
    BindComplete,
    /// A statement or portal is gone.
    CloseComplete,
    /// The statement gives no rows.
    NoData,
    /// The types of a statement's parameters.
    ParameterDescription(Oids<'a>),
    /// The columns of the rows that will come.
    RowDescription(Columns<'a>),
    /// A row.
    Row(RowBody<'a>),
    /// A command is done.
    Complete(Tag<'a>),
    /// The command was empty.
    EmptyQuery,
    /// The portal has given as many rows as were asked for, and may have more.
    PortalSuspended,
    /// The server waits for data.
    CopyIn(CopyFormat),
    /// Data will come.
    CopyOut(CopyFormat),
    /// A piece of it.
    CopyData(&'a [u8]),
    /// That was all of it.
    CopyDone,
}

/// Whether a transaction is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// None is.
    Idle,
    /// One is.
    Transaction,
    /// One is, and has failed: everything but its end is refused.
    Failed,
}

/// What the server asks for before it lets anybody in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Authentication<'a> {
    /// Nothing more.
    Ok,
    /// The password as it is.
    Cleartext,
    /// The password and the user's name, hashed with this salt.
    Md5 {
        /// The salt.
        salt: [u8; 4],
    },
    /// SASL, by one of these mechanisms.
    Sasl(Mechanisms<'a>),
    /// The server's part of SASL.
    SaslContinue(&'a [u8]),
    /// The server's last part of SASL.
    SaslFinal(&'a [u8]),
    /// A method that this crate does not know, by its number: GSSAPI, SSPI.
    Other(i32),
}

/// How the data of a `COPY` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    /// In the binary format; as text or CSV else.
    pub is_binary: bool,
    /// How many columns it has.
    pub columns: u16,
}

/// What a command says that it has done: `INSERT 0 5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a>(&'a str);

impl<'a> Tag<'a> {
    /// As it came.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The number at its end: the rows that were changed, found or copied. Zero if there is none.
    #[inline]
    pub fn rows(&self) -> u64 {
        let mut rows = 0u64;
        let mut place = 1u64;
        for &byte in self.0.as_bytes().iter().rev() {
            match byte {
                b'0'..=b'9' => {
                    rows = rows.saturating_add(place.saturating_mul(u64::from(byte - b'0')));
                    place = place.saturating_mul(10);
                }
                b' ' => return rows,
                _ => return 0,
            }
        }
        // A number alone is no tag.
        0
    }
}

impl<'a> Message<'a> {
    #[inline]
    pub(super) fn parse(tag: u8, body: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        match tag {
            b'D' => RowBody::parse(body).map(Message::Row),
            b'2' => Ok(Message::BindComplete),
            b'C' => {
                let mut reader = Reader::new(tag, body);
                let text = reader.text()?;
                reader.end()?;
                Ok(Message::Complete(Tag(text)))
            }
            b'Z' => match body {
                b"I" => Ok(Message::Ready(Status::Idle)),
                b"T" => Ok(Message::Ready(Status::Transaction)),
                b"E" => Ok(Message::Ready(Status::Failed)),
                _ => Err(Reader::new(tag, body).wrong("its status is not I, T or E")),
            },
            b'd' => Ok(Message::CopyData(body)),
            _ => Message::parse_rare(tag, body),
        }
    }

    #[cold]
    fn parse_rare(tag: u8, body: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let mut reader = Reader::new(tag, body);
        let message = match tag {
            b'1' => Message::ParseComplete,
            b'3' => Message::CloseComplete,
            b'n' => Message::NoData,
            b's' => Message::PortalSuspended,
            b'I' => Message::EmptyQuery,
            b'c' => Message::CopyDone,
            b'E' => return Fields::parse(tag, body).map(Message::Error),
            b'N' => return Fields::parse(tag, body).map(Message::Notice),
            b'T' => return Columns::parse(body).map(Message::RowDescription),
            b't' => return Oids::parse(body).map(Message::ParameterDescription),
            b'R' => return authentication(reader).map(Message::Authentication),
            b'S' => Message::ParameterStatus { name: reader.text()?, value: reader.text()? },
            b'A' => Message::Notification {
                process_id: reader.i32()?,
                channel: reader.text()?,
                payload: reader.text()?,
            },
            b'K' => {
                let process_id = reader.i32()?;
                let secret_key = reader.rest();
                if !(4..=256).contains(&secret_key.len()) {
                    return Err(reader.wrong("a secret key has 4 to 256 bytes"));
                }
                return Ok(Message::BackendKeyData { process_id, secret_key });
            }
            b'G' => return copy_format(reader).map(Message::CopyIn),
            b'H' => return copy_format(reader).map(Message::CopyOut),
            b'v' => {
                let (newest, unknown_options) = (reader.i32()?, reader.i32()?);
                for _ in 0..unknown_options {
                    reader.text_bytes()?;
                }
                Message::NegotiateVersion { newest, unknown_options }
            }
            other => return Err(DecodeError::TypeUnknown(other)),
        };
        reader.end()?;
        Ok(message)
    }
}

fn authentication(mut reader: Reader<'_>) -> Result<Authentication<'_>, DecodeError> {
    let step = match reader.i32()? {
        0 => Authentication::Ok,
        3 => Authentication::Cleartext,
        5 => Authentication::Md5 { salt: reader.salt()? },
        10 => return Mechanisms::parse(reader).map(Authentication::Sasl),
        11 => return Ok(Authentication::SaslContinue(reader.rest())),
        12 => return Ok(Authentication::SaslFinal(reader.rest())),
        other => return Ok(Authentication::Other(other)),
    };
    reader.end()?;
    Ok(step)
}

fn copy_format(mut reader: Reader<'_>) -> Result<CopyFormat, DecodeError> {
    let is_binary = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(reader.wrong("its format is neither text nor binary")),
    };
    let columns = reader.u16()?;
    for _ in 0..columns {
        reader.u16()?;
    }
    reader.end()?;
    Ok(CopyFormat { is_binary, columns })
}
