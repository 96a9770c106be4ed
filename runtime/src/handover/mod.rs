//! Listening sockets that pass from one process to the next.
//!
//! A [`Successor`] is a new process that is started with the descriptors of this one. It finds them with
//! [`from_predecessor`], tells with [`Ready`] that it serves, and this process ends then. If it fails before, this one goes
//! on: nothing was taken from it. Both hold the same sockets, so the queue of connections that nobody has accepted yet is never
//! without an owner.
//!
//! [`from_supervisor`] takes the sockets that systemd has made (`sd_listen_fds(3)`).
//!
//! Both may be called once in a process: the descriptors belong to whoever asks first.
//!
//! ```
//! // This process was started by nobody who has passed anything.
//! assert!(corelane_runtime::handover::from_predecessor().is_none());
//! assert!(corelane_runtime::handover::from_supervisor().is_empty());
//! ```

mod inherit;
mod successor;

pub use self::inherit::{Inherited, Predecessor, Ready, from_predecessor, from_supervisor};
pub use self::successor::{Outcome, Successor};

/// Says to a successor what it was given: the process that started it, the descriptor that [`Ready`] writes to, and on each
/// further line a descriptor and its name.
const TABLE: &str = "CORELANE_HANDOVER";
