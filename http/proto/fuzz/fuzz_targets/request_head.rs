//! Any bytes as a request head: every kernel says the same, whole or cut in two, and what is accepted is
//! what httparse reads.

#![no_main]

use corelane_http_proto::head::{HeadError, HeadLimits, RequestHead};
use corelane_http_proto::scan::Kernel;
use libfuzzer_sys::fuzz_target;

fn told(head: &RequestHead, outcome: Result<Option<usize>, HeadError>) -> String {
    match outcome {
        Ok(Some(len)) => format!(
            "{len} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {} {:?}",
            head.method(),
            head.target(),
            head.path(),
            head.query(),
            head.version(),
            head.host(),
            head.framing(),
            head.keep_alive(),
            head.expect_continue(),
            head.upgrade(),
            head.fields()
        ),
        other => format!("{other:?}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    // Small limits come up as often as large ones.
    let limits = if cut & 1 == 0 {
        HeadLimits::default()
    } else {
        HeadLimits { head_bytes_max: 200, fields_max: 5, target_bytes_max: 40 }
    };
    let cut = usize::from(cut).min(input.len());

    let mut portable = RequestHead::with_kernel(Kernel::portable());
    let outcome = portable.parse(input, &limits);
    let want = told(&portable, outcome);
    for kernel in [Kernel::portable(), Kernel::detect()] {
        let mut head = RequestHead::with_kernel(kernel);
        match head.parse(&input[..cut], &limits) {
            Err(early) => assert_eq!(Err(early), outcome, "an early error is the one"),
            Ok(_) => {
                let outcome = head.parse(input, &limits);
                assert_eq!(told(&head, outcome), want);
            }
        }
    }

    if let Ok(Some(len)) = outcome {
        let mut table = [httparse::EMPTY_HEADER; 100];
        let mut theirs = httparse::Request::new(&mut table);
        assert_eq!(theirs.parse(input), Ok(httparse::Status::Complete(len)));
        assert_eq!(theirs.method, Some(portable.method().as_str(input)));
        assert_eq!(theirs.path, portable.target().str_of(input));
        let fields = portable.fields().iter().map(|field| (field.name_span.of(input), field.value.of(input)));
        assert!(fields.eq(theirs.headers.iter().map(|field| (field.name.as_bytes(), field.value))));
        assert!(portable.path().len() > 0 && portable.path().end() <= len);
    }
});
