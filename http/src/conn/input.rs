//! Bytes received and not yet consumed.

use corelane_runtime::buf::{Lease, PoolExhausted, View};

/// The unread bytes of a connection, in one piece.
///
/// Usually this is the lease that the last receive gave, frozen: requests and body chunks are views of it. Only when
/// a head is split over two receives are its parts copied together.
#[derive(Default)]
pub(super) struct Input {
    unread: Option<View>,
}

impl Input {
    pub(super) fn bytes(&self) -> &[u8] {
        self.unread.as_deref().unwrap_or_default()
    }

    /// Puts received bytes behind the unread ones.
    ///
    /// # Errors
    /// If no lease can be had to hold both together.
    pub(super) fn push(&mut self, received: Lease) -> Result<(), PoolExhausted> {
        let Some(unread) = &self.unread else {
            self.unread = (!received.is_empty()).then(|| received.freeze());
            return Ok(());
        };
        let mut joined = Lease::take(unread.len() + received.len())?;
        joined.extend_from_slice(unread).expect("taken for both");
        joined.extend_from_slice(&received).expect("taken for both");
        self.unread = Some(joined.freeze());
        Ok(())
    }

    /// Takes `len` bytes off the front.
    pub(super) fn take(&mut self, len: usize) -> View {
        let unread = self.unread.as_mut().expect("nothing is taken from an empty input");
        if unread.len() == len {
            return self.unread.take().expect("just seen");
        }
        let taken = unread.slice(..len);
        unread.advance(len);
        taken
    }

    /// Drops `len` bytes off the front.
    pub(super) fn skip(&mut self, len: usize) {
        match &mut self.unread {
            Some(unread) if unread.len() > len => unread.advance(len),
            unread => *unread = None,
        }
    }

    /// What is left, for the protocol that the connection is handed to.
    ///
    /// # Errors
    /// If no lease can be had to copy it to.
    pub(super) fn into_rest(self) -> Result<Option<Lease>, PoolExhausted> {
        let Some(unread) = self.unread else { return Ok(None) };
        let mut rest = Lease::take(unread.len())?;
        rest.extend_from_slice(&unread).expect("taken for it");
        Ok(Some(rest))
    }
}
