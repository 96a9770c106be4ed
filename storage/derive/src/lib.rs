//! Derive macros of the PostgreSQL client.
