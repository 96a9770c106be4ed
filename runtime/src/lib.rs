//! One pinned thread and one ring per core.
