//! Who is believed, and attempts to be somebody else.

use corelane_runtime::net::PeerAddr;

use crate::request::Request;
use crate::server::TrustedProxies;

const PROXY: &str = "10.0.0.5:4711";

fn request(peer: &str, forwarded: bool, fields: &[(&str, &str)]) -> Request {
    let peer = peer.parse().map_or(PeerAddr::Unix, PeerAddr::Tcp);
    let proxies = TrustedProxies::new(["10.0.0.0/28", "2001:db8::/64"]).unwrap();
    let proxies = if forwarded { proxies.forwarded() } else { proxies };
    let builder = Request::builder("GET", "/").peer(peer).trusted_proxies(proxies).header("host", "inner");
    fields.iter().fold(builder, |builder, (name, value)| builder.header(name, value)).build()
}

fn client(request: &Request) -> String {
    request.client_addr().map_or("none".to_owned(), |address| address.to_string())
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    for (why, peer, lines, want) in [
        ("nothing forwarded", PROXY, &[][..], "10.0.0.5"),
        ("one proxy", PROXY, &["203.0.113.9"], "203.0.113.9"),
        ("two", PROXY, &["203.0.113.9, 10.0.0.6"], "203.0.113.9"),
        ("over two lines", PROXY, &["203.0.113.9", "10.0.0.6"], "203.0.113.9"),
        ("with a port", PROXY, &["203.0.113.9:80"], "203.0.113.9"),
        ("IPv6", "[2001:db8::5]:1", &["[2001:dead::1]:99"], "2001:dead::1"),
        ("a proxy in the form of IPv6", "[::ffff:10.0.0.5]:1", &["203.0.113.9"], "203.0.113.9"),
        ("only proxies", PROXY, &["10.0.0.7, 10.0.0.6"], "10.0.0.7"),
        ("spoofed: from an untrusted peer", "203.0.113.9:1", &["6.6.6.6"], "203.0.113.9"),
        (
            "spoofed: as a trusted proxy, from an untrusted peer",
            "203.0.113.9:1",
            &["10.0.0.6"],
            "203.0.113.9",
        ),
        ("spoofed: left of the client", PROXY, &["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("spoofed: a proxy left of the client", PROXY, &["6.6.6.6, 10.0.0.6, 203.0.113.9"], "203.0.113.9"),
        ("spoofed: a line of its own", PROXY, &["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("spoofed: a network that looks like ours", PROXY, &["6.6.6.6, 10.0.0.16"], "10.0.0.16"),
        ("malformed at the right: the peer stands", PROXY, &["6.6.6.6, unknown"], "10.0.0.5"),
        ("malformed behind a proxy: that stands", PROXY, &["6.6.6.6, x, 10.0.0.6"], "10.0.0.6"),
        ("an empty entry is malformed", PROXY, &["6.6.6.6,"], "10.0.0.5"),
        ("an octet with a zero before it", PROXY, &["010.0.0.6"], "10.0.0.5"),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        assert_eq!(client(&request(peer, false, &fields)), want, "{why}");
    }
}

#[test]
fn one_kind_of_field_is_believed() {
    let both = [("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "203.0.113.9")];
    let old = request(PROXY, false, &both);
    assert_eq!((client(&old), old.scheme().as_str()), ("203.0.113.9".to_owned(), "http"));
    let new = request(PROXY, true, &both);
    assert_eq!((client(&new), new.scheme().as_str()), ("6.6.6.6".to_owned(), "https"));
    let other = request(PROXY, false, &[("x-real-ip", "6.6.6.6"), ("client-ip", "6.6.6.6")]);
    assert_eq!(client(&other), "10.0.0.5");
}

#[test]
fn forwarded_is_read_from_the_right() {
    for (why, peer, line, want) in [
        ("one proxy", PROXY, "for=203.0.113.9;proto=https;host=a.example", "203.0.113.9 https a.example"),
        (
            "two, of which the outer knows the scheme",
            PROXY,
            "for=203.0.113.9;proto=https, for=10.0.0.6",
            "203.0.113.9 https inner",
        ),
        (
            "the inner fills in what the outer leaves out",
            PROXY,
            "for=203.0.113.9, for=10.0.0.6;host=b",
            "203.0.113.9 http b",
        ),
        ("IPv6", PROXY, "for=\"[2001:dead::1]:80\"", "2001:dead::1 http inner"),
        (
            "hidden: the proxy's word on the rest counts",
            PROXY,
            "for=6.6.6.6, for=_a;proto=https",
            "10.0.0.5 https inner",
        ),
        ("unknown", PROXY, "for=6.6.6.6, for=unknown", "10.0.0.5 http inner"),
        (
            "spoofed: from an untrusted peer",
            "203.0.113.9:1",
            "for=6.6.6.6;proto=https;host=evil",
            "203.0.113.9 http inner",
        ),
        (
            "spoofed: left of the client",
            PROXY,
            "for=6.6.6.6;host=evil, for=203.0.113.9",
            "203.0.113.9 http inner",
        ),
        (
            "spoofed: an open quote before it",
            PROXY,
            "for=\"6.6.6.6, for=203.0.113.9",
            "203.0.113.9 http inner",
        ),
        (
            "malformed: the peer stands",
            PROXY,
            "for=6.6.6.6, for=203.0.113.9;for=1.1.1.1",
            "10.0.0.5 http inner",
        ),
        ("a host that is none", PROXY, "for=203.0.113.9;host=\"a b\"", "203.0.113.9 http inner"),
        ("a host with a path", PROXY, "for=203.0.113.9;host=\"a/b\"", "203.0.113.9 http inner"),
    ] {
        let request = request(peer, true, &[("forwarded", line)]);
        let found = format!("{} {} {}", client(&request), request.scheme(), request.external_host());
        assert_eq!(found, want, "{why}");
    }
}

#[test]
fn scheme_and_host_come_from_the_proxy_that_saw_the_client() {
    for (why, peer, chain, proto, want) in [
        ("replaced", PROXY, "203.0.113.9", "https", "https"),
        ("any case", PROXY, "203.0.113.9", "HTTPS", "https"),
        ("of WebSocket, as some send it", PROXY, "203.0.113.9", "wss", "https"),
        ("appended by two", PROXY, "203.0.113.9, 10.0.0.6", "https, http", "https"),
        ("replaced by the inner of two", PROXY, "203.0.113.9, 10.0.0.6", "https", "https"),
        ("spoofed: left of the proxy's", PROXY, "203.0.113.9", "https, http", "http"),
        ("spoofed: left of two", PROXY, "203.0.113.9, 10.0.0.6", "https, http, http", "http"),
        ("spoofed: from an untrusted peer", "203.0.113.9:1", "10.0.0.6", "https", "http"),
        ("malformed", PROXY, "203.0.113.9", "ftp", "http"),
        ("without a chain", PROXY, "", "https", "https"),
    ] {
        let mut fields = vec![("x-forwarded-proto", proto), ("x-forwarded-host", proto)];
        if !chain.is_empty() {
            fields.push(("x-forwarded-for", chain));
        }
        assert_eq!(request(peer, false, &fields).scheme().as_str(), want, "{why}");
    }
    let host = |peer, value| {
        let fields = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", value)];
        request(peer, false, &fields).external_host().to_owned()
    };
    assert_eq!(host(PROXY, "shop.example:8443"), "shop.example:8443");
    assert_eq!(host(PROXY, "evil, shop.example"), "shop.example");
    assert_eq!(host(PROXY, "shop.example/evil"), "inner");
    assert_eq!(host(PROXY, "user@shop.example"), "inner");
    assert_eq!(host("203.0.113.9:1", "evil"), "inner");
}

#[test]
fn a_unix_socket_is_trusted_by_choice() {
    let fields = [("x-forwarded-for", "203.0.113.9")];
    assert_eq!(client(&request("unix", false, &fields)), "none");
    let unix = TrustedProxies::default().unix();
    let request = Request::builder("GET", "/")
        .peer(PeerAddr::Unix)
        .trusted_proxies(unix)
        .header("x-forwarded-for", "203.0.113.9")
        .build();
    assert_eq!(client(&request), "203.0.113.9");
    let nobody = Request::builder("GET", "/")
        .peer(PeerAddr::Tcp(PROXY.parse().unwrap()))
        .header(fields[0].0, fields[0].1);
    assert_eq!(client(&nobody.build()), "10.0.0.5", "nobody is trusted unless named");
}
