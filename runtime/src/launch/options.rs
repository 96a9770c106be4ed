//! How the ring driver is to be.

use std::fmt;
use std::time::Duration;

/// Choices of the ring driver. The other drivers take no notice of them.
///
/// What each is worth was measured on and off: `docs/runtime.md`. What the kernel lacks is done
/// without and said in [`RuntimeInfo::notes`](super::RuntimeInfo::notes);
/// [`RuntimeInfo::ring_options`](super::RuntimeInfo::ring_options) tells what is in force.
///
/// ```
/// use corelane_runtime::{Builder, RingOptions};
///
/// let options = RingOptions { zero_copy_from: Some(256 * 1024), ..RingOptions::default() };
/// let answer = Builder::default().ring_options(options).block_on(async { 42 })?;
/// assert_eq!(answer, 42);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingOptions {
    /// Sends of at least so many bytes are handed to the network card without a copy (Linux 6.1).
    /// Default `None`: never. It takes a card and driver that gather memory, a few tens of
    /// kilobytes a send, and room under `RLIMIT_MEMLOCK`; over loopback the kernel copies all the same.
    /// The memory sent stays in use until the peer has acknowledged it.
    pub zero_copy_from: Option<usize>,
    /// Calls between cores wake each other through their rings (`IORING_OP_MSG_RING`), which goes with
    /// what the turn submits in any case, instead of by a write to an eventfd. Default false: it
    /// measured no better, and slower between cores that are both busy.
    pub message_doorbells: bool,
    /// How long a core that has nothing to do watches its completion queue before it sleeps. Default
    /// `None`: not at all. Saves the time of falling asleep and waking up, and takes that much
    /// processor time each time. For cores of one's own.
    pub busy_poll: Option<Duration>,
    /// A kernel thread takes submissions (`IORING_SETUP_SQPOLL`), and sleeps after so long without
    /// any, in whole milliseconds and one at least. Default `None`: the core submits. Each core then
    /// wants a second processor; sends are all answered by completions, and completions are not
    /// deferred.
    pub submission_poll: Option<Duration>,
}

impl RingOptions {
    /// None of it: the default, and what drivers other than the ring do.
    pub(crate) const NONE: RingOptions = RingOptions {
        zero_copy_from: None,
        message_doorbells: false,
        busy_poll: None,
        submission_poll: None,
    };
}

impl fmt::Display for RingOptions {
    /// What is in force, each with a comma before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.zero_copy_from {
            write!(f, ", zero-copy sends from {bytes} bytes")?;
        }
        if self.message_doorbells {
            f.write_str(", doorbells by message")?;
        }
        if let Some(time) = self.busy_poll {
            write!(f, ", busy polling for {time:?}")?;
        }
        if let Some(time) = self.submission_poll {
            write!(f, ", submissions polled, asleep after {time:?}")?;
        }
        Ok(())
    }
}
