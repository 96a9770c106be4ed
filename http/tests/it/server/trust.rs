//! The client behind proxies, over a socket. The table of cases is in the crate: `extract/client/tests.rs`.

use corelane_http::app::App;
use corelane_http::extract::{ClientAddr, Host, Scheme};
use corelane_http::server::{Server, TrustedProxies};

use super::Client;

fn app() -> App {
    async fn show(ClientAddr(address): ClientAddr, scheme: Scheme, host: Host) -> String {
        format!("{address} {scheme} {}", &*host)
    }
    App::new().get("/", show)
}

fn ask(server: Server) -> String {
    let server = server.cores(1).driver(crate::driver()).start(app).unwrap();
    let mut client = Client::connect(server.address());
    client.send(
        "GET / HTTP/1.1\r\nhost: inner\r\nx-forwarded-for: 6.6.6.6, 203.0.113.9\r\nx-forwarded-proto: https\r\n\
         x-forwarded-host: shop.example\r\nforwarded: for=198.51.100.1;host=other.example\r\n\r\n",
    );
    let text = client.answer().text().to_owned();
    server.shutdown().unwrap();
    text
}

#[test]
fn only_named_proxies_are_believed() {
    let bind = || Server::bind("127.0.0.1:0");
    assert_eq!(ask(bind()), "127.0.0.1 http inner");
    assert_eq!(ask(bind().trusted_proxies(["10.0.0.0/8"])), "127.0.0.1 http inner");
    assert_eq!(ask(bind().trusted_proxies(["127.0.0.0/8"])), "203.0.113.9 https shop.example");
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap().forwarded();
    assert_eq!(ask(bind().trust(proxies)), "198.51.100.1 http other.example");
}

#[test]
fn an_entry_that_is_none_is_told_at_start() {
    let Err(error) = Server::bind("127.0.0.1:0").trusted_proxies(["127.0.0.1/8"]).start(app) else {
        panic!("a wrong list of proxies may not be dropped")
    };
    assert!(error.to_string().contains("`127.0.0.1/8`"), "{error}");
}
