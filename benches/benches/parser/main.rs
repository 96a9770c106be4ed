//! The request head parser against httparse, in one process, on the same bytes.
//!
//! httparse does less: it neither classifies names nor validates `Host` nor decides on framing. It runs in
//! its fastest configuration: header table not initialised, AVX2 found at run time, 100 entries.
//! `cargo bench -p corelane-benches --bench parser`

mod heads;

use std::hint::black_box;
use std::mem::MaybeUninit;

use corelane_http_proto::head::{HeadLimits, RequestHead};
use corelane_http_proto::scan::Kernel;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heads::SAMPLES;

fn request_heads(criterion: &mut Criterion) {
    let limits = HeadLimits::default();
    for (name, input) in SAMPLES {
        let mut group = criterion.benchmark_group(format!("request_head/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        for (kernel, label) in [(Kernel::detect(), "corelane"), (Kernel::portable(), "corelane_portable")] {
            let mut head = RequestHead::with_kernel(kernel);
            group.bench_function(label, |bencher| {
                bencher.iter(|| {
                    head.clear();
                    let len = head.parse(black_box(input), &limits);
                    black_box(&head);
                    len
                });
            });
        }
        group.bench_function("httparse", |bencher| {
            bencher.iter(|| {
                let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; 100];
                let mut request = httparse::Request::new(&mut []);
                let status = request.parse_with_uninit_headers(black_box(input), &mut table);
                black_box(&request);
                status
            });
        });
        group.finish();
    }
}

criterion_group!(benches, request_heads);
criterion_main!(benches);
