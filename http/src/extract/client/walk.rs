//! From the peer towards the client.

use std::net::IpAddr;

use corelane_runtime::net::PeerAddr;

use super::node;
use crate::extract::forwarded::{self, Element};
use crate::request::Request;
use crate::server::TrustedProxies;

/// What is believed. Scheme and host are as they were sent.
#[derive(Default)]
pub(super) struct Walked<'r> {
    pub(super) client: Option<IpAddr>,
    pub(super) scheme: Option<&'r [u8]>,
    pub(super) host: Option<&'r [u8]>,
}

pub(super) fn walk(request: &Request) -> Walked<'_> {
    let peer = request.peer();
    let client = match peer {
        PeerAddr::Tcp(address) => Some(address.ip().to_canonical()),
        PeerAddr::Unix | PeerAddr::Memory => None,
    };
    let walked = Walked { client, ..Walked::default() };
    match request.trusted_proxies() {
        Some(proxies) if proxies.trusts(peer) && proxies.uses_forwarded() => {
            walk_forwarded(request, proxies, walked)
        }
        Some(proxies) if proxies.trusts(peer) => walk_x_forwarded(request, proxies, walked),
        _ => walked,
    }
}

/// RFC 7239: each element tells all that its proxy knows.
fn walk_forwarded<'r>(request: &'r Request, proxies: &TrustedProxies, mut walked: Walked<'r>) -> Walked<'r> {
    for element in from_the_right(request, "forwarded").flat_map(forwarded::split_from_right) {
        let Some(element) = Element::parse(element) else { break };
        // An element says nothing of what its proxy did not look at; then the next one towards us counts.
        walked.scheme = element.proto.or(walked.scheme);
        walked.host = element.host.or(walked.host);
        let Some(address) = element.node.and_then(node::address) else { break };
        walked.client = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    walked
}

/// The three lists of old. Proxies append to the first; to the others they append, or replace them.
fn walk_x_forwarded<'r>(
    request: &'r Request,
    proxies: &TrustedProxies,
    mut walked: Walked<'r>,
) -> Walked<'r> {
    let mut believed = 0;
    for entry in entries(request, "x-forwarded-for") {
        believed += 1;
        let Some(address) = node::address(entry) else { break };
        walked.client = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    // The entry of the same proxy; the leftmost if there are fewer. None is taken from left of it: a client wrote that.
    let of_same = |name| entries(request, name).take(believed.max(1)).last();
    walked.scheme = of_same("x-forwarded-proto");
    walked.host = of_same("x-forwarded-host");
    walked
}

fn entries<'r>(request: &'r Request, name: &'static str) -> impl Iterator<Item = &'r [u8]> {
    from_the_right(request, name).flat_map(|line| line.rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The field's lines, the last first. They are one list (RFC 9110 §5.3).
fn from_the_right<'r>(request: &'r Request, name: &'static str) -> impl Iterator<Item = &'r [u8]> {
    request.headers().rev().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
