//! The tests' own server does what the other tests rely on.

use crate::support::pg_server::PgServer;

#[test]
fn a_server_starts_is_killed_and_starts_again_with_its_data() {
    let mut server = PgServer::builder().set("max_connections", "17").start();
    assert_eq!(server.psql("show max_connections").trim(), "17");
    server.psql("create table kept (n int); insert into kept values (7)");
    server.kill();
    server.restart();
    assert_eq!(server.psql("select n from kept").trim(), "7");
    server.stop();
    server.restart();
    assert_eq!(server.psql("select n from kept").trim(), "7");
}
