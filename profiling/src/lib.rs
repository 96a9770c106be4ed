//! What a running process does with its time and its memory.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]
