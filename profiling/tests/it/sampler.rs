//! Samples of a running process: the right function, core and route, and no harm.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_profiling::profile::Named;
use corelane_profiling::sampler::{self, Source};
use corelane_runtime::observe::{self, Route};
use corelane_runtime::{Runtime, shutdown, spawn, yield_now};

use crate::support::{alone, hot_and_cold, planted_hot};

/// Long enough for a few thousand samples.
fn length() -> Duration {
    match sampler::source() {
        Source::PerfEvents => Duration::from_secs(4),
        _ => Duration::from_secs(14),
    }
}

/// Two cores; the second works on a route, in a task that the request's task has spawned.
fn planted() -> (Named, f64) {
    let share = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&share);
    let session = sampler::start(999).unwrap();
    let runtime = Runtime::builder()
        .cores(Some(2))
        .pin(false)
        .start(move |core| {
            let told = Arc::clone(&told);
            async move {
                if core.index() == 1 {
                    observe::enter_route(Route::named("GET /hot"));
                    let worker = spawn(async move {
                        yield_now().await;
                        told.store(hot_and_cold(length()).to_bits(), Ordering::Relaxed);
                    });
                    observe::set_route(Route::NONE);
                    worker.await.unwrap();
                }
                shutdown::drain();
            }
        })
        .unwrap();
    runtime.join().unwrap();
    let profile = session.finish();
    assert_eq!((profile.lost, profile.threads_left_out), (0, 0));
    (profile.resolve(&mut Default::default()), f64::from_bits(share.load(Ordering::Relaxed)))
}

#[test]
fn a_hot_function_has_its_true_share_under_its_core_and_route() {
    let _alone = alone();
    let (named, truth) = planted();
    let of_route = |name: &str| -> u64 {
        let on_it = named.stacks.iter().filter(|stack| stack.route.as_deref() == Some("GET /hot"));
        on_it
            .filter(|stack| stack.frames.iter().any(|frame| frame.function.contains(name)))
            .map(|stack| stack.value)
            .sum()
    };
    let (hot, cold) = (of_route("planted_hot"), of_route("planted_cold"));
    let share = hot as f64 / (hot + cold) as f64;
    assert!((share - truth).abs() < 0.03, "{share:.3} of the samples, {truth:.3} of the time");
    for stack in &named.stacks {
        if stack.frames.iter().any(|frame| frame.function.contains("planted_")) {
            assert_eq!((stack.core, stack.route.as_deref()), (Some(1), Some("GET /hot")), "{stack:?}");
            assert_eq!(stack.thread.as_deref(), Some("corelane-1"));
            let names: Vec<_> = stack.frames.iter().map(|frame| &*frame.function).collect();
            assert!(names.iter().any(|name| name.contains("hot_and_cold")), "its caller: {names:?}");
        }
    }
    // All of the core's time is there, and hardly more than that.
    let seconds = (hot + cold) as f64 / 1e9;
    assert!((0.5..=1.1).contains(&(seconds / length().as_secs_f64())), "{seconds:.2} s of CPU");
    formats(&named);
}

/// What is written of it is what readers take.
fn formats(named: &Named) {
    let collapsed = named.collapsed();
    let sum: u64 =
        collapsed.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, named.total());
    assert!(collapsed.contains("core 1 (corelane-1);GET /hot;"), "{collapsed}");

    let svg = named.svg();
    assert!(svg.starts_with("<svg") && svg.contains("planted_hot") && svg.contains("]]></script>"));
    let file = std::env::temp_dir().join(format!("corelane-{}.pb", std::process::id()));
    std::fs::write(&file, named.pprof()).unwrap();
    let top = Command::new("go").args(["tool", "pprof", "-top", "-cum", "-nodecount=40"]).arg(&file).output();
    let top = top.expect("go is missing: apt-get install golang-go");
    let text = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(
        top.status.success() && text.contains("planted_hot"),
        "{text}{}",
        String::from_utf8_lossy(&top.stderr)
    );
    let tags = Command::new("go").args(["tool", "pprof", "-tags"]).arg(&file).output().unwrap();
    let tags = String::from_utf8_lossy(&tags.stdout).into_owned();
    assert!(tags.contains("GET /hot") && tags.contains("core: Total"), "{tags}");
    let _ = std::fs::remove_file(file);
}

/// Threads start and end all the time while everything is sampled at the highest rate, and system calls are interrupted. For six
/// seconds; `CORELANE_PROFILE_SECONDS` makes it longer.
#[test]
fn threads_may_start_and_end_while_they_are_sampled() {
    let _alone = alone();
    let seconds = std::env::var("CORELANE_PROFILE_SECONDS").ok().and_then(|text| text.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(6));
    let over = Arc::new(AtomicBool::new(false));
    let mut starters = Vec::new();
    for starter in 0..3u64 {
        let over = Arc::clone(&over);
        starters.push(thread::spawn(move || {
            let mut started = 0u64;
            while !over.load(Ordering::Relaxed) {
                let threads: Vec<_> = (0..8)
                    .map(|index| {
                        thread::spawn(move || {
                            let text = format!("{}", planted_hot(20_000 * (1 + index * starter)));
                            thread::sleep(Duration::from_micros(300 * index));
                            // Through the allocator, the kernel, and a function of libc without frames.
                            std::fs::read("/proc/self/stat").map(|stat| stat.len() + text.len()).unwrap_or(0)
                        })
                    })
                    .collect();
                for thread in threads {
                    assert!(thread.join().unwrap() > 0);
                    started += 1;
                }
            }
            started
        }));
    }
    let until = Instant::now() + length;
    let (mut samples, mut sessions) = (0, 0);
    while Instant::now() < until {
        // Several at once, of different rates, that begin and end at different times.
        let (slow, fast) = (sampler::start(49).unwrap(), sampler::start(999).unwrap());
        thread::sleep(Duration::from_millis(700));
        samples += fast.finish().count();
        drop(slow);
        sessions += 2;
    }
    over.store(true, Ordering::Relaxed);
    let started: u64 = starters.into_iter().map(|starter| starter.join().unwrap()).sum();
    println!("{started} threads, {sessions} sessions, {samples} samples in {length:?}");
    assert!(started > 100 && samples > 20, "{started} threads, {samples} samples");
}

#[test]
fn rates_out_of_bounds_are_refused() {
    for hz in [0, sampler::HZ_MAX + 1] {
        let error = sampler::start(hz).unwrap_err();
        assert!(error.is_rate() && error.to_string().contains("1 to 999"), "{error}");
    }
}
