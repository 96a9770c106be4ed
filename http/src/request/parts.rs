//! What a request consists of, in boxes that a core uses again.

use std::cell::RefCell;
use std::rc::Rc;

use corelane_http_proto::head::RequestHead;
use corelane_runtime::buf::View;
use corelane_runtime::net::PeerAddr;

use super::extensions::Extensions;
use super::params::ParamSpans;
use crate::body::Body;
use crate::router::Route;
use crate::server::Way;

/// Boxes kept by a core for reuse. More than this many requests at once allocate; what comes back over it is freed.
const KEPT_PARTS: usize = 256;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes themselves are kept, so that taking one moves a pointer")]
    static PARTS: RefCell<Vec<Box<Parts>>> = const { RefCell::new(Vec::new()) };
}

/// Everything of a request but the handle.
pub(super) struct Parts {
    /// Spans into `bytes`.
    pub(super) head: RequestHead,
    /// The head as it came. `None` until it is complete.
    pub(super) bytes: Option<View>,
    pub(super) body: Body,
    pub(super) peer: PeerAddr,
    /// `None` if it came plainly, and nobody's word about the client counts.
    pub(super) way: Option<Rc<Way>>,
    /// Set by the router.
    pub(super) route: Option<Rc<Route>>,
    /// Spans into `bytes`, named by `route`.
    pub(super) params: ParamSpans,
    pub(super) extensions: Extensions,
}

/// A box from the core's own, or a new one. The body is empty; the head may be left over from the request before, as
/// whoever parses into it clears it.
#[inline]
pub(super) fn take() -> Box<Parts> {
    PARTS.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        Box::new(Parts {
            head: RequestHead::new(),
            bytes: None,
            body: Body::empty(),
            peer: PeerAddr::Memory,
            way: None,
            route: None,
            params: ParamSpans::new(),
            extensions: Extensions::default(),
        })
    })
}

/// Gives a box back. Whatever it holds is dropped now, not when the box is used again: the lease under the head
/// and the connection's end of the body count.
pub(super) fn give_back(mut parts: Box<Parts>) {
    parts.bytes = None;
    parts.body.clear();
    parts.route = None;
    parts.way = None;
    parts.params.clear();
    parts.extensions.clear();
    // A core that ends may drop requests after its thread's locals are gone: then the box is freed.
    let _ = PARTS.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_PARTS {
            kept.push(parts);
        }
    });
}
