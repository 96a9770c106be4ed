//! The PostgreSQL client against PostgreSQL 15.

mod server;
