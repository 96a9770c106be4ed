//! The PostgreSQL client against PostgreSQL 15.

mod basics;
mod drops;
mod faults;
mod hostile;
mod migrations;
mod pool;
mod server;
mod transactions;
mod types;

use corelane_storage::postgres::{Config, Connection};

use crate::support::pg_server::PgServer;

pub(crate) fn config(server: &PgServer) -> Config {
    Config::parse(&server.url()).unwrap()
}

pub(crate) async fn connect(server: &PgServer) -> Connection {
    Connection::connect(&config(server)).await.unwrap()
}
