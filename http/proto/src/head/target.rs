//! Request targets and their four forms (RFC 9112 §3.2).

use super::authority::{has_port, is_authority};
use super::{HeadError, Method, Span};

/// A target taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// As it was sent.
    pub(super) whole: Span,
    /// Never empty.
    pub(super) path: Span,
    /// Without the question mark. Position 0 stands for "no query", for a query cannot be there.
    pub(super) query: Span,
    /// Empty unless the target is of absolute or authority form.
    pub(super) authority: Span,
}

impl Target {
    /// No target yet.
    pub(super) const NONE: Self = Self {
        whole: Span::new(0, 0),
        path: Span::new(0, 0),
        query: Span::new(0, 0),
        authority: Span::new(0, 0),
    };

    /// A path and maybe a query (§3.2.1) at `start..end`; `question` is the first `?`, or `end`.
    #[inline(always)]
    pub(super) fn origin_form(start: usize, question: usize, end: usize) -> Self {
        Self {
            whole: Span::between(start, end),
            path: Span::between(start, question),
            query: if question < end { Span::between(question + 1, end) } else { Span::default() },
            authority: Span::default(),
        }
    }

    /// Takes apart the target at `bytes[start..end]`, all of whose bytes may stand in one.
    pub(super) fn take_apart(
        bytes: &[u8],
        start: usize,
        end: usize,
        method: Method,
    ) -> Result<Self, HeadError> {
        let question = bytes[start..end].iter().position(|&byte| byte == b'?').map_or(end, |len| start + len);
        let target = Self::origin_form(start, question, end);
        if bytes[start] == b'/' && method != Method::Connect {
            return Ok(target);
        }
        rare_form(bytes, target, question, method)
    }
}

/// Forms other than origin-form.
fn rare_form(bytes: &[u8], mut target: Target, question: usize, method: Method) -> Result<Target, HeadError> {
    let (start, end) = (target.whole.start(), target.whole.end());
    if method == Method::Connect {
        // Authority-form, and only for CONNECT (§3.2.3); the port is not optional.
        if !is_authority(&bytes[start..end]) || !has_port(&bytes[start..end]) {
            return Err(HeadError::TargetInvalid);
        }
        return Ok(Target { path: target.whole, query: Span::default(), authority: target.whole, ..target });
    }
    if &bytes[start..end] == b"*" && method == Method::Options {
        // Asterisk-form, and only for OPTIONS (§3.2.4).
        return Ok(target);
    }
    // Absolute-form (§3.2.2), which a server must accept although only proxies are sent it.
    let authority_start = start + scheme_len(&bytes[start..end]).ok_or(HeadError::TargetInvalid)?;
    let ends_authority = |byte: &u8| matches!(byte, b'/' | b'?');
    let authority_end =
        bytes[authority_start..end].iter().position(ends_authority).map_or(end, |len| authority_start + len);
    if !is_authority(&bytes[authority_start..authority_end]) {
        return Err(HeadError::TargetInvalid);
    }
    target.authority = Span::between(authority_start, authority_end);
    target.path = if authority_end < question {
        Span::between(authority_end, question)
    } else {
        // An empty path means `/` (RFC 9110 §4.2.3); the slash before the authority reads as one.
        Span::between(authority_start - 1, authority_start)
    };
    Ok(target)
}

/// Length of `http://` or `https://` in any case, if the target starts so.
fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(<[u8]>::len)
}
