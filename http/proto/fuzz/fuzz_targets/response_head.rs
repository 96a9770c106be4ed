//! Any bytes as a response head: every kernel says the same, whole or cut in two, and what is accepted is
//! what httparse reads.

#![no_main]

use corelane_http_proto::head::{HeadError, HeadLimits, Method, ResponseHead};
use corelane_http_proto::scan::Kernel;
use libfuzzer_sys::fuzz_target;

fn told(head: &ResponseHead, outcome: Result<Option<usize>, HeadError>) -> String {
    match outcome {
        Ok(Some(len)) => format!(
            "{len} {:?} {} {:?} {:?} {} {} {:?}",
            head.version(),
            head.status(),
            head.reason(),
            head.framing(Method::Get),
            head.keep_alive(),
            head.upgrade(),
            head.fields()
        ),
        other => format!("{other:?}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let limits = HeadLimits { fields_max: 5 + usize::from(cut & 64), ..HeadLimits::default() };
    let cut = usize::from(cut).min(input.len());

    let mut portable = ResponseHead::with_kernel(Kernel::portable());
    let outcome = portable.parse(input, &limits);
    let want = told(&portable, outcome);
    for kernel in [Kernel::portable(), Kernel::detect()] {
        let mut head = ResponseHead::with_kernel(kernel);
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
        let mut theirs = httparse::Response::new(&mut table);
        assert_eq!(theirs.parse(input), Ok(httparse::Status::Complete(len)));
        assert_eq!(theirs.code, Some(portable.status()));
        let fields = portable.fields().iter().map(|field| (field.name_span.of(input), field.value.of(input)));
        assert!(fields.eq(theirs.headers.iter().map(|field| (field.name.as_bytes(), field.value))));
    }
});
