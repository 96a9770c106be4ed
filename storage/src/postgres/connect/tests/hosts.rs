//! Several hosts.

use super::server::PgServer;
use super::{config, connect, on_core, whole};

#[test]
fn the_first_host_that_will_do_is_taken() {
    let primary = PgServer::start();
    let standby = PgServer::builder().file("standby.signal", "").start();
    let (first, second) = (primary.port(), standby.port());
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    on_core(async {
        for (ports, settings, want) in [
            (vec![first, second], "", Some(first)),
            (vec![nobody, second, first], "", Some(second)),
            (vec![second, first], "target_session_attrs=primary", Some(first)),
            (vec![second, first], "target_session_attrs=read-write", Some(first)),
            (vec![first, second], "target_session_attrs=standby", Some(second)),
            (vec![first, second], "target_session_attrs=read-only", Some(second)),
            (
                vec![second, first],
                "target_session_attrs=read-write options='-c default_transaction_read_only=on'",
                None,
            ),
            (vec![first, second], "target_session_attrs=prefer-standby", Some(second)),
            (vec![first, nobody], "target_session_attrs=prefer-standby", Some(first)),
            (vec![first, nobody], "target_session_attrs=standby", None),
            (vec![nobody], "", None),
        ] {
            let hosts = vec!["127.0.0.1"; ports.len()].join(",");
            let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let text = format!("host={hosts} port={list} {settings}");
            match (connect(&text).await, want) {
                (Ok(established), Some(port)) => assert_eq!(established.host.port, port, "{text}"),
                (Ok(established), None) => panic!("{text}: {}", established.host),
                (Err(error), Some(_)) => panic!("{text}: {}", whole(&error)),
                (Err(error), None) => {
                    let told = whole(&error);
                    for port in ports.iter().filter(|_| ports.len() > 1) {
                        assert!(told.contains(&port.to_string()), "{text}: each host is named: {told}");
                    }
                    assert!(error.is_unavailable(), "{text}: {told}");
                }
            }
        }
        // A host that knows the user, and does not believe them, ends the search.
        let text = format!("host=127.0.0.1,127.0.0.1 port={first},{second} dbname=nothing");
        let Err(error) = connect(&text).await else { panic!("there is no such database") };
        assert_eq!(error.sqlstate(), Some("3D000"));
        assert!(!whole(&error).contains(&second.to_string()), "{}", whole(&error));
    });
}

#[test]
fn hosts_are_tried_in_random_order_if_asked_for() {
    let all: Vec<String> = (1..=16).map(|n| format!("h{n}")).collect();
    let text = format!("host={} load_balance_hosts=random", all.join(","));
    let target = super::super::Target::new(config(&text)).unwrap();
    let given = target.config().hosts.clone();
    let orders: Vec<_> = (0..4).map(|_| target.in_order(given.clone())).collect();
    for order in &orders {
        assert!(given.iter().all(|host| order.contains(host)), "none is lost");
    }
    assert!(orders.iter().any(|order| *order != given), "16! orders, and four times the one that was given");
}
