//! A PostgreSQL client that belongs to a core.
