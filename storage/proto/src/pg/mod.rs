//! The PostgreSQL protocol, version 3: <https://www.postgresql.org/docs/current/protocol.html>.
