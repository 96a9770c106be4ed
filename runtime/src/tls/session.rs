//! One connection: records in and out of leases.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read, Write};
use std::rc::Rc;

use rustls::{Connection, ProtocolVersion};

use super::error::TlsError;
use crate::buf::{Batch, LEASE_LARGE, LEASE_MEDIUM, Lease};
use crate::net::Stream;

/// What rustls keeps of a connection; shared by the two halves of a split stream.
pub(crate) struct Session {
    connection: RefCell<Connection>,
    /// Received and not yet given to rustls, which takes no more than it can decipher into its own bounded buffer.
    undeciphered: RefCell<Option<Lease>>,
    /// The peer closed the connection under TLS.
    transport_ended: Cell<bool>,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Rc<Session> {
        Rc::new(Session {
            connection: RefCell::new(connection),
            undeciphered: RefCell::new(None),
            transport_ended: Cell::new(false),
        })
    }

    /// Plain bytes that are there; an empty lease at the end; `None` if more has to be received first.
    fn plain(&self) -> io::Result<Option<Lease>> {
        let mut connection = self.connection.borrow_mut();
        let mut lease = Lease::take(LEASE_MEDIUM)?;
        loop {
            // rustls reads into initialised memory; its buffer holds at most one lease of this size.
            let mut bytes = [0; LEASE_MEDIUM];
            let room = lease.spare_len();
            match connection.reader().read(&mut bytes[..room]) {
                Ok(0) => return Ok(Some(lease)),
                Ok(n) => {
                    lease.extend_from_slice(&bytes[..n])?;
                    return Ok(Some(lease));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if !self.decipher(&mut connection)? {
                return Ok(None);
            }
        }
    }

    /// Gives rustls some of what was received; false if nothing is left.
    fn decipher(&self, connection: &mut Connection) -> io::Result<bool> {
        let mut waiting = self.undeciphered.borrow_mut();
        let taken = match &mut *waiting {
            Some(lease) => {
                let n = connection.read_tls(&mut &lease[..])?;
                lease.advance(n);
                if lease.is_empty() {
                    *waiting = None;
                }
                n > 0
            }
            None if self.transport_ended.get() => {
                // Told once: rustls then knows an end without notice from one with it.
                connection.read_tls(&mut io::empty())?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            None => false,
        };
        if taken {
            connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(taken)
    }

    /// Takes what the stream under it has received.
    pub(super) fn received(&self, lease: Lease) {
        if lease.is_empty() {
            self.transport_ended.set(true);
        } else {
            debug_assert!(self.undeciphered.borrow().is_none(), "the one before is deciphered first");
            *self.undeciphered.borrow_mut() = Some(lease);
        }
    }

    /// Enciphers some of `plain`: how much of it, and what to send for it.
    fn encipher(&self, plain: &[u8]) -> io::Result<(usize, Lease)> {
        let mut connection = self.connection.borrow_mut();
        let mut lease = Lease::take(LEASE_LARGE)?;
        // What is queued already, and then half a lease of new bytes: records and their frames fit.
        let n = if connection.wants_write() {
            0
        } else {
            connection.writer().write(&plain[..plain.len().min(LEASE_LARGE / 2)])?
        };
        while connection.wants_write() && lease.spare_len() > 0 {
            connection.write_tls(&mut lease)?;
        }
        Ok((n, lease))
    }

    fn has_output(&self) -> bool {
        self.connection.borrow().wants_write()
    }
}

/// One side, or one half of a side, of a TLS connection over a stream of its own.
pub(crate) struct Side {
    session: Rc<Session>,
    pub(crate) under: Stream,
    /// A send has begun and has not ended in success: what the peer has is not known.
    broken: bool,
}

impl Side {
    pub(super) fn new(session: Rc<Session>, under: Stream) -> Side {
        Side { session, under, broken: false }
    }

    /// As [`Stream::recv`]. May be dropped at any await: what was received is in the session.
    pub(crate) async fn recv(&mut self) -> io::Result<Lease> {
        loop {
            if let Some(lease) = self.session.plain()? {
                return Ok(lease);
            }
            let lease = self.under.recv().await?;
            self.session.received(lease);
        }
    }

    /// As [`Stream::send`].
    pub(crate) async fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut done = 0;
        while done < plain.len() || self.session.has_output() {
            let (n, records) = self.session.encipher(&plain[done..])?;
            done += n;
            self.under.send(records).await?;
        }
        self.broken = false;
        Ok(())
    }

    /// As [`Stream::send_vectored`].
    pub(crate) async fn send_batch(&mut self, mut batch: Batch) -> io::Result<()> {
        while batch.left() > 0 {
            let n = batch.front().len();
            self.send(batch.front()).await?;
            batch.advance(n);
        }
        Ok(())
    }

    /// Sends the notice that nothing more comes.
    pub(crate) async fn notify_end(&mut self) -> io::Result<()> {
        self.session.connection.borrow_mut().send_close_notify();
        self.send(&[]).await
    }

    /// The same side over a twin of the stream under it.
    pub(crate) fn twin(&self) -> io::Result<Side> {
        Ok(Side::new(Rc::clone(&self.session), self.under.twin()?))
    }
}

/// Runs the handshake to its end.
pub(super) async fn shake_hands(mut under: Stream, session: Rc<Session>) -> Result<Stream, TlsError> {
    loop {
        while session.has_output() {
            let (_, records) = session.encipher(&[])?;
            under.send(records).await?;
        }
        if !session.connection.borrow().is_handshaking() {
            return Ok(Stream::secured(Side::new(session, under)));
        }
        if session.undeciphered.borrow().is_none() {
            let lease = under.recv().await?;
            if lease.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            session.received(lease);
        }
        let deciphered = {
            let mut connection = session.connection.borrow_mut();
            handshake_step(&session, &mut connection)
        };
        if let Err(error) = deciphered {
            // Tell the peer why, if it still listens.
            if let Ok((_, alert)) = session.encipher(&[]) {
                let _gone = under.send(alert).await;
            }
            return Err(error);
        }
    }
}

fn handshake_step(session: &Session, connection: &mut Connection) -> Result<(), TlsError> {
    let mut waiting = session.undeciphered.borrow_mut();
    if let Some(lease) = &mut *waiting {
        let n = connection.read_tls(&mut &lease[..])?;
        lease.advance(n);
        if lease.is_empty() {
            *waiting = None;
        }
    }
    connection.process_new_packets()?;
    Ok(())
}

/// What a TLS connection has agreed on. See [`Stream::tls`].
pub struct TlsInfo<'a> {
    side: &'a Side,
}

impl<'a> TlsInfo<'a> {
    pub(super) fn new(side: &'a Side) -> TlsInfo<'a> {
        TlsInfo { side }
    }

    /// `TLSv1.2` or `TLSv1.3`.
    pub fn version(&self) -> &'static str {
        match self.side.session.connection.borrow().protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        }
    }

    /// The application protocol that both sides speak, if they agreed on one (RFC 7301).
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.side.session.connection.borrow().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// The peer's own certificate, DER, if it has shown one. Channel binding hashes it (RFC 5929 section 4).
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        let connection = self.side.session.connection.borrow();
        connection.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec())
    }
}

impl fmt::Debug for TlsInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo").field("version", &self.version()).field("alpn", &self.alpn()).finish()
    }
}
