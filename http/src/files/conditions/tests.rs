//! The order of RFC 9110 §13.2.2, row by row.

use std::time::{Duration, SystemTime};

use super::super::range::ByteRange;
use super::*;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn modified() -> SystemTime {
    // Half a second more than can be shown: dates compare by the second.
    SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500)
}

fn part() -> Verdict {
    Verdict::Ranges(Ranges::Parts(vec![ByteRange { first: 0, len: 10 }]))
}

fn weigh(method: &str, fields: &[(&str, &str)]) -> Verdict {
    let current = Validators::new(7, modified(), 100);
    let mut request = Request::builder(method, "/");
    for (name, value) in fields {
        request = request.header(name, value.replace("TAG", current.etag()));
    }
    let now = modified() + Duration::from_secs(60);
    Conditions::of(&request.build()).weigh(&current, 100, now)
}

#[test]
fn conditions_are_weighed_in_order() {
    use Verdict::{Failed, NotModified, Whole};
    for (why, fields, want) in [
        ("none", &[][..], Whole),
        ("its tag is asked for", &[("if-match", "TAG")], Whole),
        ("any tag", &[("if-match", "*")], Whole),
        ("one of several tags", &[("if-match", "\"a,b\" , TAG")], Whole),
        ("on two lines", &[("if-match", "\"a\""), ("if-match", "TAG")], Whole),
        ("another tag", &[("if-match", "\"a\"")], Failed),
        ("a weak one is no match", &[("if-match", "W/TAG")], Failed),
        ("malformed matches nothing", &[("if-match", "a")], Failed),
        ("not changed since", &[("if-unmodified-since", MODIFIED)], Whole),
        ("changed since", &[("if-unmodified-since", EARLIER)], Failed),
        ("no date", &[("if-unmodified-since", "yesterday")], Whole),
        ("If-Match goes before dates", &[("if-match", "TAG"), ("if-unmodified-since", EARLIER)], Whole),
        ("the client has it", &[("if-none-match", "TAG")], NotModified),
        ("and it was made weak on the way", &[("if-none-match", "W/TAG")], NotModified),
        ("the client has something", &[("if-none-match", "*")], NotModified),
        ("one of several", &[("if-none-match", "\"a\",, W/\"b\", TAG")], NotModified),
        ("the client has another", &[("if-none-match", "\"a\"")], Whole),
        ("the client has it, by date", &[("if-modified-since", MODIFIED)], NotModified),
        ("and a later date", &[("if-modified-since", LATER)], NotModified),
        ("in the form of RFC 850", &[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
        ("in that of asctime", &[("if-modified-since", "Sun Nov  6 08:49:37 1994")], NotModified),
        ("the client has an older one", &[("if-modified-since", EARLIER)], Whole),
        ("twice is malformed", &[("if-modified-since", LATER), ("if-modified-since", LATER)], Whole),
        (
            "If-None-Match goes before dates",
            &[("if-none-match", "\"a\""), ("if-modified-since", LATER)],
            Whole,
        ),
        ("412 goes before 304", &[("if-match", "\"a\""), ("if-none-match", "TAG")], Failed),
        ("a part", &[("range", "bytes=0-9")], part()),
        ("304 goes before a part", &[("range", "bytes=0-9"), ("if-none-match", "TAG")], NotModified),
        ("of this version", &[("range", "bytes=0-9"), ("if-range", "TAG")], part()),
        ("of another version", &[("range", "bytes=0-9"), ("if-range", "\"a\"")], Whole),
        ("a weak tag is not exact", &[("range", "bytes=0-9"), ("if-range", "W/TAG")], Whole),
        ("of this version by date", &[("range", "bytes=0-9"), ("if-range", MODIFIED)], part()),
        ("a later date is not exact", &[("range", "bytes=0-9"), ("if-range", LATER)], Whole),
        ("neither tag nor date", &[("range", "bytes=0-9"), ("if-range", "x")], Whole),
        ("outside", &[("range", "bytes=100-")], Verdict::Ranges(Ranges::Unsatisfiable)),
        ("outside of another version", &[("range", "bytes=100-"), ("if-range", "\"a\"")], Whole),
    ] {
        assert_eq!(weigh("GET", fields), want, "{why}");
    }
}

#[test]
fn methods_differ() {
    assert_eq!(weigh("HEAD", &[("range", "bytes=0-9")]), Verdict::Whole, "Range is defined for GET alone");
    assert_eq!(weigh("HEAD", &[("if-none-match", "TAG")]), Verdict::NotModified);
    assert_eq!(weigh("POST", &[("if-none-match", "TAG")]), Verdict::Failed, "nothing to use a copy for");
    assert_eq!(weigh("POST", &[("if-modified-since", LATER)]), Verdict::Whole);
}

#[test]
fn a_date_is_exact_only_once_its_second_is_over() {
    let request =
        Request::builder("GET", "/").header("range", "bytes=0-9").header("if-range", MODIFIED).build();
    let current = Validators::new(7, modified(), 100);
    let conditions = Conditions::of(&request);
    for (why, after, want) in [
        ("it may change again in this second", Duration::from_millis(400), Verdict::Whole),
        ("it cannot", Duration::from_millis(1600), part()),
    ] {
        let now = modified() + after;
        assert_eq!(conditions.weigh(&current, 100, now), want, "{why}");
    }
    let before = modified() - Duration::from_secs(10);
    assert_eq!(conditions.weigh(&current, 100, before), Verdict::Whole, "a clock that was set back");
}
