//! How many files and sockets the process may have open.
//!
//! ```
//! let limit = corelane_runtime::descriptors::raise_limit();
//! assert!(limit.is_none_or(|limit| limit > 0));
//! ```

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one, and returns the limit in force; `None`
/// is no limit.
///
/// The soft limit is 1,024 on most systems, for the sake of programs that use `select`; a server
/// that keeps to it turns connections away. Programs started by this process inherit the limit.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        // Not allowed to: what is in force stays.
        Err(_) => limit.current,
    }
}
