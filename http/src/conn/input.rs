//! Bytes received and not yet consumed.

use corelane_runtime::buf::{LEASE_LARGE, Lease, PoolExhausted, View};

// So that a head, however much came behind it, is never cut short by what one lease holds.
const _: () = assert!((u16::MAX as usize) < LEASE_LARGE, "the longest head fits one lease");

/// The unread bytes of a connection, in one piece.
///
/// Usually this is the lease that the last receive gave, frozen: requests and body chunks are views of it. Only when
/// a head is split over two receives are its parts copied together.
#[derive(Default)]
pub(crate) struct Input {
    /// Invariant: not empty.
    unread: Option<View>,
    /// What comes behind `unread` and did not fit into one lease with it. Invariant: not empty, and none if `unread`
    /// is none.
    behind: Option<View>,
}

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.unread.as_deref().unwrap_or_default()
    }

    /// Puts received bytes behind the unread ones, once [`Input::advance`] has said that there is nothing else.
    ///
    /// # Errors
    /// If no lease can be had to hold both together.
    pub(crate) fn push(&mut self, received: Lease) -> Result<(), PoolExhausted> {
        debug_assert!(!received.is_empty() && self.behind.is_none(), "received when there is nothing else");
        self.append(received.freeze())
    }

    /// Puts as many bytes behind the unread ones as one lease holds, and the rest behind that.
    fn append(&mut self, mut more: View) -> Result<(), PoolExhausted> {
        let Some(unread) = &self.unread else {
            self.unread = Some(more);
            return Ok(());
        };
        let mut joined = Lease::take((unread.len() + more.len()).min(LEASE_LARGE))?;
        joined.extend_from_slice(unread).expect("taken for it");
        let fits = more.len().min(joined.spare_len());
        joined.extend_from_slice(&more[..fits]).expect("no more than fits");
        self.unread = Some(joined.freeze());
        more.advance(fits);
        self.behind = (!more.is_empty()).then_some(more);
        Ok(())
    }

    /// Drops `consumed` bytes off the front. True if there is more to look at before anything is received.
    ///
    /// # Errors
    /// If no lease can be had to put together what came in two receives.
    pub(crate) fn advance(&mut self, consumed: usize) -> Result<bool, PoolExhausted> {
        self.skip(consumed);
        if consumed > 0 && self.unread.is_some() {
            return Ok(true);
        }
        match self.behind.take() {
            Some(behind) => self.append(behind).map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes `len` bytes off the front.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> View {
        let unread = self.unread.as_mut().expect("nothing is taken from an empty input");
        if unread.len() == len {
            let taken = self.unread.take().expect("just seen");
            self.unread = self.behind.take();
            return taken;
        }
        let taken = unread.slice(..len);
        unread.advance(len);
        taken
    }

    /// Drops `len` bytes off the front.
    pub(crate) fn skip(&mut self, len: usize) {
        match &mut self.unread {
            Some(unread) if unread.len() > len => unread.advance(len),
            unread => *unread = self.behind.take(),
        }
    }

    /// What is left, for the protocol that the connection is handed to.
    ///
    /// # Errors
    /// If no lease can be had to copy it to, or the peer sent more than one holds before it was answered.
    pub(crate) fn into_rest(self) -> Result<Option<Lease>, PoolExhausted> {
        let Some(unread) = self.unread else { return Ok(None) };
        let behind = self.behind.as_deref().unwrap_or_default();
        let mut rest = Lease::take(unread.len() + behind.len())?;
        rest.extend_from_slice(&unread).expect("taken for both");
        rest.extend_from_slice(behind).expect("taken for both");
        Ok(Some(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(bytes: &[u8]) -> Lease {
        let mut lease = Lease::take(bytes.len()).unwrap();
        lease.extend_from_slice(bytes).unwrap();
        lease
    }

    /// Whatever was unread when a full lease came behind it, no byte is lost and none comes twice.
    #[test]
    fn what_does_not_fit_one_lease_comes_behind() {
        let stream: Vec<u8> = (0..3 * LEASE_LARGE).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for unread in [1, 100, 4096, LEASE_LARGE - 10] {
            let mut input = Input::default();
            input.push(lease(&stream[..LEASE_LARGE])).unwrap();
            assert!(input.advance(LEASE_LARGE - unread).unwrap(), "{unread} bytes are left to look at");
            assert!(!input.advance(0).unwrap(), "and were looked at");
            input.push(lease(&stream[LEASE_LARGE..2 * LEASE_LARGE])).unwrap();
            assert_eq!(
                input.bytes(),
                &stream[LEASE_LARGE - unread..][..LEASE_LARGE],
                "as much as a lease holds"
            );

            // A head that ends inside what was joined, then the rest, which moves to the front by itself or is joined.
            let head = input.take(LEASE_LARGE - 10);
            assert_eq!(head[..], stream[LEASE_LARGE - unread..][..LEASE_LARGE - 10]);
            assert!(input.advance(0).unwrap(), "there is more behind the last ten bytes");
            assert_eq!(input.bytes(), &stream[2 * LEASE_LARGE - unread - 10..2 * LEASE_LARGE], "{unread}");
            assert!(!input.advance(0).unwrap());
            assert!(!input.advance(unread + 10).unwrap());
            assert!(input.bytes().is_empty());
        }
    }
}
