//! Dates against the `httpdate` crate.

use std::time::{Duration, UNIX_EPOCH};

use corelane_http_proto::date::{DateCache, UNIX_SECONDS_MAX, imf_fixdate};
use proptest::prelude::*;

#[track_caller]
fn assert_same(seconds: u64) {
    let want = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(std::str::from_utf8(&imf_fixdate(seconds)), Ok(want.as_str()), "{seconds}");
}

#[test]
fn rfc9110_5_6_7_every_day_of_four_centuries_agrees() {
    const DAY: u64 = 86_400;
    // 146,097 days are one period of the calendar; a step of 86,413 seconds also walks through the time of day.
    for day in 0..146_097 {
        assert_same(day * (DAY + 13));
    }
}

proptest! {
    #[test]
    fn any_second_agrees(seconds in 0..=UNIX_SECONDS_MAX) {
        assert_same(seconds);
    }

    #[test]
    fn a_cache_shows_the_second_it_was_told_last(seconds in prop::collection::vec(0..=UNIX_SECONDS_MAX, 1..5)) {
        let mut cache = DateCache::new(0);
        for second in seconds {
            let changes = second != cache.unix_seconds();
            prop_assert_eq!(cache.refresh(second), changes);
            let fresh = imf_fixdate(second);
            prop_assert_eq!(cache.as_str().as_bytes(), &fresh[..]);
        }
    }
}
