//! What of a request can be had again once its handler has dropped it.

use std::rc::Rc;

use corelane_http_proto::head::{FIELDS_CAP, HEAD_BYTES_CAP, HeadLimits, Method, Span};
use corelane_runtime::buf::View;
use corelane_runtime::net::PeerAddr;

use super::params::ParamSpans;
use super::{Request, parts};
use crate::router::Route;

/// Holds the buffer under the head; the head's own table is made again if it is asked for.
pub(crate) struct Origin {
    bytes: Option<View>,
    method: Method,
    path: Span,
    params: ParamSpans,
    route: Option<Rc<Route>>,
    peer: PeerAddr,
}

impl Request {
    /// Keeps what can be had again.
    pub(crate) fn origin(&self) -> Origin {
        let parts = self.parts();
        Origin {
            bytes: parts.bytes.clone(),
            method: parts.head.method(),
            path: parts.head.path(),
            params: parts.params,
            route: parts.route.clone(),
            peer: parts.peer,
        }
    }
}

impl Origin {
    /// The request without its body and extensions.
    pub(crate) fn into_request(self) -> Request {
        let mut parts = parts::take();
        if let Some(bytes) = &self.bytes {
            // It was parsed before, under limits that are not higher.
            let limits = HeadLimits {
                head_bytes_max: HEAD_BYTES_CAP,
                fields_max: FIELDS_CAP,
                target_bytes_max: HEAD_BYTES_CAP,
            };
            let parsed = parts.head.parse(bytes, &limits);
            debug_assert!(matches!(parsed, Ok(Some(_))), "a head is parsed again as it was before");
        }
        parts.head.set_method(self.method);
        parts.head.set_path(self.path);
        parts.bytes = self.bytes;
        parts.params = self.params;
        parts.route = self.route;
        parts.peer = self.peer;
        Request { parts: Some(parts) }
    }
}
